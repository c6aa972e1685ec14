"""Whether a product is what the network says: the torch module on the meta device, an ONNX file in onnxruntime.

A fixed absolute tolerance is both too strict and too weak for untrained networks: with torch's default initialisation
the output of a VGG hardly depends on its input, and a halved convolution has no effect that is seen. So errors are
relative to the output, and every verdict needs a negative control: with one layer perturbed, the outputs must differ.

module_check    the torch module against the analysis
verification    a file against a `Claim`: structure, outputs, the first layer that differs
verify_file     `vggc verify`: an existing file against the spec in it, or against another

Each is imported by name, because the first needs torch alone, and the others onnx and onnxruntime too.
"""
