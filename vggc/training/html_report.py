"""`report.html`: a run on one page, which needs no other file."""

import base64
import shlex
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any, Final

from vggc.ir.network import Network
from vggc.training.history import Epoch, History
from vggc.training.run_folder import RunFolder
from vggc.training.scores import Scores, percent

PICTURES: Final = {
    "loss.png": "The loss of every batch, and its running mean",
    "accuracy.png": "Accuracy on training and validation images, by epoch",
    "confusion.png": "Confusion on the test images: rows are true classes, columns predicted ones",
    "examples.png": "Test images at even distances",
}
CLASS_COLUMNS: Final = ("class", "images", "precision", "recall", "f1")
EPOCH_COLUMNS: Final = (
    "epoch", "learning rate", "training loss", "accuracy", "validation loss", "accuracy", "seconds", "images/s",
)  # fmt: skip


def commands(folder: RunFolder, stem: str) -> list[str]:
    """What the user can do next, as commands for a shell."""
    path, onnx = folder.shell_word, shlex.quote(str(folder.path / f"{stem}.onnx"))
    return [
        f"vggc eval {path}",
        f"vggc export {path}/spec.yaml --onnx --weights {path}/best.safetensors -o {onnx}",
        f"vggc predict {onnx} IMAGE",
        f"tensorboard --logdir {path}",
    ]


def page(folder: RunFolder, network: Network, summary: dict[str, Any], history: History, scores: Scores) -> str:
    """The text of the page."""
    sections = {
        "Curves": _pictures(folder, ["loss.png", "accuracy.png"]),
        "Test images": _pictures(folder, ["confusion.png", "examples.png"]),
        "Classes": _table(_class_rows(scores), CLASS_COLUMNS),
        "Epochs": _table(_epoch_rows(history.epochs), EPOCH_COLUMNS),
        "Next": _commands(folder, network),
        "Spec": f"<pre>{escape(folder.spec.read_text(encoding='utf-8'))}</pre>",
        "Versions": _table(folder.read_json("versions.json").items()),
    }
    warnings = [f'<p class="warning">{escape(warning)}</p>' for warning in summary["warnings"]]
    body = [f"<section>\n<h2>{title}</h2>\n{content}\n</section>" for title, content in sections.items()]
    return _PAGE.format(title=escape(str(summary["name"])), body="\n".join([*_head(summary), *warnings, *body]))


def _head(summary: dict[str, Any]) -> Iterator[str]:
    """The name of the network, and the most important figures."""
    about = f"{summary['data']}, {summary['params']:,} parameters, {summary['finished']}"
    yield f"<header>\n<h1>{escape(summary['name'])}</h1>\n<p>{escape(about)}</p>\n</header>"
    times = "once" if summary["test_used"] == 1 else f"{summary['test_used']} times"
    figures = [(percent(summary["test_accuracy"]), f"of {summary['test_images']:,} test images, used {times}")]
    if summary["best_validation_accuracy"] is not None:
        chosen = f"epoch {summary['best_epoch']} of {summary['epochs']}"
        figures.append((percent(summary["best_validation_accuracy"]), f"of the validation images, {chosen}"))
    speed = f"{summary['images_per_second']:,.0f} images/s"
    figures.append((_duration(summary["seconds"]), f"on {summary['device']}, {speed}"))
    figures.append((f"seed {summary['seed']}", f"precision {summary['precision']}, {summary['status']}"))
    yield '<div class="figures">'
    for figure, meaning in figures:
        yield f"<div><strong>{escape(figure)}</strong><span>{escape(meaning)}</span></div>"
    yield "</div>"


def _pictures(folder: RunFolder, names: Iterable[str]) -> str:
    images = {name: base64.b64encode((folder.path / name).read_bytes()).decode() for name in names}
    return "\n".join(
        f'<figure><img alt="{PICTURES[name]}" src="data:image/png;base64,{data}"></figure>'
        for name, data in images.items()
    )


def _class_rows(scores: Scores) -> Iterator[tuple[str, ...]]:
    for row in scores.classes:
        yield row.name, f"{row.support:,}", percent(row.precision), percent(row.recall), percent(row.f1)


def _epoch_rows(epochs: Iterable[Epoch]) -> Iterator[tuple[str, ...]]:
    for epoch in epochs:
        yield (
            str(epoch.epoch),
            f"{epoch.rate:.3g}",
            f"{epoch.train_loss:.4f}",
            percent(epoch.train_accuracy),
            "" if epoch.validation_loss is None else f"{epoch.validation_loss:.4f}",
            "" if epoch.validation_accuracy is None else percent(epoch.validation_accuracy),
            f"{epoch.seconds + epoch.validation_seconds:.1f}",
            f"{epoch.speed:,.0f}",
        )


def _table(rows: Iterable[Iterable[str]], columns: Iterable[str] = ()) -> str:
    heading = "".join(f"<th>{column}</th>" for column in columns)
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in filter(None, [heading, *lines]))
    return f'<div class="wide"><table>\n{body}\n</table></div>'


def _commands(folder: RunFolder, network: Network) -> str:
    text = f"<pre>{escape(chr(10).join(commands(folder, network.stem)))}</pre>"
    schedule = network.header.train.schedule if network.header.train is not None else None
    if schedule is not None and schedule.whole_run:
        return text
    resume = f"vggc train --resume {folder.shell_word} --set train.epochs=N"
    return f"{text}\n<p>For more epochs: <code>{escape(resume)}</code></p>"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 0 auto; max-width: 62rem; padding: 2rem 1.5rem 4rem; background: #fff; color: #1f2328;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }}
h1 {{ margin: 0; font-size: 1.9rem; }}
h2 {{ margin: 2.5rem 0 0.8rem; font-size: 1.15rem; }}
header p {{ margin: 0.2rem 0 1.4rem; color: #616e7c; }}
.figures {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 0.8rem; }}
.figures div {{ border: 1px solid #e4e7eb; border-radius: 8px; padding: 0.9rem 1rem; }}
.figures div:first-child {{ background: #4477aa; border-color: #4477aa; color: #fff; }}
.figures strong {{ display: block; font-size: 1.55rem; line-height: 1.25; }}
.figures span {{ font-size: 0.85rem; opacity: 0.85; }}
.warning {{ margin: 1rem 0 0; padding: 0.7rem 1rem; background: #fdf0f1; border-left: 4px solid #ee6677;
  border-radius: 4px; overflow-wrap: anywhere; }}
figure {{ margin: 0 0 1.2rem; }}
img {{ max-width: 100%; height: auto; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }}
th, td {{ padding: 0.3rem 0.9rem 0.3rem 0; text-align: right; border-bottom: 1px solid #e4e7eb; white-space: nowrap; }}
th {{ font-weight: 600; color: #616e7c; }}
th:first-child, td:first-child {{ text-align: left; }}
td:last-child:nth-child(2) {{ text-align: left; white-space: normal; }}
pre {{ background: #f5f7fa; border-radius: 6px; padding: 0.9rem 1rem; overflow-x: auto; font-size: 0.85rem; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
