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

from pkgutil import resolve_name
from typing import TYPE_CHECKING

from vggc.base.version import __version__

if TYPE_CHECKING:
    from vggc.base.diagnostics import Diagnostic, SpecError
    from vggc.base.errors import InternalError, ProductError, VerificationError
    from vggc.exporting.export import Export, export_onnx
    from vggc.importing.onnx_import import import_onnx
    from vggc.importing.result import Imported
    from vggc.importing.torch_import import import_torch
    from vggc.ir.network import ShapedLayer
    from vggc.model import Network, compile
    from vggc.verify.verify_file import verify_onnx
    from vggc.weights.key_matching import Matching

_HOMES = {
    "Diagnostic": "vggc.base.diagnostics:Diagnostic",
    "Export": "vggc.exporting.export:Export",
    "Imported": "vggc.importing.result:Imported",
    "InternalError": "vggc.base.errors:InternalError",
    "Matching": "vggc.weights.key_matching:Matching",
    "Network": "vggc.model:Network",
    "ProductError": "vggc.base.errors:ProductError",
    "ShapedLayer": "vggc.ir.network:ShapedLayer",
    "SpecError": "vggc.base.diagnostics:SpecError",
    "VerificationError": "vggc.base.errors:VerificationError",
    "compile": "vggc.model:compile",
    "export_onnx": "vggc.exporting.export:export_onnx",
    "import_onnx": "vggc.importing.onnx_import:import_onnx",
    "import_torch": "vggc.importing.torch_import:import_torch",
    "verify_onnx": "vggc.verify.verify_file:verify_onnx",
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
    return resolve_name(_HOMES[name])


def __dir__() -> list[str]:
    return __all__
