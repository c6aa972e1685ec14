"""`report.html`: a run on one page, which needs no other file."""

import base64
import shlex
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from vggc.ir.network import Network
from vggc.training.history import Epoch, History
from vggc.training.run_folder import RunFolder
from vggc.training.scores import Scores, percent

PICTURES = {
    "loss.png": "The loss of every batch, and its running mean",
    "accuracy.png": "Accuracy on training and validation images, by epoch",
    "confusion.png": "Confusion on the test images: rows are true classes, columns predicted ones",
    "examples.png": "Test images at even distances",
}


def commands(folder: RunFolder, stem: str) -> list[str]:
    """How a person goes on from here, to be pasted into a shell."""
    path, onnx = (shlex.quote(str(each)) for each in (folder.path, folder.path / f"{stem}.onnx"))
    return [
        f"vggc eval {path}",
        f"vggc export {path}/spec.yaml --onnx --weights {path}/best.safetensors -o {onnx}",
        f"vggc predict {onnx} IMAGE",
        f"tensorboard --logdir {path}",
    ]


def page(folder: RunFolder, network: Network, summary: dict[str, Any], history: History, scores: Scores) -> str:
    """The text of the page."""
    body = "\n".join(
        [
            *_head(summary),
            *_warnings(summary["warnings"]),
            *_section("Curves", _pictures(folder, ["loss.png", "accuracy.png"])),
            *_section("Test images", _pictures(folder, ["confusion.png", "examples.png"])),
            *_section("Classes", _classes(scores)),
            *_section("Epochs", _epochs(history.epochs)),
            *_section("How to go on", _commands(folder, network)),
            *_section("Spec", [f"<pre>{escape(folder.spec.read_text(encoding='utf-8'))}</pre>"]),
            *_section("Made with", _pairs(folder.read_json("versions.json"))),
        ]
    )
    return _PAGE.format(title=escape(str(summary["name"])), body=body)


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"<section>\n<h2>{title}</h2>"
    yield from lines
    yield "</section>"


def _head(summary: dict[str, Any]) -> Iterator[str]:
    chosen = f"epoch {summary['best_epoch']} of {summary['epochs']}"
    times = "once" if summary["test_used"] == 1 else f"{summary['test_used']} times"
    yield f"<header>\n<h1>{escape(summary['name'])}</h1>"
    about = f"{summary['data']}, {summary['params']:,} parameters, {summary['finished']}"
    yield f"<p>{escape(about)}</p>\n</header>"
    yield '<div class="figures">'
    yield _figure(
        f"{percent(summary['test_accuracy'])}", f"of {summary['test_images']:,} test images, used {times}", True
    )
    if summary["best_validation_accuracy"] is not None:
        yield _figure(f"{percent(summary['best_validation_accuracy'])}", f"of the validation images, {chosen}")
    yield _figure(
        _duration(summary["seconds"]), f"on {summary['device']}, {summary['images_per_second']:,.0f} images/s"
    )
    yield _figure(f"seed {summary['seed']}", f"precision {summary['precision']}, {summary['status']}")
    yield "</div>"


def _figure(value: str, meaning: str, main: bool = False) -> str:
    kind = ' class="main"' if main else ""
    return f"<div{kind}><strong>{escape(value)}</strong><span>{escape(meaning)}</span></div>"


def _warnings(warnings: list[str]) -> Iterator[str]:
    for warning in warnings:
        yield f'<p class="warning">{escape(warning)}</p>'


def _pictures(folder: RunFolder, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        data = base64.b64encode((folder.path / name).read_bytes()).decode()
        yield f'<figure><img alt="{PICTURES[name]}" src="data:image/png;base64,{data}"></figure>'


def _classes(scores: Scores) -> Iterator[str]:
    rows = (
        (row.name, f"{row.support:,}", percent(row.precision), percent(row.recall), percent(row.f1))
        for row in scores.classes
    )
    yield from _table(("class", "images", "precision", "recall", "f1"), rows)


def _epochs(epochs: Iterable[Epoch]) -> Iterator[str]:
    headings = (
        "epoch",
        "learning rate",
        "training loss",
        "accuracy",
        "validation loss",
        "accuracy",
        "seconds",
        "images/s",
    )
    rows = (
        (
            str(each.epoch), f"{each.rate:.3g}", f"{each.train_loss:.4f}", percent(each.train_accuracy),
            "" if each.validation_loss is None else f"{each.validation_loss:.4f}",
            "" if each.validation_accuracy is None else percent(each.validation_accuracy),
            f"{each.seconds + each.validation_seconds:.1f}", f"{each.speed:,.0f}",
        )
        for each in epochs
    )  # fmt: skip
    yield from _table(headings, rows)


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield '<div class="wide"><table>'
    yield "<tr>" + "".join(f"<th>{escape(each)}</th>" for each in headings) + "</tr>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>"
    yield "</table></div>"


def _pairs(values: dict[str, Any]) -> Iterator[str]:
    yield "<table>"
    for key, value in values.items():
        yield f"<tr><th>{escape(key)}</th><td>{escape(str(value))}</td></tr>"
    yield "</table>"


def _commands(folder: RunFolder, network: Network) -> Iterator[str]:
    lines = "\n".join(commands(folder, network.stem))
    more = f"vggc train --resume {shlex.quote(str(folder.path))} --set train.epochs=N"
    yield f"<pre>{escape(lines)}</pre>"
    schedule = network.header.train.schedule if network.header.train is not None else None
    if schedule is None or not schedule.whole_run:
        yield f"<p>For more epochs: <code>{escape(more)}</code></p>"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


_PAGE = """<!DOCTYPE html>
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
.figures .main {{ background: #4477aa; border-color: #4477aa; color: #fff; }}
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
th + td:last-child:nth-child(2) {{ text-align: left; white-space: normal; }}
pre {{ background: #f5f7fa; border-radius: 6px; padding: 0.9rem 1rem; overflow-x: auto; font-size: 0.85rem; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
