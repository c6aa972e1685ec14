"""Which training images are trained on, and which are held out to choose the best epoch by."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from vggc.base.errors import ProductError
from vggc.data import Source, split_indices
from vggc.recipe.recipe import Train
from vggc.training.run_folder import RunFolder

_MAX_NAMES = 5  # in a sentence


@dataclass(frozen=True)
class Split:
    """Indices into the training images, int64, sorted: those that are trained on, and those that are held out.

    `labels`, int64 (N,), are those of all training images.
    """

    training: torch.Tensor
    held_out: torch.Tensor
    labels: torch.Tensor

    @classmethod
    def draw(cls, labels: torch.Tensor, recipe: Train) -> "Split":
        """By the recipe's share and seed.

        Raises:
            ProductError: the share of so few images is none.
        """
        training, held_out = split_indices(labels, recipe.validation, recipe.seed)
        if recipe.validation and not len(held_out):
            raise ProductError(
                f"validation: {recipe.validation} of {len(labels)} images is none; hold more of them out, or write 0"
            )
        return cls(training, held_out, labels)

    @classmethod
    def stored(cls, folder: RunFolder, labels: torch.Tensor, data: str) -> "Split":
        """That of a run which is resumed: it sees the images that it saw.

        Raises:
            ProductError: `data` are other images.
        """
        kept = folder.read_json("split.json")
        found = cls(torch.tensor(kept["training_images"]), torch.tensor(kept["validation_images"]).long(), labels)
        if kept["labels_sha256"] != found.fingerprint:
            raise ProductError(f"{data} are not the images that {folder.path} was begun with")
        return found

    @property
    def fingerprint(self) -> str:
        """Tells data sets apart: the SHA-256 of the labels in order."""
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
                "validation_images": self.held_out.tolist(),
            },
        )


def unseen_classes(split: Split, source: Source) -> Iterator[str]:
    """A sentence for each split that holds no image of some class, so that its figures say nothing of that class."""
    if len(split.held_out) and (names := absent(split.labels[split.held_out], source.classes)):
        yield (
            f"no validation image is of {names}, so the best epoch is chosen without; "
            "add images, or hold more of them out (--set train.validation=0.2)"
        )
    if names := absent(source.images("test").labels, source.classes):
        yield f"no test image is of {names}, so the test says nothing of how they are recognised; add some"


def absent(labels: torch.Tensor, classes: tuple[str, ...]) -> str:
    """The names of the classes that none of the labels is of, for a sentence; nothing where there are none."""
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    return listed([name for name, count in zip(classes, counts, strict=True) if not count])


def listed(names: list[str]) -> str:
    """Names in a sentence: the first few, and how many more there are."""
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more
