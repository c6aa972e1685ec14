"""The optimizers of a recipe: classes of `torch.optim`, by torch's names and arguments.

Those that cannot train these networks are left out: SparseAdam needs sparse gradients, LBFGS evaluates the loss several
times a step, Muon accepts only matrices. So are arguments that choose an implementation (foreach, fused, ...).
"""

from typing import Annotated, Final

from vggc.base.records import Limits, Named, by_kind
from vggc.layers.option_types import PositiveNumber

LearningRate = Annotated[PositiveNumber, "learning rate"]
NonNegativeNumber = Annotated[float, Limits(minimum=0)]
Decay = Annotated[float, Limits(minimum=0, exclusive_maximum=1)]
WeightDecay = Annotated[NonNegativeNumber, "L2 penalty"]
DecoupledWeightDecay = Annotated[bool, "whether the weights decay by themselves, as in AdamW"]
Momentum = Annotated[NonNegativeNumber, "momentum"]
AMSGrad = Annotated[bool, "whether the largest second moment is kept"]
Betas = Annotated[tuple[Decay, Decay], "decay of the two running averages"]
Eps = Annotated[NonNegativeNumber, "added to the denominator"]


class Optimizer(Named):
    """A class of `torch.optim` of the same name, which is its kind in lower case; the fields are its arguments."""

    main = "lr"
    lr: LearningRate

    def __init_subclass__(cls) -> None:
        cls.kind = cls.__name__.lower()
        super().__init_subclass__()

    def conflict(self) -> tuple[str, str] | None:
        """An argument that contradicts another, and the sentence that says so."""
        return None


class Adadelta(Optimizer):
    """`torch.optim.Adadelta`."""

    lr: LearningRate = 1.0
    rho: Annotated[Decay, "decay of the running average"] = 0.9
    eps: Eps = 1e-6
    weight_decay: WeightDecay = 0.0


class Adafactor(Optimizer):
    """`torch.optim.Adafactor`."""

    lr: LearningRate = 1e-2
    beta2_decay: Annotated[float, Limits(maximum=0), "the exponent by which the running average forgets"] = -0.8
    d: Annotated[float, Limits(minimum=1), "where the update is clipped"] = 1.0
    weight_decay: WeightDecay = 0.0


class Adagrad(Optimizer):
    """`torch.optim.Adagrad`."""

    lr: LearningRate = 1e-2
    lr_decay: Annotated[NonNegativeNumber, "how the rate falls with the steps"] = 0.0
    weight_decay: WeightDecay = 0.0
    initial_accumulator_value: Annotated[NonNegativeNumber, "where the sum of squares begins"] = 0.0
    eps: Eps = 1e-10


class _AdamLike(Optimizer):
    lr: LearningRate = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.0


class Adam(_AdamLike):
    """`torch.optim.Adam`."""

    amsgrad: AMSGrad = False
    decoupled_weight_decay: DecoupledWeightDecay = False


class AdamW(_AdamLike):
    """`torch.optim.AdamW`."""

    weight_decay: WeightDecay = 1e-2
    amsgrad: AMSGrad = False


class Adamax(_AdamLike):
    """`torch.optim.Adamax`."""

    lr: LearningRate = 2e-3


class ASGD(Optimizer):
    """`torch.optim.ASGD`."""

    lr: LearningRate = 1e-2
    lambd: Annotated[float, "decay of the learning rate"] = 1e-4
    alpha: Annotated[float, "power of that decay"] = 0.75
    t0: Annotated[float, "the step at which averaging begins"] = 1e6
    weight_decay: WeightDecay = 0.0


class NAdam(_AdamLike):
    """`torch.optim.NAdam`."""

    lr: LearningRate = 2e-3
    momentum_decay: Annotated[NonNegativeNumber, "decay of the momentum"] = 4e-3
    decoupled_weight_decay: DecoupledWeightDecay = False


class RAdam(_AdamLike):
    """`torch.optim.RAdam`."""

    decoupled_weight_decay: DecoupledWeightDecay = False


class RMSprop(Optimizer):
    """`torch.optim.RMSprop`."""

    lr: LearningRate = 1e-2
    alpha: Annotated[NonNegativeNumber, "decay of the running average"] = 0.99
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.0
    momentum: Momentum = 0.0
    centered: Annotated[bool, "whether the gradient is divided by its standard deviation"] = False


class Rprop(Optimizer):
    """`torch.optim.Rprop`."""

    lr: LearningRate = 1e-2
    etas: Annotated[tuple[PositiveNumber, PositiveNumber], "factors for a step that was too long, or too short"] = (
        0.5,
        1.2,
    )
    step_sizes: Annotated[tuple[PositiveNumber, PositiveNumber], "the least and the greatest step"] = (1e-6, 50.0)

    def conflict(self) -> tuple[str, str] | None:
        if not self.etas[0] < 1 < self.etas[1]:
            return "etas", "the first factor makes a step shorter and must be below 1, the second above"
        if self.step_sizes[0] > self.step_sizes[1]:
            return "step_sizes", "the least step is longer than the greatest"
        return None


class SGD(Optimizer):
    """`torch.optim.SGD`."""

    lr: LearningRate = 1e-3
    momentum: Momentum = 0.0
    dampening: Annotated[float, "share of the gradient that momentum leaves out"] = 0.0
    weight_decay: WeightDecay = 0.0
    nesterov: Annotated[bool, "Nesterov's momentum"] = False

    def conflict(self) -> tuple[str, str] | None:
        if self.nesterov and (self.momentum <= 0 or self.dampening != 0):
            return "nesterov", "Nesterov's momentum needs a `momentum` above 0, and no `dampening`"
        return None


OPTIMIZERS: Final[dict[str, type[Optimizer]]] = by_kind(
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, ASGD, NAdam, RAdam, RMSprop, Rprop, SGD,
)  # fmt: skip
