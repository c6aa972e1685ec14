"""What a pass is: one change of a program, with its flag, its help and what verification compares the result with."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from vggc.ir.program import Program

if TYPE_CHECKING:
    import torch
    from torch import nn

Computation = Callable[["torch.Tensor"], "torch.Tensor"]


class Pass:
    """One change of a program that an export may ask for.

    `name` is also the flag of `vggc export`, with dashes. `help` is the text beside the flag. A pass that is carried
    out `always` needs no flag, and can not be switched off.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    always: ClassVar[bool] = False

    @property
    def flag(self) -> str:
        """The option of `vggc export`, such as `--fold-batch-norm`."""
        return f"--{self.name.replace('_', '-')}"

    @abstractmethod
    def apply(self, program: Program) -> Program:
        """The changed program.

        Raises:
            ProductError: the pass does not suit the network; the message says why.
        """

    def reference(self, program: Program, module: "nn.Module", computation: Computation) -> Computation:
        """What the changed program must compute, in torch and independently of `apply`.

        Args:
            program: after all passes.
            module: the module of the network, in eval mode.
            computation: what the program had to compute before this pass: an input (batch, C, H, W) -> the output.

        Returns:
            The computation after this pass; the same one where the pass changes no output.
        """
        return computation
