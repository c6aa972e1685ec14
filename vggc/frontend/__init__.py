"""The frontend: text -> document -> valid document -> spec -> graph.

text     sources and parser: YAML text -> `Document`, with ancestors and overrides merged
schema   the JSON Schema of the language, the validation of a document, and the messages about its violations
spec     a valid document -> `Spec` with units expanded -> `Graph` with repeats unrolled and rewrites applied
"""
