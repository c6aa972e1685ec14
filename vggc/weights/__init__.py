"""Weights from files into modules, with a report of every key.

reading     a file of others -> a state dict, and nothing in it executed
matching    which tensor of a file is which of a network: by name, by a map of keys, or by order and shape
aligning    order and shape, as far as names leave them open
loading     both, and the tensors into the module
"""
