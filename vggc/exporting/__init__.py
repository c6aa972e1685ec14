"""A network becomes an ONNX file that was verified before it is there.

export         `vggc export`: drawn or loaded, lowered, written, verified, published
calibration    images to find the ranges of an int8 file with
quantization   a float32 file -> an int8 one
"""
