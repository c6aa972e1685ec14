"""YAML text -> a document in which every key and value has its span, with its ancestors merged."""
