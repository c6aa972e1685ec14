"""What an export may change of a network: a pass is one file, and one line in `PASSES`.

    Network -program-> Program -passes-> Program -lower-> Lowered

Every pass leaves the network's outputs as they are, or its `reference` says in torch what the outputs are instead;
verification compares the file with exactly that.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from vggc.ir.network import Network
from vggc.ir.program import Program, program
from vggc.passes.dynamic_hw import DynamicHw
from vggc.passes.embed_preprocess import EmbedPreprocess
from vggc.passes.fc_to_conv import FcToConv
from vggc.passes.fold_batch_norm import FoldBatchNorm
from vggc.passes.pass_definition import Pass
from vggc.passes.softmax import SoftmaxPass
from vggc.passes.strip_dropout import StripDropout

# By name, in the order in which they are carried out.
PASSES: Final[dict[str, Pass]] = {
    change.name: change
    for change in (
        StripDropout(),
        FoldBatchNorm(),
        FcToConv(),
        DynamicHw(),
        SoftmaxPass(),
        EmbedPreprocess(),
    )
}


def prepare(network: Network, names: Iterable[str] = ()) -> Program:
    """The program of a network after the passes of those names, and those that are always carried out.

    Raises:
        ProductError: a pass does not suit the network; the message says why.
    """
    requested = set(names)
    passes = tuple(name for name in PASSES if name in requested)
    prepared = replace(program(network), passes=passes)
    for name, change in PASSES.items():
        if change.always or name in passes:
            prepared = change.apply(prepared)
    return prepared
