"""The pictures of a run: losses, accuracies, the confusion matrix, and examples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vggc.base.staging import move_into_place, staging
from vggc.data.dataset import Images, Pixels
from vggc.training.evaluation import Evaluation
from vggc.training.history import History
from vggc.training.run_folder import RunFolder
from vggc.training.scores import Scores, percent

INK: Final = "#1f2328"
PALE: Final = "#9aa5b1"
GRID: Final = "#e4e7eb"
TRAINING: Final = "#ee6677"
VALIDATION: Final = "#4477aa"
RIGHT: Final = "#228833"
WRONG: Final = "#cc3344"
DPI: Final = 150
EXAMPLES: Final = (4, 8)  # rows and columns of test images
CELL: Final = 1.26  # height of an image and the two lines of its title, in widths
WIDTH: Final = 10.0  # of all columns, in inches
TITLE: Final = 8.0  # size of the titles, in points
MAX_NUMBERED: Final = 20  # classes up to which the cells of a confusion matrix hold numbers
MAX_NAMED: Final = 60  # classes up to which its axes hold names; beyond, the numbers of some
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
    figure, axes = _plot("training loss", "epoch")
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
    _legend(axes, [("each batch", TRAINING, 0.35), (f"mean of the last {window}", TRAINING, 1.0)])
    return figure


def running_mean(values: Sequence[float], window: int) -> list[float]:
    """The mean of each value and those before it, `window` of them where there are so many."""
    sums = torch.tensor([0.0, *values], dtype=torch.double).cumsum(0)
    ends = torch.arange(1, len(values) + 1)
    starts = (ends - window).clamp(min=0)
    return [float(each) for each in (sums[ends] - sums[starts]) / (ends - starts)]


def _top(values: Sequence[float], chance: float) -> float:
    """Where the axis ends: above chance and above nearly all values, so that a first few do not flatten the rest."""
    ordered = sorted(values)
    return 1.08 * (max(chance, ordered[int(0.995 * (len(ordered) - 1))]) or 1.0)


def accuracies(history: History, test_accuracy: float) -> Figure:
    """Training and validation accuracy of every epoch, and where the test ended up."""
    figure, axes = _plot("accuracy", "epoch")
    x = [each.epoch for each in history.epochs]
    lines = [("training", TRAINING, [100 * each.train_accuracy for each in history.epochs])]
    validated = [100 * each.validation_accuracy for each in history.epochs if each.validation_accuracy is not None]
    if validated:
        lines.append(("validation", VALIDATION, validated))
    marker = "o" if len(x) <= 30 else None
    for _, color, values in lines:
        axes.plot(x, values, color=color, linewidth=1.8, marker=marker, markersize=3.5)
    best = history.best
    assert best is not None
    axes.plot(
        [best.epoch], [100 * test_accuracy], color=INK, marker="D", markersize=6, linestyle="none", zorder=5,
        markeredgecolor="white",
    )  # fmt: skip
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.6g} %")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(x[0] - 0.3, x[-1] + 0.3)
    axes.set_ylim(top=min(101.0, axes.get_ylim()[1] + 1))
    entries = [(f"{name} {values[-1]:.2f} %", color, 1.0) for name, color, values in lines]
    _legend(axes, [*entries, (f"test {percent(test_accuracy)}", INK, 1.0)])
    return figure


def _plot(title: str, x: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 4.2), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold", pad=10)
    axes.set_xlabel(x, color=INK)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.grid(visible=True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(PALE)
    return figure, axes


def _legend(axes: Axes, entries: Sequence[tuple[str, str, float]]) -> None:
    """What the colours mean, above the plot at the right."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=color, alpha=alpha, linewidth=2.5) for _, color, alpha in entries]
    if entries[-1][1] == INK:
        handles[-1] = Line2D([], [], color=INK, marker="D", markersize=5, linestyle="none")
    axes.legend(
        handles, [name for name, _, _ in entries], loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(entries),
        frameon=False, fontsize=8.5, labelcolor=INK, borderaxespad=0.4, handlelength=1.4, columnspacing=1.4,
    )  # fmt: skip


# --- the test split ----------------------------------------------------------------------------------------------


def confusion(scores: Scores, title: str = "confusion on the test images") -> Figure:
    """Rows are true classes, columns predicted ones. The shade is the share of the row."""
    count = len(scores.names)
    side = max(4.5, min(12.0, 2.2 + 0.52 * count))
    figure = Figure(figsize=(side + 0.6, side), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    totals = [max(sum(row), 1) for row in scores.confusion]
    shares = [[cell / total for cell in row] for row, total in zip(scores.confusion, totals, strict=True)]
    axes.imshow(shares, cmap=_shades(), vmin=0, vmax=1)
    axes.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold", pad=10)
    axes.set_xlabel("predicted class", color=INK)
    axes.set_ylabel("true class", color=INK)
    places = range(0, count, 1 if count <= MAX_NAMED else -(-count // MAX_TICKS))
    names = [name if count <= MAX_NAMED else str(i) for i, name in enumerate(scores.names)][:: places.step]
    slanted: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(places, names, fontsize=9, color=INK, **(slanted if max(map(len, names)) > 3 else {}))
    axes.set_yticks(places, names, fontsize=9, color=INK)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if count <= MAX_NUMBERED:
        for i, row in enumerate(scores.confusion):
            for j, cell in enumerate(row):
                color = "white" if shares[i][j] > 0.5 else INK if cell else PALE
                axes.text(j, i, str(cell) if cell else "·", ha="center", va="center", color=color, fontsize=8)
    return figure


def _shades() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("vggc", ["#f7f9fb", "#a9c3de", VALIDATION, "#1b3a5c"])


def examples(evaluation: Evaluation, images: Images) -> Figure:
    """Test images at even distances with their predicted class and, where that is wrong, the true one."""
    rows, columns = EXAMPLES
    places = torch.linspace(0, len(images) - 1, min(rows * columns, len(images))).long().tolist()
    rows = -(-len(places) // columns)
    # A cell is 1 wide and CELL high, room for its title included; an inch below the heading is an inch of cells.
    heading = 0.45
    height = heading + rows * CELL * WIDTH / columns
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    title = "test images and their predicted classes"
    figure.text(0.006, 1 - 0.12 / height, title, va="top", color=INK, fontsize=12, fontweight="bold")
    axes = figure.add_axes((0, 0, 1, 1 - heading / height))
    for place, (row, column) in zip(places, ((i // columns, i % columns) for i in range(len(places))), strict=True):
        _example(axes, images.pixels(place), row * CELL, column)
        names = evaluation.scores.names
        predicted, true = (names[int(each[place])] for each in (evaluation.predicted, evaluation.labels))
        lines, color = ([predicted], RIGHT) if predicted == true else ([predicted, f"true: {true}"], WRONG)
        middle, above = column + 0.5, row * CELL + CELL - 1
        title = "\n".join(map(_short, lines))
        axes.text(
            middle, above, title, ha="center", va="bottom", fontsize=TITLE, linespacing=1.05, color=color,
            parse_math=False,
        )  # fmt: skip
    axes.set_axis_off()
    axes.set_xlim(0, columns)
    axes.set_ylim(rows * CELL, 0)
    return figure


def _example(axes: Axes, pixels: Pixels, top: float, left: float) -> None:
    """An image (H, W, C) in the lower part of a cell, in its own proportions."""
    height, width = pixels.shape[:2]
    tall, wide = (0.94 * side / max(height, width) for side in (height, width))
    x, y = left + (1 - wide) / 2, top + CELL - 1 + 0.03
    shown = pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, extent=(x, x + wide, y + tall, y), aspect="auto")


def _short(text: str) -> str:
    """The text, or as much of its beginning as the width of a cell has room for."""
    from matplotlib.textpath import TextPath

    room = 0.96 * 72 * WIDTH / EXAMPLES[1]
    shown = text
    while TextPath((0, 0), shown.replace("$", r"\$"), size=TITLE).get_extents().width > room:
        text = text[:-1]
        shown = f"{text}..."
    return shown
