"""A valid document -> Spec -> Graph: units are expanded, repeats unrolled, rewrites applied, nodes named."""
