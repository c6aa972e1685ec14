"""A result as text, JSON and Markdown."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Final

from vggc.authoring import markdown
from vggc.backends.text.text_summary import aligned
from vggc.benching.rounds import ROUNDS, BenchResult, Spread, three_digits

HEADINGS: Final = ("batch", "threads", "engine", "ms a batch", "images/s", "GMAC/s", "torch/onnxruntime", "rounds")
ALIGNMENT: Final = "rr-rrrrr"


def to_text(result: BenchResult) -> str:
    """A table for a terminal, with the machine that was measured and the notes."""
    table = aligned([HEADINGS, *_rows(result)], [side == "r" for side in ALIGNMENT])
    return _page(result, "", table, "note:")


def to_markdown(result: BenchResult) -> str:
    """The same as a Markdown table."""
    return _page(result, "  ", markdown.table(HEADINGS, _rows(result), ALIGNMENT), "-")


def to_json(result: BenchResult) -> str:
    """Everything as one JSON object: every round's seconds too, in the units that the keys name."""
    subject = result.subject
    inputs = [{"name": value.name, "type": str(value.dtype), "shape": value.shape} for value in subject.inputs]
    fields = {"name": subject.title, "inputs": inputs, "macs": subject.macs, "frozen_batch": subject.frozen_batch}
    record = {
        "subject": fields,
        "machine": asdict(result.machine),
        "plan": {"rounds": ROUNDS, "seconds": result.seconds},
        "measurements": [
            {
                **asdict(timing.setting),
                "rounds": len(timing.seconds),
                "runs": timing.runs,
                "seconds": timing.seconds,
                "latency_ms": asdict(timing.latency),
                "images_per_second": asdict(timing.throughput),
                "macs_per_second": subject.macs and subject.macs * timing.throughput.median,
            }
            for timing in result.timings
        ],
        "ratios": [
            {**asdict(setting), "beside": "onnxruntime", **asdict(Spread.of(values)), "values": values}
            for setting, values in result.ratios.items()
        ],
        "notes": result.notes,
    }
    return json.dumps(record, indent=1) + "\n"


FORMATS: Final[Mapping[str, Callable[[BenchResult], str]]] = {"text": to_text, "json": to_json, "markdown": to_markdown}


def _page(result: BenchResult, line_break: str, table: Iterable[str], bullet: str) -> str:
    subject, network = result.subject, result.subject.network
    inputs = ", ".join(
        f"{value.name} {value.dtype}[batch, {', '.join(map(str, value.shape))}]" for value in subject.inputs
    )
    counts = "" if network is None else f", {network.params:,} params, {network.macs:,} MACs"
    method = f"medians (least to most) of up to {ROUNDS} rounds in turn, {result.seconds:g} s a row"
    paired = "; ratios are paired by round" if result.ratios else ""
    notes = (f"{bullet} {note}" for note in result.notes)
    head = [f"{subject.title}: {inputs}{counts}{line_break}", method + paired, ""]
    return "\n".join([*head, *table, "", str(result.machine), *notes]) + "\n"


def _rows(result: BenchResult) -> Iterator[list[str]]:
    ratios, macs = result.ratios, result.subject.macs
    for timing in result.timings:
        setting, speed = timing.setting, timing.throughput
        gigamacs = "" if macs is None else three_digits(macs * speed.median / 1e9)
        ratio = str(Spread.of(ratios[setting])) if setting in ratios else ""
        figures = [str(timing.latency), str(speed), gigamacs, ratio, str(len(timing.seconds))]
        yield [str(setting.batch), str(setting.threads), setting.engine, *figures]
