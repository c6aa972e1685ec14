"""What a run has measured so far: plain values, which a checkpoint holds and from which every file is written."""

import csv
from dataclasses import asdict, dataclass, field, fields
from io import StringIO
from typing import Any

from vggc.training.scores import percent


@dataclass(frozen=True)
class Epoch:
    """An epoch, counted from 1. Losses are means, accuracies shares; the training ones were measured while it learned.

    `rate` is the learning rate of its last step, `seconds` what training took and `speed` images a second of it;
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
        place = f"epoch {self.epoch:{len(str(epochs))}}/{epochs}"
        parts = [
            f"{place}  lr {self.rate:<8.3g}",
            f"training: loss {self.train_loss:.4f}, {percent(self.train_accuracy):>7}",
        ]
        if self.validation_accuracy is not None:
            parts.append(f"validation: loss {self.validation_loss:.4f}, {percent(self.validation_accuracy):>7}")
        return "  ".join([*parts, f"{self.seconds + self.validation_seconds:.1f} s, {self.speed:,.0f} images/s"])


@dataclass
class History:
    """The loss of every step and the figures of every epoch; `warnings` are what the watch has said."""

    losses: list[float] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def best(self) -> Epoch | None:
        """The epoch with the best validation accuracy, the first of equals; the last where nothing was validated."""
        validated = [each for each in self.epochs if each.validation_accuracy is not None]
        if not validated:
            return self.epochs[-1] if self.epochs else None
        return max(validated, key=lambda each: each.validation_accuracy or 0.0)

    @property
    def waited(self) -> int:
        """How many epochs have passed since the best one."""
        return len(self.epochs) - self.best.epoch if self.best is not None else 0

    @property
    def seconds(self) -> float:
        """What training and validating took so far, over all sittings."""
        return sum(each.seconds + each.validation_seconds for each in self.epochs)

    def state_dict(self) -> dict[str, Any]:
        """Plain values, from which `from_state` makes it again."""
        return {
            "losses": list(self.losses),
            "epochs": [asdict(each) for each in self.epochs],
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "History":
        """The history of a checkpoint."""
        return cls(list(state["losses"]), [Epoch(**each) for each in state["epochs"]], list(state["warnings"]))

    def metrics_csv(self) -> str:
        """A line an epoch."""
        rows = [["" if value is None else value for value in asdict(each).values()] for each in self.epochs]
        return _csv([each.name for each in fields(Epoch)], rows)

    def losses_csv(self) -> str:
        """A line a step."""
        return _csv(["step", "loss"], [[step, loss] for step, loss in enumerate(self.losses, start=1)])


def _csv(heading: list[str], rows: list[list[Any]]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows(rows)
    return text.getvalue()
