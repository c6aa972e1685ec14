"""A result as text, JSON, CSV and Markdown."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from vggc.benching.bench import Result
from vggc.benching.medians import Measurement, Ratio, Setting, Spread

_HEADINGS: Final = ("batch", "threads", "engine", "ms a batch", "images/s", "GMAC/s", "torch/onnxruntime", "rounds")
_LEFT: Final = ("engine",)


def to_text(result: Result) -> str:
    """A table for a terminal, with what it was measured on and what has to be known about it."""
    rows = [_HEADINGS, *_rows(result)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADINGS))]
    lines = [_title(result), _method(result), ""]
    lines += ["  ".join(map(_aligned, _HEADINGS, row, widths)).rstrip() for row in rows]
    lines += ["", str(result.machine), *(f"note: {note}" for note in result.notes)]
    return "\n".join(lines) + "\n"


def to_markdown(result: Result) -> str:
    """The same as a Markdown table."""
    rules = ["---" if heading in _LEFT else "---:" for heading in _HEADINGS]
    rows = [_HEADINGS, rules, *_rows(result)]
    lines = [_title(result) + "  ", _method(result), ""]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", str(result.machine), *(f"- {note}" for note in ["", *result.notes] if note)]
    return "\n".join(lines) + "\n"


def to_csv(result: Result) -> str:
    """A row for each engine in each setting; a key inside another is joined to it, as in `latency_ms_median`."""
    text = io.StringIO()
    rows = [dict(_flattened(_measurement(result, each))) for each in result.measurements]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _flattened(record: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for key, value in record.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}_{inner}", each) for inner, each in value.items())
        elif not isinstance(value, tuple):
            yield key, value


def to_json(result: Result) -> str:
    """Everything as one JSON object: every round's seconds too, in the units that the keys name."""
    subject = result.subject
    record = {
        "subject": {
            "name": subject.title,
            "inputs": [{"name": each.name, "type": str(each.dtype), "shape": each.shape} for each in subject.inputs],
            "macs": subject.macs,
            "frozen_batch": subject.frozen_batch,
        },
        "machine": asdict(result.machine),
        "plan": {"rounds": result.plan.rounds, "seconds": result.plan.seconds},
        "measurements": [_measurement(result, each) for each in result.measurements],
        "ratios": [_ratio(each) for each in result.ratios],
        "notes": result.notes,
    }
    return json.dumps(record, indent=1) + "\n"


FORMATS: Final[Mapping[str, Callable[[Result], str]]] = {
    "text": to_text,
    "json": to_json,
    "csv": to_csv,
    "markdown": to_markdown,
}


# --- tables ---


def _title(result: Result) -> str:
    network = result.subject.network
    inputs = ", ".join(
        f"{each.name} {each.dtype}[batch, {', '.join(map(str, each.shape))}]" for each in result.subject.inputs
    )
    counts = "" if network is None else f", {network.params:,} params, {network.macs:,} MACs"
    return f"{result.subject.title}: {inputs}{counts}"


def _method(result: Result) -> str:
    plan = result.plan
    method = f"medians (least to most) of up to {plan.rounds} rounds in turn, {plan.seconds:g} s a row"
    return f"{method}; ratios are paired by round" if result.ratios else method


def _rows(result: Result) -> Iterator[tuple[str, ...]]:
    ratios: dict[Setting, Spread] = {each.setting: each.spread for each in result.ratios}
    macs = result.subject.macs
    for each in result.measurements:
        setting = each.cell.setting
        beside = ratios.get(setting) if each.cell.engine == "torch" else None
        yield (
            str(setting.batch),
            str(setting.threads),
            each.cell.engine,
            _spread(each.latency),
            _spread(each.throughput),
            "" if macs is None else _number(each.speed(macs) / 1e9),
            "" if beside is None else _spread(beside),
            str(len(each.seconds)),
        )


def _spread(spread: Spread) -> str:
    return f"{_number(spread.median)} ({_number(spread.least)} to {_number(spread.most)})"


def _number(value: float) -> str:
    """Three digits that count, or more where they stand before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3g}"


def _aligned(heading: str, cell: str, width: int) -> str:
    return cell.ljust(width) if heading in _LEFT else cell.rjust(width)


# --- records ---


def _measurement(result: Result, each: Measurement) -> dict[str, Any]:
    macs = result.subject.macs
    return {
        "engine": each.cell.engine,
        "batch": each.cell.setting.batch,
        "threads": each.cell.setting.threads,
        "rounds": len(each.seconds),
        "runs": each.runs,
        "seconds": each.seconds,
        "latency_ms": _record(each.latency),
        "images_per_second": _record(each.throughput),
        "macs_per_second": None if macs is None else each.speed(macs),
    }


def _ratio(each: Ratio) -> dict[str, Any]:
    setting = {"batch": each.setting.batch, "threads": each.setting.threads}
    return {"engine": "torch", "beside": "onnxruntime", **setting, **_record(each.spread), "values": each.values}


def _record(spread: Spread) -> dict[str, float]:
    first, third = spread.quartiles
    return {
        "median": spread.median,
        "least": spread.least,
        "first_quartile": first,
        "third_quartile": third,
        "most": spread.most,
    }
