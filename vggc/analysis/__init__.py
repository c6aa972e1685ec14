"""What is known about a graph without running it: shapes, warnings, expectations."""
