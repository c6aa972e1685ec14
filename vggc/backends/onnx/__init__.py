"""Program -> an ONNX file: lowered, written tensor by tensor, moved into place."""
