"""What is written behind every epoch: tables, and the events that TensorBoard reads."""

from vggc.training.history import History
from vggc.training.run_folder import RunFolder


class Recorder:
    """Keeps `metrics.csv`, `losses.csv` and `tensorboard/` of a run up to date."""

    def __init__(self, folder: RunFolder, history: History) -> None:
        """Go on behind what the history holds: events of an epoch that was not finished are dropped by TensorBoard."""
        from torch.utils.tensorboard import SummaryWriter

        self._folder = folder
        self._steps = len(history.losses)
        purge = self._steps or None
        self._events = SummaryWriter(str(folder.path / "tensorboard"), purge_step=purge)

    def epoch(self, history: History) -> None:
        """Write down an epoch that is finished."""
        epoch, add = history.epochs[-1], self._events.add_scalar
        for step, loss in enumerate(history.losses[self._steps :], start=self._steps + 1):
            add("loss/batch", loss, step)
        self._steps = len(history.losses)
        figures = {
            "loss/training": epoch.train_loss, "loss/validation": epoch.validation_loss,
            "accuracy/training": epoch.train_accuracy, "accuracy/validation": epoch.validation_accuracy,
            "learning_rate": epoch.rate, "images_per_second": epoch.speed,
        }  # fmt: skip
        for name, value in figures.items():
            if value is not None:
                add(name, value, self._steps)
        self._events.flush()
        self._folder.write("metrics.csv", history.metrics_csv())
        self._folder.write("losses.csv", history.losses_csv())

    def close(self) -> None:
        """Close the events."""
        self._events.close()
