"""An ONNX file -> a model at inference in float32: constants computed, shapes known, inputs and outputs checked."""
