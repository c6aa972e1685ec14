"""Figures of a set of predictions, from its confusion matrix."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from heapq import nlargest
from typing import Any, Final

import torch

MAX_COLUMNS: Final = 30  # classes up to which the confusion matrix is printed
MAX_PAIRS: Final = 20  # mistakes that are listed otherwise


def percent(share: float) -> str:
    """A share in percent, with two decimals."""
    return f"{100 * share:.2f} %"


@dataclass(frozen=True)
class ClassScores:
    """A class: how many images of it there are (`support`), were called so (`predicted`), and rightly (`correct`)."""

    label: int
    name: str
    support: int
    predicted: int
    correct: int

    @property
    def precision(self) -> float:
        """Share of what was called so that is so; 0 where nothing was."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of the class that was recognised; 0 where there is none."""
        return self.correct / self.support if self.support else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        both = self.support + self.predicted
        return 2 * self.correct / both if both else 0.0


@dataclass(frozen=True)
class Scores:
    """`confusion[i][j]` counts images of class i that were called j; `loss` is the mean cross-entropy."""

    names: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    loss: float

    @classmethod
    def of(cls, names: Sequence[str], confusion: torch.Tensor, total_loss: float) -> "Scores":
        """From the matrix (classes, classes) and the sum of losses."""
        count = max(int(confusion.sum()), 1)
        return cls(tuple(names), tuple(tuple(row) for row in confusion.tolist()), total_loss / count)

    @property
    def images(self) -> int:
        """How many there are."""
        return sum(map(sum, self.confusion))

    @property
    def accuracy(self) -> float:
        """Share of the images that were called what they are."""
        right = sum(self.confusion[i][i] for i in range(len(self.names)))
        return right / self.images if self.images else 0.0

    @property
    def classes(self) -> list[ClassScores]:
        """A row for each class."""
        return [
            ClassScores(i, name, sum(self.confusion[i]), sum(row[i] for row in self.confusion), self.confusion[i][i])
            for i, name in enumerate(self.names)
        ]

    def to_json(self) -> dict[str, Any]:
        """As data."""
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
        right = round(self.accuracy * self.images)
        lines = [f"accuracy {percent(self.accuracy)} ({right:,} of {self.images:,} images), loss {self.loss:.4f}", ""]
        confusion = self._matrix() if len(self.names) <= MAX_COLUMNS else self._confusions()
        return "\n".join([*lines, *self._table(), "", *confusion])

    def _table(self) -> Iterator[str]:
        width = max(len("class"), *(len(name) for name in self.names))
        yield f"{'class':{width}}  support  precision    recall        f1"
        for row in self.classes:
            shares = "  ".join(f"{percent(each):>8}" for each in (row.recall, row.f1))
            yield f"{row.name:{width}}  {row.support:7,}  {percent(row.precision):>9}  {shares}"

    def _matrix(self) -> Iterator[str]:
        """Rows are true classes, columns predicted ones; columns go by the number before the name."""
        width = max(len(f"{max(map(max, self.confusion)):,}"), len(str(len(self.names) - 1))) + 1
        label = max(len(name) for name in self.names) + len(str(len(self.names) - 1)) + 1
        yield "confusion: a row for each true class, a column for each predicted one"
        yield " " * label + "".join(f"{column:{width}}" for column in range(len(self.names)))
        for i, (name, row) in enumerate(zip(self.names, self.confusion, strict=True)):
            place = f"{i:{len(str(len(self.names) - 1))}} {name}"
            yield f"{place:{label}}" + "".join(f"{count:{width},}" if count else f"{'.':>{width}}" for count in row)

    def _confusions(self) -> Iterator[str]:
        """Of too many classes for a matrix: the pairs that are mistaken for each other most often."""
        pairs = (
            (count, self.names[i], self.names[j])
            for i, row in enumerate(self.confusion)
            for j, count in enumerate(row)
            if count and i != j
        )
        yield f"confusion: the commonest {MAX_PAIRS} mistakes (all of them: --json or --png)"
        for count, true, predicted in nlargest(MAX_PAIRS, pairs, key=lambda pair: pair[0]):
            yield f"{count:7,}  {true}, called {predicted}"
