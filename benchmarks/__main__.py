"""`python -m benchmarks [--quick] [--only NAME...] [--json FILE]`."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks import authoring, build, check, compile, editor, images, module, runtime, training, variants, write
from benchmarks.measure import Plan, progress
from benchmarks.row import Row
from vggc import __version__

GROUPS: Final[Mapping[str, Callable[[Plan], Iterator[Row]]]] = {
    "check": check.rows,
    "authoring": authoring.rows,
    "compile": compile.rows,
    "editor": editor.rows,
    "build": build.rows,
    "module": module.rows,
    "write": write.rows,
    "runtime": runtime.rows,
    "variants": variants.rows,
    "images": images.rows,
    "training": training.rows,
}
LIBRARIES: Final = ("torch", "onnx", "onnxruntime", "safetensors", "jsonschema", "PyYAML")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the groups, and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure vggc relative to its peers.")
    parser.add_argument("--quick", action="store_true", help="3 rounds and a smaller network: whether it runs at all")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, metavar="NAME", help=", ".join(GROUPS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every value to this file")
    options = parser.parse_args(arguments)
    plan = Plan(options.quick)
    measured = {name: list(GROUPS[name](plan)) for name in GROUPS if name in options.only}
    progress("")
    print_table(measured, plan)
    if options.json:
        options.json.write_text(json.dumps(record(measured, plan), indent=1) + "\n", encoding="utf-8")


def environment() -> str:
    """The versions, the machine, and its load."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}"
    return f"vggc {__version__}, Python {platform.python_version()}, {libraries}; {machine}"


def record(measured: Mapping[str, Sequence[Row]], plan: Plan) -> dict[str, object]:
    """Everything, as data."""
    rows = [
        {"group": name, **asdict(row), "median": row.median if row.values else None, "verdict": row.verdict}
        for name, group in measured.items()
        for row in group
    ]
    return {"quick": plan.quick, "environment": environment(), "rows": rows}


def print_table(measured: Mapping[str, Sequence[Row]], plan: Plan) -> None:
    """Print a line for each row; in a file or a pipe without a limit on its width."""
    from rich.console import Console
    from rich.table import Table

    title = "vggc relative to its peers: medians of paired rounds (least to most)"
    table = Table(title=title + ", quick: a smaller network, few rounds" * plan.quick, caption=environment())
    for heading in ("", "what", "relative to", "target", "measured", "verdict", "note"):
        table.add_column(heading, justify="right" if heading in ("target", "measured") else "left")
    for name, rows in measured.items():
        for row in rows:
            table.add_row(name if row is rows[0] else "", *cells(row))
        table.add_section()
    Console(width=None if sys.stdout.isatty() else 180).print(table)


def cells(row: Row) -> Iterator[str]:
    """A row, in words."""
    number, unit = ("{:.2f}", "") if row.unit == "x" else ("{:.1f}", " MiB")
    least_to_most = f"({number} to {number})"
    yield row.what
    yield row.beside
    yield "" if row.target is None else number.format(row.target) + unit
    if row.values:
        yield f"{number}{unit} {least_to_most}".format(row.median, min(row.values), max(row.values))
    else:
        yield ""
    yield row.verdict
    yield row.note


if __name__ == "__main__":
    main()
