"""`preprocess` and `train`: what belongs to a model besides its layers, as records.

Both are validated like the rest of a spec, kept in its expansion, and travel in the ONNX file's metadata. Arguments
are torch's (`torch.optim`, `torch.optim.lr_scheduler`) by torch's names.
"""

from typing import Annotated, Final, Literal, final

from vggc.layers.base import NonNegative, Positive, PositiveNumber, Probability, Size
from vggc.records import Named, OneOf, Record

LearningRate = Annotated[PositiveNumber, "learning rate"]
WeightDecay = Annotated[float, "L2 penalty"]
Factor = Annotated[PositiveNumber, "what the learning rate is multiplied by"]


@final
class SGD(Named):
    """`torch.optim.SGD`."""

    kind = "sgd"
    main = "lr"
    lr: LearningRate = 1e-3
    momentum: Annotated[float, "momentum"] = 0.0
    weight_decay: WeightDecay = 0.0
    nesterov: Annotated[bool, "Nesterov's momentum"] = False


@final
class Adam(Named):
    """`torch.optim.Adam`."""

    kind = "adam"
    main = "lr"
    lr: LearningRate = 1e-3
    betas: Annotated[tuple[float, float], "decay of the two running averages"] = (0.9, 0.999)
    weight_decay: WeightDecay = 0.0


@final
class AdamW(Named):
    """`torch.optim.AdamW`."""

    kind = "adamw"
    main = "lr"
    lr: LearningRate = 1e-3
    betas: Annotated[tuple[float, float], "decay of the two running averages"] = (0.9, 0.999)
    weight_decay: WeightDecay = 1e-2


@final
class RMSprop(Named):
    """`torch.optim.RMSprop`."""

    kind = "rmsprop"
    main = "lr"
    lr: LearningRate = 1e-2
    alpha: Annotated[float, "decay of the running average"] = 0.99
    momentum: Annotated[float, "momentum"] = 0.0
    weight_decay: WeightDecay = 0.0


@final
class ReduceLROnPlateau(Named):
    """`torch.optim.lr_scheduler.ReduceLROnPlateau`, on the validation accuracy."""

    kind = "reduce_lr_on_plateau"
    main = "patience"
    factor: Factor = 0.1
    patience: Annotated[NonNegative, "epochs without improvement that are borne"] = 10


@final
class StepLR(Named):
    """`torch.optim.lr_scheduler.StepLR`."""

    kind = "step_lr"
    main = "step_size"
    step_size: Annotated[Positive, "epochs between two steps"]
    gamma: Factor = 0.1


@final
class MultiStepLR(Named):
    """`torch.optim.lr_scheduler.MultiStepLR`."""

    kind = "multi_step_lr"
    main = "milestones"
    milestones: Annotated[tuple[Positive, ...], "the epochs at which the rate falls"]
    gamma: Factor = 0.1


@final
class CosineAnnealingLR(Named):
    """`torch.optim.lr_scheduler.CosineAnnealingLR` over all epochs."""

    kind = "cosine_annealing_lr"
    eta_min: Annotated[float, "the last learning rate"] = 0.0


@final
class OneCycleLR(Named):
    """`torch.optim.lr_scheduler.OneCycleLR` over all steps."""

    kind = "one_cycle_lr"
    main = "max_lr"
    max_lr: Annotated[PositiveNumber, "the highest learning rate"]
    pct_start: Annotated[Probability, "the share of the steps on which it rises"] = 0.3


@final
class RandomCrop(Named):
    """A crop of `size` at a random place, after a border of `padding` zeros."""

    kind = "random_crop"
    main = "size"
    size: Annotated[Size, "height and width of the crop"]
    padding: Annotated[NonNegative, "pixels added on every side before"] = 0


@final
class RandomHorizontalFlip(Named):
    """A mirrored image, with probability `p`."""

    kind = "random_horizontal_flip"
    main = "p"
    p: Annotated[Probability, "how often"] = 0.5


@final
class RandomErasing(Named):
    """A rectangle of random place and size set to 0, with probability `p`."""

    kind = "random_erasing"
    main = "p"
    p: Annotated[Probability, "how often"] = 0.5


def _table(*classes: type[Named]) -> dict[str, type[Named]]:
    return {each.kind: each for each in classes}


OPTIMIZERS: Final = _table(SGD, Adam, AdamW, RMSprop)
SCHEDULES: Final = _table(ReduceLROnPlateau, StepLR, MultiStepLR, CosineAnnealingLR, OneCycleLR)
AUGMENTATIONS: Final = _table(RandomCrop, RandomHorizontalFlip, RandomErasing)


@final
class Preprocess(Record):
    """How an image becomes the input, step by step: resize, centre crop, scale to [0, 1], normalise."""

    resize: Annotated[Size | None, "the image is resized to this height and width"] = None
    crop: Annotated[Size | None, "the centre of this height and width is kept"] = None
    mean: Annotated[tuple[float, ...] | None, "subtracted, one value a channel"] = None
    std: Annotated[tuple[PositiveNumber, ...] | None, "divided by, one value a channel"] = None


@final
class Train(Record):
    """The recipe of a training run."""

    epochs: Annotated[Positive, "passes over the training images"]
    batch_size: Annotated[Positive, "images in a step"]
    seed: Annotated[NonNegative, "seed of every random choice"] = 0
    validation: Annotated[Probability, "share of the training images held out"] = 0.1
    optimizer: Annotated[Named, OneOf("optimizer"), "the optimizer"]
    schedule: Annotated[Named | None, OneOf("schedule"), "how the learning rate changes"] = None
    augment: Annotated[
        tuple[Annotated[Named, OneOf("augmentation")], ...], "random changes to a training image, in order"
    ] = ()
    label_smoothing: Annotated[Probability, "share of the target spread over all classes"] = 0.0
    precision: Annotated[Literal["32", "16-mixed", "bf16-mixed"], "arithmetic of a step"] = "32"
    early_stop: Annotated[Positive | None, "epochs without improvement after which the run ends"] = None
