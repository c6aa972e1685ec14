"""A network becomes files: text products, or an ONNX file that is verified before it is published.

build          `vggc build`: Python source, picture, table and JSON
plan           what an export will write, decided before any weight is initialised
export         `vggc export`: initialised or loaded, lowered, written, verified, published
quantization   a float32 file -> an int8 one
"""
