"""`preprocess` and `train`: what belongs to a model besides its layers, as records.

Both are validated like the rest of a spec, kept in its expansion, and travel in the ONNX file's metadata. The words are
torch's. Nothing of this is imported for a spec without a recipe.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from vggc.base.records import Limits, Named, NamedByClass, OneOf, Record, by_kind
from vggc.layers.option_types import NonNegative, Positive, PositiveNumber, Probability, Size
from vggc.recipe.optimizers import OPTIMIZERS, Optimizer
from vggc.recipe.schedules import SCHEDULES, Schedule

__all__ = [
    "AUGMENTATIONS", "OPTIMIZERS", "SCHEDULES", "VOCABULARIES", "Optimizer", "Preprocess", "RandomCrop",
    "RandomErasing", "RandomHorizontalFlip", "Schedule", "Train",
]  # fmt: skip


class RandomCrop(NamedByClass):
    """A crop of `size` at a random place, after a border of `padding` zeros."""

    main = "size"
    size: Annotated[Size, "height and width of the crop"]
    padding: Annotated[NonNegative, "pixels added on every side before"] = 0


class RandomHorizontalFlip(NamedByClass):
    """A mirrored image, with probability `p`."""

    main = "p"
    p: Annotated[Probability, "how often"] = 0.5


class RandomErasing(NamedByClass):
    """A rectangle of random place and size set to 0, with probability `p`."""

    main = "p"
    p: Annotated[Probability, "how often"] = 0.5


AUGMENTATIONS: Final[dict[str, type[Named]]] = by_kind(RandomCrop, RandomHorizontalFlip, RandomErasing)
VOCABULARIES: Final[Mapping[str, Mapping[str, type[Named]]]] = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "augmentation": AUGMENTATIONS,
}
OPTIONAL: Final = ("schedule",)  # the vocabularies whose option may be `none`


class Preprocess(Record):
    """How an image becomes the input, step by step: resize, centre crop, scale to [0, 1], normalise."""

    resize: Annotated[Size | None, "the image is resized to this height and width"] = None
    crop: Annotated[Size | None, "the centre of this height and width is kept"] = None
    mean: Annotated[tuple[float, ...] | None, "subtracted, one value a channel"] = None
    std: Annotated[tuple[PositiveNumber, ...] | None, "divided by, one value a channel"] = None


class Train(Record):
    """The recipe of a training run."""

    epochs: Annotated[Positive, "passes over the training images"]
    batch_size: Annotated[Positive, "images in a step"]
    seed: Annotated[NonNegative, "seed of every random choice"] = 0
    validation: Annotated[
        float, Limits(minimum=0, exclusive_maximum=1), "share of the training images held out, the same of every class"
    ] = 0.1
    optimizer: Annotated[Optimizer, OneOf("optimizer"), "the optimizer"]
    schedule: Annotated[Schedule | None, OneOf("schedule"), "how the learning rate changes; `none` keeps it"] = None
    warmup: Annotated[
        NonNegative, "first epochs in which the rate of the schedule is multiplied by a factor that rises to 1"
    ] = 0
    augment: Annotated[
        tuple[Annotated[Named, OneOf("augmentation")], ...], "random changes to a training image, in order"
    ] = ()
    label_smoothing: Annotated[Probability, "share of the target spread over all classes"] = 0.0
    gradient_clip: Annotated[PositiveNumber | None, "the greatest norm of the gradient; a longer one is shortened"] = (
        None
    )
    precision: Annotated[Literal["32", "16-mixed", "bf16-mixed"], "arithmetic of a step"] = "32"
    early_stop: Annotated[Positive | None, "epochs without improvement after which the run ends"] = None
