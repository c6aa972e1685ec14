"""A valid document -> Spec -> Graph: units, repeats and rewrites are expanded, and every node gets its name."""
