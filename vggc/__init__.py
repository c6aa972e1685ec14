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

`pipeline.compile` shows the first half in one function; `backends` lists the products;
`exporting.export.export_onnx` is the second half. Around them, each with the same reading order in its `__init__`:

    passes      Network -> Program, the network as an export changes it: folded, dense, with its preprocessing
    weights     files of others -> a module with its weights
    verify      a file or a module against the network
    exporting   Program, weights -> a verified ONNX file
    importing   ONNX or torch -> Spec, the way back
    images      one image, a trained network -> classes
    data        images -> batches
    training    Network, batches -> weights, curves, a report
    authoring   new, diff, compare, fit
    lsp         text -> answers for an editor
    benching    a file or a network -> latencies
    files       how all of them write: whole or not at all
"""

from importlib import import_module
from typing import TYPE_CHECKING

from vggc.version import __version__

if TYPE_CHECKING:
    from vggc.diagnostics import Diagnostic, SpecError
    from vggc.errors import InternalError, ProductError, VerificationError
    from vggc.exporting.export import Export, export_onnx
    from vggc.importing.onnx_import import import_onnx
    from vggc.importing.result import Imported
    from vggc.importing.torch_import import import_torch
    from vggc.ir import Network, ShapedLayer
    from vggc.pipeline import compile
    from vggc.verify.verifying import verify_onnx
    from vggc.weights.matching import Matching

_HOMES = {
    "Diagnostic": "diagnostics",
    "Export": "exporting.export",
    "Imported": "importing.result",
    "InternalError": "errors",
    "Matching": "weights.matching",
    "Network": "ir",
    "ProductError": "errors",
    "ShapedLayer": "ir",
    "SpecError": "diagnostics",
    "VerificationError": "errors",
    "compile": "pipeline",
    "export_onnx": "exporting.export",
    "import_onnx": "importing.onnx_import",
    "import_torch": "importing.torch_import",
    "verify_onnx": "verify.verifying",
}

__all__ = [
    "Diagnostic",
    "Export",
    "Imported",
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
    "import_onnx",
    "import_torch",
    "verify_onnx",
]


def __getattr__(name: str) -> object:
    """Import what is asked for: `vggc check` takes no longer for what it does not need."""
    if name not in _HOMES:
        raise AttributeError(f"module `vggc` has no attribute `{name}`")
    return getattr(import_module(f"vggc.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
