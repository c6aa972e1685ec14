"""vggc compiles YAML specs of convolutional networks into PyTorch modules and verified ONNX files.

    >>> import vggc
    >>> network = vggc.compile("vgg16", overrides={"classes": 10})
    >>> network.flatten
    25088
    >>> module = network.module(init=False)
    >>> vggc.export_onnx(network, "vgg16.onnx")  # doctest: +SKIP

Reading order, which is the way of the data:

    text -document-> Document -schema-> (diagnostics) -spec-> Spec -ir-> Graph -shapes-> Network -backends-> artefact
    -verify-> report

`pipeline.compile` shows the first half in one function; `backends` lists the products; `export.export_onnx` is the
second half.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from vggc.version import __version__

if TYPE_CHECKING:
    from vggc.diagnostics import Diagnostic, SpecError
    from vggc.errors import InternalError, ProductError, VerificationError
    from vggc.export import Export, export_onnx
    from vggc.ir import Network, ShapedLayer
    from vggc.matching import Matching
    from vggc.pipeline import compile
    from vggc.verifying import verify_onnx

_HOMES = {
    "Diagnostic": "diagnostics",
    "Export": "export",
    "InternalError": "errors",
    "Matching": "matching",
    "Network": "ir",
    "ProductError": "errors",
    "ShapedLayer": "ir",
    "SpecError": "diagnostics",
    "VerificationError": "errors",
    "compile": "pipeline",
    "export_onnx": "export",
    "verify_onnx": "verifying",
}

__all__ = [
    "Diagnostic",
    "Export",
    "InternalError",
    "Matching",
    "Network",
    "ProductError",
    "ShapedLayer",
    "SpecError",
    "VerificationError",
    "__version__",
    "compile",
    "export_onnx",
    "verify_onnx",
]


def __getattr__(name: str) -> object:
    """Import what is asked for: `vggc check` takes no longer for what it does not need."""
    if name not in _HOMES:
        raise AttributeError(f"module `vggc` has no attribute `{name}`")
    return getattr(import_module(f"vggc.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
