"""The way back: an ONNX file or a torch module -> a short spec, its weights, and a report that says they are the same.

onnx_import    the whole way from a file, top to bottom
torch_modules  the same from a torch module
preparing      a model at inference, in float32
folding        nodes -> steps: constants computed, shapes known
spelling       steps -> operations in one spelling, with `windows` for convolutions and pools
chain          operations -> the places where all paths meet
ways           what a layer might be, by the operator that it begins with
matching       layers held against operations, by lowering them; `spellings` are those of other exporters
recovery       chain -> layers with tensors, or every node in the way
sections       layers -> graph, as a person would split and word it
idiom          graph -> short text, with `units` and `repeats`
checking       the recovered network beside what it came from
result         text, network, weights and report; and writing them
"""
