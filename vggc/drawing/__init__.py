"""Every picture of a network; `draw` is the table of formats.

layer_units     a network -> units, a layer with the norm, activation and dropout after it -> those that repeat
svg_blocks      units -> blocks and their sizes
svg_marks       solids, arrows, labels and swatches in their places
svg_layout      blocks -> marks
svg_diagram     marks -> the picture as SVG
svg_theme       what all pictures share: colours, light and dark
flowchart       repeats -> boxes, frames and arrows; `mermaid_diagram` and `graphviz_dot` write them
notebook_html   the picture, a table of layers and the totals for a notebook; `html_page` is a page around it
"""
