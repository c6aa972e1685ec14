"""Where a command writes: never over what it reads, and never two things into one file."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import click

from vggc.base.diagnostics import SpecError
from vggc.frontend.text import inherit
from vggc.frontend.text.sources import read_source

Places = Mapping[str, Iterable[Path | None]]  # by an option, or by a word for what lies there; None: nothing does


def check_places(outputs: Places, inputs: Places) -> None:
    """Look at the files of a command before anything is done; links are followed.

    Args:
        outputs: what will be written, by the option that says where.
        inputs: what is read, by the word for it; looked at only where an output would replace a file.

    Raises:
        UsageError: an output is one of the inputs, or two outputs are the same file.
    """
    named = [(option, path) for option, paths in outputs.items() for path in paths if path is not None]
    taken: dict[str, str] = {}
    for option, path in named:
        if (other := taken.setdefault(os.path.realpath(path), option)) != option:
            raise click.UsageError(f"{other} and {option} both write {path}; give one of them another place")
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
        example = path.with_suffix(suffixes[0]) if path.name else f"NAME{suffixes[0]}"
        raise click.UsageError(f"{said}: {option} {example}")


def files_of_specs(*specs: str) -> Iterator[Path]:
    """The files that specs are read from, with those that they extend, up to the first that is wrong in each."""
    for spec in specs:
        with suppress(SpecError):  # which is reported where the spec is compiled
            yield from inherit.files_of(read_source(spec))
