"""The JSON Schema of a spec, the validation of a document, and messages with suggestions about its violations."""
