"""The intermediate representation: what every frontend produces and everything else reads.

graph       Graph: nodes in topological order, each with the values that it takes
header      Header: what a spec says besides its layers
naming      layers in a row -> nodes with their paths and aliases
walk        the one fold over nodes: shapes, extents, counts, lowering and evaluation are its steps
network     Network: a graph with a shape at every node
geometry    extents as formulas, the smallest input, receptive fields

It imports `base`, `layers` and `recipe` alone.
"""
