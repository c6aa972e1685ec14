"""vggc compiles YAML specs of convolutional networks into PyTorch modules and verified ONNX files.

    >>> import vggc
    >>> network = vggc.compile("vgg16", overrides={"classes": 10})
    >>> network.flatten
    25088
    >>> module = network.module(init=False)
    >>> vggc.export_onnx(network, "vgg16.onnx")  # doctest: +SKIP

The path of the data, and the packages that it goes through:

    YAML text -frontend-> Graph -analysis-> Network -passes-> Program -backends-> ONNX file -verify-> report

`pipeline.compile` is the first half in one function, `exporting.export.export_onnx` the second. `docs/architecture.md`
describes all packages.
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
    """Import a name when it is used, so that importing vggc stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module `vggc` has no attribute `{name}`")
    return resolve_name(_HOMES[name])


def __dir__() -> list[str]:
    return __all__
