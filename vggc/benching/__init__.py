"""How fast a network is in onnxruntime and in torch, for batch sizes and numbers of threads: `vggc bench`.

subject  what is measured: a spec or an ONNX file, as runs in both engines
rounds   the runs in turn, their medians and spreads, and what to know about them
machine  the machine that was measured
tables   the result as text, JSON and Markdown
"""
