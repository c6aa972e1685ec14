"""The optimizers of a recipe: classes of `torch.optim`, by torch's names and arguments.

Those that cannot train these networks are left out: SparseAdam needs sparse gradients, LBFGS evaluates the loss several
times a step, Muon accepts only matrices. So are arguments that choose an implementation (foreach, fused, ...).
"""

from typing import Annotated, Final

from vggc.base.records import Limits, Named
from vggc.layers.layer import PositiveNumber

LearningRate = Annotated[PositiveNumber, "learning rate"]
NonNegativeNumber = Annotated[float, Limits(minimum=0)]
Decay = Annotated[float, Limits(minimum=0, exclusive_maximum=1)]
WeightDecay = Annotated[NonNegativeNumber, "L2 penalty"]
DecoupledWeightDecay = Annotated[bool, "whether the weights decay by themselves, as in AdamW"]
Momentum = Annotated[NonNegativeNumber, "momentum"]
Betas = Annotated[tuple[Decay, Decay], "decay of the two running averages"]
Eps = Annotated[NonNegativeNumber, "added to the denominator"]


class Optimizer(Named):
    """A class of `torch.optim` of the same name; the fields are its keyword arguments."""

    main = "lr"
    lr: LearningRate

    def conflict(self) -> tuple[str, str] | None:
        """An argument that contradicts another, and the sentence that says so."""
        return None


class Adadelta(Optimizer):
    """`torch.optim.Adadelta`."""

    kind = "adadelta"
    lr: LearningRate = 1.0
    rho: Annotated[Decay, "decay of the running average"] = 0.9
    eps: Eps = 1e-6
    weight_decay: WeightDecay = 0.0


class Adafactor(Optimizer):
    """`torch.optim.Adafactor`."""

    kind = "adafactor"
    lr: LearningRate = 1e-2
    beta2_decay: Annotated[float, Limits(maximum=0), "the exponent by which the running average forgets"] = -0.8
    d: Annotated[float, Limits(minimum=1), "where the update is clipped"] = 1.0
    weight_decay: WeightDecay = 0.0


class Adagrad(Optimizer):
    """`torch.optim.Adagrad`."""

    kind = "adagrad"
    lr: LearningRate = 1e-2
    lr_decay: Annotated[NonNegativeNumber, "how the rate falls with the steps"] = 0.0
    weight_decay: WeightDecay = 0.0
    initial_accumulator_value: Annotated[NonNegativeNumber, "where the sum of squares begins"] = 0.0
    eps: Eps = 1e-10


class Adam(Optimizer):
    """`torch.optim.Adam`."""

    kind = "adam"
    lr: LearningRate = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.0
    amsgrad: Annotated[bool, "whether the largest second moment is kept"] = False
    decoupled_weight_decay: DecoupledWeightDecay = False


class AdamW(Optimizer):
    """`torch.optim.AdamW`."""

    kind = "adamw"
    lr: LearningRate = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 1e-2
    amsgrad: Annotated[bool, "whether the largest second moment is kept"] = False


class Adamax(Optimizer):
    """`torch.optim.Adamax`."""

    kind = "adamax"
    lr: LearningRate = 2e-3
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.0


class ASGD(Optimizer):
    """`torch.optim.ASGD`."""

    kind = "asgd"
    lr: LearningRate = 1e-2
    lambd: Annotated[float, "decay of the learning rate"] = 1e-4
    alpha: Annotated[float, "power of that decay"] = 0.75
    t0: Annotated[float, "the step at which averaging begins"] = 1e6
    weight_decay: WeightDecay = 0.0


class NAdam(Optimizer):
    """`torch.optim.NAdam`."""

    kind = "nadam"
    lr: LearningRate = 2e-3
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.0
    momentum_decay: Annotated[NonNegativeNumber, "decay of the momentum"] = 4e-3
    decoupled_weight_decay: DecoupledWeightDecay = False


class RAdam(Optimizer):
    """`torch.optim.RAdam`."""

    kind = "radam"
    lr: LearningRate = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.0
    decoupled_weight_decay: DecoupledWeightDecay = False


class RMSprop(Optimizer):
    """`torch.optim.RMSprop`."""

    kind = "rmsprop"
    lr: LearningRate = 1e-2
    alpha: Annotated[NonNegativeNumber, "decay of the running average"] = 0.99
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.0
    momentum: Momentum = 0.0
    centered: Annotated[bool, "whether the gradient is divided by its standard deviation"] = False


class Rprop(Optimizer):
    """`torch.optim.Rprop`."""

    kind = "rprop"
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

    kind = "sgd"
    lr: LearningRate = 1e-3
    momentum: Momentum = 0.0
    dampening: Annotated[float, "share of the gradient that momentum leaves out"] = 0.0
    weight_decay: WeightDecay = 0.0
    nesterov: Annotated[bool, "Nesterov's momentum"] = False

    def conflict(self) -> tuple[str, str] | None:
        if self.nesterov and (self.momentum <= 0 or self.dampening != 0):
            return "nesterov", "Nesterov's momentum needs a `momentum` above 0, and no `dampening`"
        return None


OPTIMIZERS: Final[dict[str, type[Optimizer]]] = {
    optimizer.kind: optimizer
    for optimizer in (
        Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, ASGD, NAdam, RAdam, RMSprop, Rprop, SGD,
    )
}  # fmt: skip
