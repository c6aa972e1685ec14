"""Tables, JSON and the canonical spec."""
