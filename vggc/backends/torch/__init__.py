"""Network -> the torch module, and the Python source that builds it."""
