"""The schedules of a recipe: classes of `torch.optim.lr_scheduler`, by torch's names and arguments.

What torch wants to know of the length of a run (T_max, total_iters, total_steps) is the recipe's number of epochs, and
is never written. A schedule is asked once an epoch, `OneCycleLR` at every step.
"""

from typing import Annotated, ClassVar, Final, Literal

from vggc.base.records import Limits, NamedByClass, by_kind
from vggc.layers.option_types import NonNegative, Positive, PositiveNumber

NonNegativeNumber = Annotated[float, Limits(minimum=0)]
Gamma = Annotated[PositiveNumber, "what the learning rate is multiplied by"]
LeastRate = Annotated[NonNegativeNumber, "the least learning rate"]
Share = Annotated[float, Limits(minimum=0, maximum=1)]


class Schedule(NamedByClass):
    """A class of `torch.optim.lr_scheduler` of the same name; the fields are its keyword arguments."""

    # Whether the rate of an epoch depends on how many there are in all, so that a run cannot be prolonged.
    whole_run: ClassVar[bool] = False


class ReduceLROnPlateau(Schedule):
    """`ReduceLROnPlateau`: lower when validation accuracy has stopped improving."""

    main = "patience"
    factor: Annotated[
        float, Limits(exclusive_minimum=0, exclusive_maximum=1), "what the learning rate is multiplied by"
    ] = 0.1
    patience: Annotated[NonNegative, "epochs without improvement that are borne"] = 10
    threshold: Annotated[NonNegativeNumber, "the least improvement that counts"] = 1e-4
    threshold_mode: Annotated[Literal["rel", "abs"], "whether that is a share of the best, or a difference from it"] = (
        "rel"
    )
    cooldown: Annotated[NonNegative, "epochs after a fall that do not count"] = 0
    min_lr: LeastRate = 0.0
    eps: Annotated[NonNegativeNumber, "a fall of less than that is left out"] = 1e-8


class StepLR(Schedule):
    """`StepLR`: lower every so many epochs."""

    main = "step_size"
    step_size: Annotated[Positive, "epochs between two steps"]
    gamma: Gamma = 0.1


class MultiStepLR(Schedule):
    """`MultiStepLR`: lower at certain epochs."""

    main = "milestones"
    milestones: Annotated[tuple[Positive, ...], "the epochs at which the rate falls"]
    gamma: Gamma = 0.1


class ExponentialLR(Schedule):
    """`ExponentialLR`: lower at every epoch."""

    main = "gamma"
    gamma: Gamma


class ConstantLR(Schedule):
    """`ConstantLR`: the rate times a factor, in every epoch."""

    main = "factor"
    factor: Annotated[Share, "what the learning rate is multiplied by"] = 1 / 3


class PolynomialLR(Schedule):
    """`PolynomialLR`: down to 0 over all epochs."""

    main = "power"
    whole_run = True
    power: Annotated[NonNegativeNumber, "1 is a straight line"] = 1.0


class CosineAnnealingLR(Schedule):
    """`CosineAnnealingLR`: half a cosine over all epochs."""

    main = "eta_min"
    whole_run = True
    eta_min: LeastRate = 0.0


class CosineAnnealingWarmRestarts(Schedule):
    """`CosineAnnealingWarmRestarts`: half a cosine, again and again."""

    main = "T_0"
    T_0: Annotated[Positive, "epochs of the first cosine"]
    T_mult: Annotated[Positive, "how much longer each is than the one before"] = 1
    eta_min: LeastRate = 0.0


class OneCycleLR(Schedule):
    """`OneCycleLR`: up and down again over all steps; the optimizer's `lr` is not used."""

    main = "max_lr"
    whole_run = True
    max_lr: Annotated[PositiveNumber, "the highest learning rate"]
    pct_start: Annotated[Share, "the share of the steps on which it rises"] = 0.3
    anneal_strategy: Annotated[Literal["cos", "linear"], "the shape of rise and fall"] = "cos"
    cycle_momentum: Annotated[bool, "whether momentum goes the other way; it replaces the optimizer's"] = True
    base_momentum: Annotated[Share, "the least momentum"] = 0.85
    max_momentum: Annotated[Share, "the greatest momentum"] = 0.95
    div_factor: Annotated[PositiveNumber, "the first rate is the highest divided by this"] = 25.0
    final_div_factor: Annotated[PositiveNumber, "the last rate is the first divided by this"] = 1e4
    three_phase: Annotated[bool, "whether the fall to the first rate mirrors the rise"] = False


SCHEDULES: Final[dict[str, type[Schedule]]] = by_kind(
    ReduceLROnPlateau, StepLR, MultiStepLR, ExponentialLR, ConstantLR, PolynomialLR, CosineAnnealingLR,
    CosineAnnealingWarmRestarts, OneCycleLR,
)  # fmt: skip
