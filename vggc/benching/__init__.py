"""How fast a network is in onnxruntime and in torch, for batch sizes and numbers of threads: `vggc bench`.

subject      what is measured: a spec, which is initialised and lowered, or an ONNX file of any origin
engines      runs in onnxruntime and in torch with a number of threads
measurement  settings, and the medians and spreads of what was measured in them
rounds       runs in turn, so that what disturbs the machine disturbs all of them
machine      the machine that was measured
bench        all of these in order
tables       the result as text, JSON and Markdown
"""
