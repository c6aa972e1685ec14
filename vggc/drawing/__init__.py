"""Every picture of a network.

units       a network -> layers with the norm, activation and dropout after them, which pictures show as one thing

svg_blocks, svg_marks, svg_layout, svg_diagram      the picture: units -> blocks -> marks in their places -> SVG
converted   the same as PNG and PDF
repeats, flowchart, mermaid_diagram, graphviz_dot   units -> what repeats -> boxes and arrows -> text for other programs
notebook_html, html_page                            the picture and the table of layers, for a notebook and as a page

svg_theme   what all of them share: colours, light and dark, the lengths of texts
draw        the table of formats: what `vggc draw` does
axes, scatter, scatter_svg                          a scatter plot: its axes, points and labels -> SVG
"""
