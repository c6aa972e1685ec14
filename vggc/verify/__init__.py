"""Whether a product is what the network says: the torch module on the meta device, an ONNX file in onnxruntime.

A fixed absolute tolerance is both too strict and too weak for untrained networks: with torch's default initialisation
the output of a VGG hardly depends on its input, and a halved convolution stays unseen. So errors are measured relative
to the output, and every verdict needs a negative control: a copy of the reference with one layer perturbed must fail.

module      the torch module against the analysis
onnx_file   a file against a network and a module: structure, outputs, the first difference
verifying   `vggc verify`: an existing file against the spec in it (`embedded`), or against another

Each is imported by name, because the first needs torch alone and the second onnx and onnxruntime as well.
"""
