"""Layers -> a graph, and its short spec: sections, units, defaults and repeats."""
