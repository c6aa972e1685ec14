"""Which training images are trained on, and which are held out for validation."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch

from vggc.base.errors import ProductError
from vggc.data.dataset import ImageSource
from vggc.data.splitting import split_indices
from vggc.recipe.recipe import Train
from vggc.training.run_folder import RunFolder

_MAX_NAMES: Final = 5  # in a sentence


@dataclass(frozen=True)
class TrainingSplit:
    """Indices into the training images, int64, sorted: those that are trained on, and those held out for validation.

    `labels`, int64 (N,), are those of all training images.
    """

    training: torch.Tensor
    validation: torch.Tensor
    labels: torch.Tensor

    @classmethod
    def random(cls, labels: torch.Tensor, recipe: Train) -> "TrainingSplit":
        """A split by the recipe's share and seed.

        Raises:
            ProductError: the share of so few images is none.
        """
        training, validation = split_indices(labels, recipe.validation, recipe.seed)
        if recipe.validation and not len(validation):
            raise ProductError(
                f"validation: {recipe.validation} of {len(labels)} images is none; hold out more of them, or write 0"
            )
        return cls(training, validation, labels)

    @classmethod
    def stored(cls, folder: RunFolder, labels: torch.Tensor, data: str) -> "TrainingSplit":
        """The split of an earlier session, from `split.json`.

        Raises:
            ProductError: `data` are other images.
        """
        stored = folder.read_json("split.json")
        split = cls(torch.tensor(stored["training_images"]), torch.tensor(stored["validation_images"]).long(), labels)
        if stored["labels_sha256"] != split.fingerprint:
            raise ProductError(f"{data} are not the images that {folder.path} started with")
        return split

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the labels in order, which differs for other images."""
        return hashlib.sha256(self.labels.numpy().tobytes()).hexdigest()

    def store(self, folder: RunFolder, recipe: Train) -> None:
        """Write `split.json`."""
        folder.write_json(
            "split.json",
            {
                "seed": recipe.seed,
                "validation": recipe.validation,
                "labels_sha256": self.fingerprint,
                "training_images": self.training.tolist(),
                "validation_images": self.validation.tolist(),
            },
        )


def missing_class_warnings(split: TrainingSplit, source: ImageSource) -> Iterator[str]:
    """A warning for the validation and the test images each if they contain no image of some class."""
    if len(split.validation) and (names := missing_classes(split.labels[split.validation], source.classes)):
        yield (
            f"no validation image is of {names}, so the best epoch is chosen without; "
            "add images, or hold out more of them (--set train.validation=0.2)"
        )
    if names := missing_classes(source.images("test").labels, source.classes):
        yield f"no test image is of {names}, so the test does not measure how they are recognised; add some"


def missing_classes(labels: torch.Tensor, classes: tuple[str, ...]) -> str:
    """The names of the classes that none of the labels is of, for a sentence; empty if there are none."""
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    return name_list([name for name, count in zip(classes, counts, strict=True) if not count])


def name_list(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more
