"""Where a command writes: never over what it reads, and never two things into one file."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path

import click

from vggc.diagnostics import SpecError
from vggc.frontend import inherit
from vggc.frontend.sources import read_source

# By the option that names them, or by the word for what they are; what an option was not given for is None.
Outputs = Mapping[str, Iterable[Path | None]]
Inputs = Mapping[str, Iterable[Path | None]]


def check_places(outputs: Outputs, inputs: Inputs) -> None:
    """Look at the files of a command before anything is done; links are followed.

    Args:
        outputs: what will be written, by the option that says where.
        inputs: what is read, by the word for it; looked at only where an output would replace a file.

    Raises:
        UsageError: an output is one of the inputs, or two outputs are the same file.
    """
    named = [(option, path) for option, paths in outputs.items() for path in paths if path is not None]
    for (one, path), (other, second) in combinations(named, 2):
        if os.path.realpath(path) == os.path.realpath(second):
            raise click.UsageError(f"{one} and {other} both write {path}; give one of them another place")
    there = [(option, path) for option, path in named if os.path.exists(path)]
    for what, read in inputs.items() if there else ():
        for file in filter(None, read):
            _check_kept(file, what, there)


def _check_kept(file: Path, what: str, outputs: Iterable[tuple[str, Path]]) -> None:
    for option, path in outputs:
        if os.path.exists(file) and os.path.samefile(file, path):
            raise click.UsageError(
                f"{path} would replace the {what} {file}, which is read; write elsewhere with {option}"
            )


def check_suffix(option: str, path: Path | None, suffixes: Sequence[str], said: str) -> None:
    """Raise UsageError, which says so, for an output whose name has none of the suffixes of what it will be."""
    if path is not None and path.suffix not in suffixes:
        raise click.UsageError(
            f"{said}: {option} {path.with_suffix(suffixes[0]) if path.name else 'NAME' + suffixes[0]}"
        )


def files_of_specs(*specs: str) -> Iterator[Path]:
    """The files that specs are read from, with those that they extend, up to the first that is wrong in each."""
    for spec in specs:
        with suppress(SpecError):  # which is reported where the spec is compiled
            yield from inherit.files(read_source(spec))
