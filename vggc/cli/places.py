"""The files that a command reads and writes: it must not overwrite its inputs, nor write one file twice."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path

import click

from vggc.base.diagnostics import SpecError
from vggc.frontend.text import inherit
from vggc.frontend.text.sources import read_source

Places = Mapping[str, Iterable[Path | None]]  # by the option or by a word for the files; None is no file


def check_places(outputs: Places, inputs: Places) -> None:
    """Check the files of a command before it does anything; links are followed.

    Args:
        outputs: the files to write, by the option that names them.
        inputs: the files to read, by a word for them; only read if an output would replace a file.

    Raises:
        UsageError: an output is one of the inputs, or two outputs are the same file.
    """
    named = [(option, path) for option, paths in outputs.items() for path in paths if path is not None]
    taken: dict[str, str] = {}
    for option, path in named:
        if (other := taken.setdefault(os.path.realpath(path), option)) != option:
            raise click.UsageError(f"{other} and {option} both write {path}; give one of them another place")
    replaced = [(option, path) for option, path in named if os.path.exists(path)]
    for what, files in inputs.items() if replaced else ():
        for file, (option, path) in product(filter(None, files), replaced):
            if os.path.exists(file) and os.path.samefile(file, path):
                raise click.UsageError(
                    f"{path} would replace the {what} {file}, which is read; write elsewhere with {option}"
                )


def check_suffix(option: str, path: Path | None, suffixes: Sequence[str], reason: str) -> None:
    """Raise UsageError, with the reason and an example, for an output without one of the suffixes."""
    if path is not None and path.suffix not in suffixes:
        example = path.with_suffix(suffixes[0]) if path.name else f"NAME{suffixes[0]}"
        raise click.UsageError(f"{reason}: {option} {example}")


def files_of_specs(*specs: str) -> Iterator[Path]:
    """The files of specs and of their parents, up to the first file of each that is wrong."""
    for spec in specs:
        with suppress(SpecError):  # which is reported where the spec is compiled
            yield from inherit.files_of(read_source(spec))
