"""Accuracy, per-class table and confusion matrix of a set of predictions."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from heapq import nlargest
from typing import Any, Final

import torch

MAX_COLUMNS: Final = 30  # classes up to which the confusion matrix is printed
MAX_PAIRS: Final = 20  # mistakes that are listed instead


def percent(share: float) -> str:
    """A share in percent, with two decimals."""
    return f"{100 * share:.2f} %"


@dataclass(frozen=True)
class ClassScores:
    """Images of a class: how many there are (`support`), are `predicted` to be of it, and are so correctly."""

    label: int
    name: str
    support: int
    predicted: int
    correct: int

    @property
    def precision(self) -> float:
        """The share of the predictions of this class that are correct; 0 if there are none."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of the class that is recognised; 0 if it has no images."""
        return self.correct / self.support if self.support else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        both = self.support + self.predicted
        return 2 * self.correct / both if both else 0.0


@dataclass(frozen=True)
class Scores:
    """`confusion[i][j]` counts images of class i that are classified as class j; `loss` is the mean cross-entropy."""

    names: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    loss: float

    @classmethod
    def of(cls, names: Sequence[str], confusion: torch.Tensor, total_loss: float) -> "Scores":
        """From the confusion matrix (classes, classes) and the sum of losses."""
        count = max(int(confusion.sum()), 1)
        return cls(tuple(names), tuple(tuple(row) for row in confusion.tolist()), total_loss / count)

    @property
    def images(self) -> int:
        """The number of images."""
        return sum(map(sum, self.confusion))

    @property
    def accuracy(self) -> float:
        """The share of the images that are classified correctly."""
        correct = sum(self.confusion[i][i] for i in range(len(self.names)))
        return correct / self.images if self.images else 0.0

    @property
    def classes(self) -> list[ClassScores]:
        """The scores of each class."""
        return [
            ClassScores(i, name, sum(self.confusion[i]), sum(row[i] for row in self.confusion), self.confusion[i][i])
            for i, name in enumerate(self.names)
        ]

    def to_json(self) -> dict[str, Any]:
        """The scores as data."""
        return {
            "images": self.images,
            "accuracy": self.accuracy,
            "loss": self.loss,
            "classes": [
                {**asdict(row), "precision": row.precision, "recall": row.recall, "f1": row.f1} for row in self.classes
            ],
            "confusion": [list(row) for row in self.confusion],
        }

    def __str__(self) -> str:
        correct = f"{round(self.accuracy * self.images):,} of {self.images:,} images"
        confusion = self._matrix() if len(self.names) <= MAX_COLUMNS else self._mistakes()
        heading = f"accuracy {percent(self.accuracy)} ({correct}), loss {self.loss:.4f}"
        return "\n".join([heading, "", *self._table(), "", *confusion])

    def _table(self) -> Iterator[str]:
        width = max(len("class"), *(len(name) for name in self.names))
        yield f"{'class':{width}}  support  precision    recall        f1"
        for row in self.classes:
            shares = f"{percent(row.precision):>9}  {percent(row.recall):>8}  {percent(row.f1):>8}"
            yield f"{row.name:{width}}  {row.support:7,}  {shares}"

    def _matrix(self) -> Iterator[str]:
        """The matrix; a column is labelled by the number that is written before the name of its class."""
        digits = len(str(len(self.names) - 1))
        width = max(len(f"{max(map(max, self.confusion)):,}"), digits) + 1
        heading = digits + 1 + max(map(len, self.names))
        yield "confusion: a row for each true class, a column for each predicted one"
        yield " " * heading + "".join(f"{column:{width}}" for column in range(len(self.names)))
        for i, (name, row) in enumerate(zip(self.names, self.confusion, strict=True)):
            counts = "".join(f"{count:{width},}" if count else f"{'.':>{width}}" for count in row)
            yield f"{f'{i:{digits}} {name}':{heading}}{counts}"

    def _mistakes(self) -> Iterator[str]:
        """The pairs of classes that are confused most often."""
        pairs = (
            (count, self.names[i], self.names[j])
            for i, row in enumerate(self.confusion)
            for j, count in enumerate(row)
            if count and i != j
        )
        yield f"confusion: the {MAX_PAIRS} most frequent mistakes (all of them: --json or --png)"
        for count, true, predicted in nlargest(MAX_PAIRS, pairs, key=lambda pair: pair[0]):
            yield f"{count:7,}  {true}, classified as {predicted}"
