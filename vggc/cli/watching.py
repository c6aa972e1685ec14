"""Doing something again whenever one of some files is saved."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from vggc.frontend.text.sources import find_spec, stock_folder


def until_interrupted(files: Sequence[Path], run: Callable[[], object]) -> None:
    """Run again whenever a YAML file is saved in the folder of one of the files, where their parents usually lie."""
    from watchfiles import watch

    folders = {find_spec(file).resolve().parent for file in files} - {stock_folder().resolve()}
    watched = sorted(str(folder) for folder in folders if folder.is_dir())
    click.echo(f"watching {', '.join(watched)}; Ctrl-C ends", err=True)
    for changes in watch(*watched, watch_filter=_is_yaml, raise_interrupt=False, debounce=200):
        names = sorted({Path(name).name for _, name in changes})
        click.echo(f"\n{', '.join(names)} changed", err=True)
        run()


def _is_yaml(_: object, path: str) -> bool:
    return path.endswith((".yaml", ".yml"))
