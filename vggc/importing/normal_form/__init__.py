"""Nodes -> operations in one normal form for all opsets and exporters, and the places where all paths meet."""
