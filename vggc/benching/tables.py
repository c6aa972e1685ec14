"""A result as text, JSON and Markdown."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from vggc.backends.text.text_summary import aligned
from vggc.benching.bench import BenchResult
from vggc.benching.measurement import Spread, Timing

HEADINGS: Final = ("batch", "threads", "engine", "ms a batch", "images/s", "GMAC/s", "torch/onnxruntime", "rounds")
RIGHT: Final = tuple(heading != "engine" for heading in HEADINGS)


def to_text(result: BenchResult) -> str:
    """A table for a terminal, with the machine that was measured and the notes."""
    table = aligned([HEADINGS, *_rows(result)], RIGHT)
    notes = (f"note: {note}" for note in result.notes)
    return "\n".join([_title(result), _method(result), "", *table, "", str(result.machine), *notes]) + "\n"


def to_markdown(result: BenchResult) -> str:
    """The same as a Markdown table."""
    rows = [HEADINGS, ["---:" if right else "---" for right in RIGHT], *_rows(result)]
    table = (f"| {' | '.join(row)} |" for row in rows)
    notes = (f"- {note}" for note in result.notes)
    return "\n".join([f"{_title(result)}  ", _method(result), "", *table, "", str(result.machine), *notes]) + "\n"


def to_json(result: BenchResult) -> str:
    """Everything as one JSON object: every round's seconds too, in the units that the keys name."""
    subject = result.subject
    inputs = [{"name": value.name, "type": str(value.dtype), "shape": value.shape} for value in subject.inputs]
    record = {
        "subject": {
            "name": subject.title,
            "inputs": inputs,
            "macs": subject.macs,
            "frozen_batch": subject.frozen_batch,
        },
        "machine": asdict(result.machine),
        "plan": {"rounds": result.plan.rounds, "seconds": result.plan.seconds},
        "measurements": [_timing(timing, subject.macs) for timing in result.timings],
        "ratios": [
            {"engine": "torch", "beside": "onnxruntime", "batch": ratio.batch, "threads": ratio.threads}
            | {**_spread(Spread.of(ratio.values)), "values": ratio.values}
            for ratio in result.ratios
        ],
        "notes": result.notes,
    }
    return json.dumps(record, indent=1) + "\n"


FORMATS: Final[Mapping[str, Callable[[BenchResult], str]]] = {
    "text": to_text,
    "json": to_json,
    "markdown": to_markdown,
}


def _title(result: BenchResult) -> str:
    inputs = (
        f"{value.name} {value.dtype}[batch, {', '.join(map(str, value.shape))}]" for value in result.subject.inputs
    )
    network = result.subject.network
    counts = "" if network is None else f", {network.params:,} params, {network.macs:,} MACs"
    return f"{result.subject.title}: {', '.join(inputs)}{counts}"


def _method(result: BenchResult) -> str:
    plan = result.plan
    method = f"medians (least to most) of up to {plan.rounds} rounds in turn, {plan.seconds:g} s a row"
    return f"{method}; ratios are paired by round" if result.ratios else method


def _rows(result: BenchResult) -> Iterator[tuple[str, ...]]:
    ratios = {(ratio.batch, ratio.threads): in_words(Spread.of(ratio.values)) for ratio in result.ratios}
    macs = result.subject.macs
    for timing in result.timings:
        setting, speed = timing.setting, timing.throughput
        ratio = ratios.get((setting.batch, setting.threads), "") if setting.engine == "torch" else ""
        gigamacs = "" if macs is None else three_digits(macs * speed.median / 1e9)
        yield (
            str(setting.batch), str(setting.threads), setting.engine,
            in_words(timing.latency), in_words(speed), gigamacs, ratio, str(len(timing.seconds)),
        )  # fmt: skip


def in_words(spread: Spread) -> str:
    """The median, the least and the most."""
    return f"{three_digits(spread.median)} ({three_digits(spread.least)} to {three_digits(spread.most)})"


def three_digits(value: float) -> str:
    """Three significant digits, or more where they are before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3g}"


def _timing(timing: Timing, macs: int | None) -> dict[str, Any]:
    return {
        **asdict(timing.setting),
        "rounds": len(timing.seconds),
        "runs": timing.runs,
        "seconds": timing.seconds,
        "latency_ms": _spread(timing.latency),
        "images_per_second": _spread(timing.throughput),
        "macs_per_second": None if macs is None else macs * timing.throughput.median,
    }


def _spread(spread: Spread) -> dict[str, float]:
    first, third = spread.quartiles
    return {
        "median": spread.median,
        "least": spread.least,
        "first_quartile": first,
        "third_quartile": third,
        "most": spread.most,
    }
