"""The JSON Schema of a spec, and what it says of a document, in words and with a way out."""
