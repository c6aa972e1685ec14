"""Every picture of a network: SVG, HTML, Mermaid, Graphviz, and what a notebook shows."""
