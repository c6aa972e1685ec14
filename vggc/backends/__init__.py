"""The products of a network, by name; a backend is imported when it is asked for, because some import torch or onnx.

torch_module    Network -> nn.Sequential
onnx_model      Program -> ONNX without its weights (onnx_writer: with them, as a file; torch_exporter: by torch's hand)
python_source   Network -> the text of a Python module that needs torch alone
svg_diagram     Network -> the text of a picture, as for a paper
svg_layers      Network -> the text of a picture, layer by layer
mermaid_diagram Network -> the text of a Mermaid flowchart
graphviz_dot    Network -> the text of a Graphviz graph
html_page       Network and a picture -> the text of a page
text_summary    Network -> a table
html_table      Network -> picture and table for a notebook
shape_table     Network -> both tables as one object, for a shell and a notebook
network_json    Network -> the same as data
yaml_spec       Graph -> the canonical spec
"""

from importlib import import_module
from typing import Any, Final

NAMES: Final = (
    "torch_module",
    "onnx_model",
    "python_source",
    "svg_diagram",
    "svg_layers",
    "mermaid_diagram",
    "graphviz_dot",
    "html_page",
    "text_summary",
    "html_table",
    "shape_table",
    "network_json",
    "yaml_spec",
)


def load(name: str) -> Any:
    """The module of a backend."""
    if name not in NAMES:
        raise ValueError(f"there is no backend `{name}`; there are {', '.join(NAMES)}")
    return import_module(f"vggc.backends.{name}")
