"""Tools for the author of the next variant: begin it, see what it changes, choose among many.

adapting         the keys that a child with another input must change; child_text, those keys as YAML
starting         a commented child spec that compiles as it is (`vggc new`)
network_figures  the figures of a network, by name
alignment        two lists of layers, paired at the least cost
diffing          what differs between two networks, with the formats diff_text, diff_markdown and diff_json
comparing        a table of networks, with the formats compare_text, compare_markdown, compare_csv and compare_json
formats          the tables of these formats
depths           the layers of a spec by stage, with more of them or fewer
counting         the figures of many networks that have layers in common
budget           what a budget is, and which variant within it is the best
variant_search   the variants of a spec within a budget, and fit_specs, which writes them

Everything here only analyses specs: nothing imports torch, onnx or numpy.
"""
