"""The pictures of a run: losses, accuracies, the confusion matrix, and examples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator

from vggc.base.staging import move_into_place, staging
from vggc.data.dataset import Images
from vggc.data.images.decoding import Pixels
from vggc.training.evaluation import Evaluation
from vggc.training.history import History
from vggc.training.run_folder import RunFolder
from vggc.training.scores import Scores, percent

INK: Final = "#1f2328"
PALE: Final = "#9aa5b1"
GRID: Final = "#e4e7eb"
TRAINING: Final = "#ee6677"
VALIDATION: Final = "#4477aa"
CORRECT: Final = "#228833"
WRONG: Final = "#cc3344"
SHADES: Final = ("#f7f9fb", "#a9c3de", VALIDATION, "#1b3a5c")  # of a confusion matrix
DPI: Final = 150
EXAMPLES: Final = (4, 8)  # rows and columns of test images
CELL: Final = 1.26  # height of an image and the two lines of its title, in widths
WIDTH: Final = 10.0  # of all columns, in inches
TITLE: Final = 8.0  # size of the titles, in points
MAX_NUMBERED: Final = 20  # classes up to which the cells of a confusion matrix contain numbers
MAX_NAMED: Final = 60  # classes up to which its axes contain names; beyond, the numbers of some
MAX_TICKS: Final = 25  # how many of them


def draw_all(folder: RunFolder, history: History, chance: float, evaluation: Evaluation, images: Images) -> None:
    """Write every picture of a run into its folder; `chance` is the loss of guessing, `images` the test split."""
    save(losses(history, chance), folder.path / "loss.png")
    save(accuracies(history, evaluation.scores.accuracy), folder.path / "accuracy.png")
    save(confusion(evaluation.scores), folder.path / "confusion.png")
    save(examples(evaluation, images), folder.path / "examples.png")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    with staging(path) as folder:
        staged = folder / path.name
        FigureCanvasAgg(figure)
        figure.savefig(staged, dpi=DPI, format="png", metadata={"Software": None})
        move_into_place(staged, path)


# --- curves ------------------------------------------------------------------------------------------------------


def losses(history: History, chance: float) -> Figure:
    """The training loss of every batch, and its running mean."""
    figure, axes = _curves("training loss")
    steps_per_epoch = len(history.losses) / len(history.epochs)
    x = [step / steps_per_epoch for step in range(1, len(history.losses) + 1)]
    window = max(1, min(100, len(history.losses) // 20))
    axes.plot(x, history.losses, color=TRAINING, alpha=0.25, linewidth=0.7)
    axes.plot(x, running_mean(history.losses, window), color=TRAINING, linewidth=1.8)
    axes.axhline(chance, color=PALE, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_xlim(0, len(history.epochs))
    axes.set_ylim(0, _top(history.losses, chance))
    axes.annotate(
        f"guessing: {chance:.2f}", (1, chance), xycoords=("axes fraction", "data"), xytext=(-4, 4),
        textcoords="offset points", ha="right", color=INK, fontsize=8.5, alpha=0.7,
    )  # fmt: skip
    mean = f"mean of the last {window}"
    _legend(axes, {"each batch": _line(TRAINING, alpha=0.35), mean: _line(TRAINING)})
    return figure


def running_mean(values: Sequence[float], window: int) -> list[float]:
    """The mean of each value and those before it, `window` of them where there are so many."""
    sums = torch.tensor([0.0, *values], dtype=torch.double).cumsum(0)
    ends = torch.arange(1, len(values) + 1)
    starts = (ends - window).clamp(min=0)
    means: list[float] = ((sums[ends] - sums[starts]) / (ends - starts)).tolist()
    return means


def _top(values: Sequence[float], chance: float) -> float:
    """Where the axis ends: above chance and above nearly all values, so that a first few do not flatten the rest."""
    ordered = sorted(values)
    return 1.08 * (max(chance, ordered[int(0.995 * (len(ordered) - 1))]) or 1.0)


def accuracies(history: History, test_accuracy: float) -> Figure:
    """Training and validation accuracy of every epoch, and the test accuracy at the best."""
    figure, axes = _curves("accuracy")
    x = [epoch.epoch for epoch in history.epochs]
    lines = {"training": (TRAINING, [100 * epoch.train_accuracy for epoch in history.epochs])}
    validated = [100 * epoch.validation_accuracy for epoch in history.epochs if epoch.validation_accuracy is not None]
    if validated:
        lines["validation"] = VALIDATION, validated
    for color, values in lines.values():
        axes.plot(x, values, color=color, linewidth=1.8, marker="o" if len(x) <= 30 else None, markersize=3.5)
    diamond: dict[str, Any] = {"color": INK, "marker": "D", "linestyle": "none"}
    if history.best is not None:
        axes.plot(
            [history.best.epoch], [100 * test_accuracy], markersize=6, zorder=5, markeredgecolor="white", **diamond
        )
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.6g} %")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(x[0] - 0.3, x[-1] + 0.3)
    axes.set_ylim(top=min(101.0, axes.get_ylim()[1] + 1))
    entries = {f"{name} {values[-1]:.2f} %": _line(color) for name, (color, values) in lines.items()}
    _legend(axes, {**entries, f"test {percent(test_accuracy)}": Line2D([], [], markersize=5, **diamond)})
    return figure


def _curves(title: str) -> tuple[Figure, Axes]:
    """An empty plot over epochs."""
    figure, axes = _figure(title, (8, 4.2))
    axes.set_xlabel("epoch", color=INK)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.grid(visible=True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(PALE)
    return figure, axes


def _figure(title: str, size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold", pad=10)
    return figure, axes


def _line(color: str, alpha: float = 1.0) -> Line2D:
    return Line2D([], [], color=color, alpha=alpha, linewidth=2.5)


def _legend(axes: Axes, entries: dict[str, Line2D]) -> None:
    """The meaning of the colours, above the plot at the right."""
    axes.legend(
        list(entries.values()), list(entries), loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(entries),
        frameon=False, fontsize=8.5, labelcolor=INK, borderaxespad=0.4, handlelength=1.4, columnspacing=1.4,
    )  # fmt: skip


# --- the test split ----------------------------------------------------------------------------------------------


def confusion(scores: Scores, title: str = "confusion on the test images") -> Figure:
    """Rows are true classes, columns predicted ones. The shade is the share of the row."""
    count = len(scores.names)
    side = max(4.5, min(12.0, 2.2 + 0.52 * count))
    figure, axes = _figure(title, (side + 0.6, side))
    totals = [max(sum(row), 1) for row in scores.confusion]
    shares = [[cell / total for cell in row] for row, total in zip(scores.confusion, totals, strict=True)]
    axes.imshow(shares, cmap=LinearSegmentedColormap.from_list("vggc", SHADES), vmin=0, vmax=1)
    axes.set_xlabel("predicted class", color=INK)
    axes.set_ylabel("true class", color=INK)
    ticks = range(0, count, 1 if count <= MAX_NAMED else -(-count // MAX_TICKS))
    names = [scores.names[i] if count <= MAX_NAMED else str(i) for i in ticks]
    slanted: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(ticks, names, fontsize=9, color=INK, **(slanted if max(map(len, names)) > 3 else {}))
    axes.set_yticks(ticks, names, fontsize=9, color=INK)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if count <= MAX_NUMBERED:
        for i, row in enumerate(scores.confusion):
            for j, cell in enumerate(row):
                color = "white" if shares[i][j] > 0.5 else INK if cell else PALE
                axes.text(j, i, str(cell) if cell else "·", ha="center", va="center", color=color, fontsize=8)
    return figure


def examples(evaluation: Evaluation, images: Images) -> Figure:
    """Test images at even distances with their predicted class and, where that is wrong, the true one."""
    rows, columns = EXAMPLES
    indices = torch.linspace(0, len(images) - 1, min(rows * columns, len(images))).long().tolist()
    rows = -(-len(indices) // columns)
    # A cell is 1 wide and CELL high, room for its title included; an inch below the heading is an inch of cells.
    heading = 0.45
    height = heading + rows * CELL * WIDTH / columns
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    title = "test images and their predicted classes"
    figure.text(0.006, 1 - 0.12 / height, title, va="top", color=INK, fontsize=12, fontweight="bold")
    axes = figure.add_axes((0, 0, 1, 1 - heading / height))
    for cell, index in enumerate(indices):
        left, top = cell % columns, cell // columns * CELL + CELL - 1
        _example(axes, images.pixels(index), left, top)
        _example_title(axes, evaluation, index, (left + 0.5, top))
    axes.set_axis_off()
    axes.set_xlim(0, columns)
    axes.set_ylim(rows * CELL, 0)
    return figure


def _example(axes: Axes, pixels: Pixels, left: float, top: float) -> None:
    """An image (H, W, C) in a square of side 1, in its own proportions."""
    height, width = pixels.shape[:2]
    tall, wide = (0.94 * side / max(height, width) for side in (height, width))
    x, y = left + (1 - wide) / 2, top + 0.03
    image = pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, extent=(x, x + wide, y + tall, y), aspect="auto")


def _example_title(axes: Axes, evaluation: Evaluation, index: int, place: tuple[float, float]) -> None:
    """The predicted class, and the true one below it where it differs."""
    names = evaluation.scores.names
    predicted, true = names[int(evaluation.predicted[index])], names[int(evaluation.labels[index])]
    lines, color = ([predicted], CORRECT) if predicted == true else ([predicted, f"true: {true}"], WRONG)
    text = "\n".join(map(_shortened, lines))
    options: dict[str, Any] = {"fontsize": TITLE, "linespacing": 1.05, "color": color, "parse_math": False}
    axes.text(*place, text, ha="center", va="bottom", **options)


def _shortened(text: str) -> str:
    """The text, or as much of its beginning as fits into the width of a cell."""
    room = 0.96 * 72 * WIDTH / EXAMPLES[1]
    shortened = text
    while TextPath((0, 0), shortened.replace("$", r"\$"), size=TITLE).get_extents().width > room:
        text = text[:-1]
        shortened = f"{text}..."
    return shortened
