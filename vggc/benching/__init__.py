"""How fast a network is in onnxruntime and in torch, over batch sizes and numbers of threads.

subject      what is measured: a spec, drawn and lowered, or an ONNX file of whatever origin
engines      a run of it in onnxruntime and in torch, with as many threads as asked for
rounds       the runs in turn, so that what disturbs the machine disturbs all of them
figures      medians and spreads of what the rounds gave
machine      what it was measured on
bench        all of these, in order: what `vggc bench` does
tables       the result as text, JSON, CSV and Markdown
"""
