"""The products of a network, a room for each sort: what is imported decides what is needed.

torch   the module, and the Python source that builds it
onnx    the ONNX file: lowered, written, moved into place
text    tables, JSON, the canonical spec
"""
