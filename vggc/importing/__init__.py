"""Importing: an ONNX file or a torch model -> a short spec, its weights, and a report that says they are the same.

reading      a model at inference in float32; constants computed, shapes known; the interface; the spec in vggc's files
normal_form  one form for the operators of all opsets and exporters, channels first; the graph as a chain with cuts
recognition  the candidates of the kinds, compared with the chain by lowering them; or torch modules, class by class
writing      layers split into sections, and written as a user would: units, defaults, repeats

`onnx_import` and `torch_import` are the two entries and show the whole way; `checking` compares what was recovered with
its original, and `result` is what an import returns.
"""
