"""What a run has measured so far: plain values, which a checkpoint holds and from which every file is written."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from io import StringIO
from typing import Any

from vggc.training.scores import percent


@dataclass(frozen=True)
class Epoch:
    """An epoch, counted from 1. Losses are means, accuracies shares; the training ones are measured while it trains.

    `rate` is the learning rate of its last step, `seconds` the time of training and `speed` its images a second;
    `validation_seconds` comes on top. The validation figures are None where no images are held out.
    """

    epoch: int
    rate: float
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float
    validation_seconds: float
    speed: float

    def line(self, epochs: int) -> str:
        """The epoch on a line, as one of so many."""
        parts = [
            f"epoch {self.epoch:{len(str(epochs))}}/{epochs}  lr {self.rate:<8.3g}",
            f"training: loss {self.train_loss:.4f}, {percent(self.train_accuracy):>7}",
        ]
        if self.validation_accuracy is not None:
            parts.append(f"validation: loss {self.validation_loss:.4f}, {percent(self.validation_accuracy):>7}")
        return "  ".join([*parts, f"{self.seconds + self.validation_seconds:.1f} s, {self.speed:,.0f} images/s"])


@dataclass
class History:
    """The loss of every step, the figures of every epoch, and the warnings that were printed."""

    losses: list[float] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def best(self) -> Epoch | None:
        """The epoch with the best validation accuracy, the first of equals; the last where nothing was validated."""
        validated = [epoch for epoch in self.epochs if epoch.validation_accuracy is not None]
        if not validated:
            return self.epochs[-1] if self.epochs else None
        return max(validated, key=lambda epoch: epoch.validation_accuracy or 0.0)

    @property
    def epochs_since_best(self) -> int:
        """How many epochs have passed since the best one."""
        return len(self.epochs) - self.best.epoch if self.best is not None else 0

    @property
    def seconds(self) -> float:
        """The time of training and validation so far, over all sessions."""
        return sum(epoch.seconds + epoch.validation_seconds for epoch in self.epochs)

    @property
    def speed(self) -> float:
        """Training images a second, over all epochs."""
        return sum(epoch.speed * epoch.seconds for epoch in self.epochs) / sum(epoch.seconds for epoch in self.epochs)

    def state_dict(self) -> dict[str, Any]:
        """Plain values, from which `from_state` builds it again."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "History":
        """The history of a checkpoint."""
        return cls(list(state["losses"]), [Epoch(**epoch) for epoch in state["epochs"]], list(state["warnings"]))

    def metrics_csv(self) -> str:
        """A line for each epoch."""
        return _csv([column.name for column in fields(Epoch)], (asdict(epoch).values() for epoch in self.epochs))

    def losses_csv(self) -> str:
        """A line for each step."""
        return _csv(["step", "loss"], enumerate(self.losses, start=1))


def _csv(heading: list[str], rows: Iterable[Iterable[Any]]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows(rows)  # None becomes an empty cell
    return text.getvalue()
