"""Every picture of a network; `draw` is the table of formats.

layer_units     a network -> units, shown as one thing each: a layer with the norm, activation and dropout after it
svg_blocks      units -> blocks and their sizes
svg_marks       solids, arrows, labels and swatches in their places
svg_layout      blocks -> marks
svg_diagram     marks -> the picture as SVG; `converted` gives it as PNG and PDF
svg_theme       what all pictures share: colours, light and dark, the lengths of texts
unit_repeats    units -> those that repeat in a row
flowchart       repeats -> boxes, frames and arrows; `mermaid_diagram` and `graphviz_dot` write them
notebook_html   the picture, a table of layers and the totals for a notebook; `html_page` is a page around it
"""
