"""What an export may change of a network, each explicit and each reported; a pass a file.

    Network -program-> Program -passes-> Program -onnx_model.lower-> Lowered

The order below is the order in which they are carried out. Every pass leaves the network's own outputs as they are, or
says in its docstring what it computes instead, and verification holds the file against exactly that.
"""

from collections.abc import Callable, Iterable
from typing import Final

from vggc.ir.network import Network
from vggc.passes.dynamic_hw import check_sizes, dynamic_hw
from vggc.passes.embed_preprocess import embed_preprocess
from vggc.passes.fc_to_conv import fc_to_conv
from vggc.passes.fold_batch_norm import fold_batch_norm
from vggc.passes.program import Program, program
from vggc.passes.softmax import softmax
from vggc.passes.strip_dropout import strip_dropout

PASSES: Final[dict[str, Callable[[Program], Program]]] = {
    "strip_dropout": strip_dropout,
    "fold_batch_norm": fold_batch_norm,
    "fc_to_conv": fc_to_conv,
    "dynamic_hw": dynamic_hw,
    "softmax": softmax,
    "embed_preprocess": embed_preprocess,
}
ALWAYS: Final = ("strip_dropout",)


def prepare(network: Network, names: Iterable[str] = ()) -> Program:
    """The program of a network after the passes of those names, and those that are always carried out.

    Raises:
        ProductError: a pass does not suit the network; the message says why.
    """
    wanted = {*ALWAYS, *names}
    prepared = program(network)
    for name, each in PASSES.items():
        if name in wanted:
            prepared = each(prepared)
    return prepared


def least_opset(program: Program) -> int:
    """The oldest opset in which the nodes that the passes added can be written."""
    preprocess = program.network.header.preprocess
    resized = program.did("embed_preprocess") and preprocess is not None and preprocess.resize is not None
    return 18 if resized else 0


__all__ = ["ALWAYS", "PASSES", "Program", "check_sizes", "least_opset", "prepare", "program"]
