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

from vggc.diagnostics import Diagnostic, SpecError
from vggc.export import Export, VerificationError, export_onnx, verify_onnx
from vggc.files import ProductError
from vggc.ir import Network, ShapedLayer
from vggc.pipeline import compile
from vggc.version import __version__

__all__ = [
    "Diagnostic",
    "Export",
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
