"""YAML text -> a document in which every key and value knows its place, with its ancestors merged in."""
