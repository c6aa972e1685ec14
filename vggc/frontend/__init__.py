"""From text to a typed spec: document, inherit, schema, spec."""
