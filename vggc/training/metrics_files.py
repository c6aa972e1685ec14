"""The files that are written after every epoch: tables, and the events that TensorBoard reads."""

import time
from pathlib import Path
from typing import Final

from vggc.training.history import History
from vggc.training.run_folder import RunFolder

_PAUSE: Final = 0.05  # seconds
_TRIES: Final = 30


class MetricsFiles:
    """Keeps `metrics.csv`, `losses.csv` and `tensorboard/` of a run up to date."""

    def __init__(self, folder: RunFolder, history: History) -> None:
        """Go on after the last epoch of a history.

        That epoch is written again: a run may have been killed after its checkpoint and before this. TensorBoard drops
        what was written by an earlier session from the first step of that epoch on.
        """
        from torch.utils.tensorboard import SummaryWriter

        self._folder = folder
        epochs = len(history.epochs)
        self._steps = len(history.losses) * (epochs - 1) // epochs if epochs else 0
        purge = self._steps + 1 if epochs else None
        _wait_for_a_later_name(folder.path / "tensorboard")
        self._events = SummaryWriter(str(folder.path / "tensorboard"), purge_step=purge)
        if epochs:
            self.write_epoch(history)

    def write_epoch(self, history: History) -> None:
        """Write the last epoch of a history."""
        epoch, add = history.epochs[-1], self._events.add_scalar
        for step, loss in enumerate(history.losses[self._steps :], start=self._steps + 1):
            add("loss/batch", loss, step)
        self._steps = len(history.losses)
        scalars = {
            "loss/training": epoch.train_loss, "loss/validation": epoch.validation_loss,
            "accuracy/training": epoch.train_accuracy, "accuracy/validation": epoch.validation_accuracy,
            "learning_rate": epoch.rate, "images_per_second": epoch.speed,
        }  # fmt: skip
        for name, value in scalars.items():
            if value is not None:
                add(name, value, self._steps)
        self._events.flush()
        self._folder.write("metrics.csv", history.metrics_csv())
        self._folder.write("losses.csv", history.losses_csv())

    def close(self) -> None:
        """Close the event file."""
        self._events.close()


def _wait_for_a_later_name(events: Path) -> None:
    """TensorBoard reads files in the order of their names, which begin with the second in which they were created."""
    seconds = [int(path.name.split(".")[3]) for path in events.glob("events.out.tfevents.*")]
    for _ in range(_TRIES):  # no longer, in case the clock was put back
        if not seconds or int(time.time()) > max(seconds):
            return
        time.sleep(_PAUSE)
