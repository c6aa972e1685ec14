"""What helps the author of the next variant: to begin it, to see what it changes, to choose among many.

adapting    what a child must say so that what it inherits still fits; child_text, how it says it
starting    a commented child spec that compiles as written
figures     what is counted of a network, by name
alignment   two lists of layers, paired at the least cost
diffing     what differs between two networks, and diff_text, diff_markdown and diff_json, which show it
comparing   a table of many networks, and their picture
depths      the layers of a spec by stage, with more of them or fewer
counting    the figures of many networks that share their layers
budget      what a budget is, and which variant makes the best of it
fitting     the variants of a spec that stay within a budget, and fit_specs, which writes them

Everything answers by analysis alone: nothing here imports torch, onnx or numpy.
"""
