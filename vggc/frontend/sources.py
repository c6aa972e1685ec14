"""Where specs come from: a path, or the name of a stock spec; and what `extends` may reach."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from vggc.diagnostics import Diagnostic, Note, Source, Span, SpecError, nearest
from vggc.frontend.document import MAX_BYTES

_PACKAGE = Path(__file__).resolve().parents[1]


@cache
def stock_folder() -> Path:
    """The folder of the stock specs: inside an installed package, beside it in a checkout."""
    installed = _PACKAGE / "specs"
    return installed if installed.is_dir() else _PACKAGE.parent / "specs"


def stock_names() -> list[str]:
    """The names of the stock specs, sorted."""
    return sorted(path.stem for path in stock_folder().glob("*.yaml"))


def find_spec(path_or_name: str | os.PathLike[str]) -> Path:
    """The file meant by a path or by the name of a stock spec; a file of that name wins over the stock spec."""
    path = Path(path_or_name)
    if path.exists() or path.suffix or len(path.parts) != 1:
        return path
    stock = stock_folder() / f"{path.name}.yaml"
    return stock if stock.exists() else path


def read_source(path_or_name: str | os.PathLike[str], included_from: Span | None = None) -> Source:
    """The text of a spec.

    Raises:
        SpecError: E001 if the file cannot be read, E002 if it is not UTF-8 text.
    """
    path = find_spec(path_or_name)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecError([_unreadable(path, error, included_from)]) from None
    name = _shown(path)
    if len(content) > MAX_BYTES:
        shown = Source(name, "", included_from)
        raise SpecError(
            [Diagnostic("E009", f"the text is over the limit of {MAX_BYTES:,} bytes", Span(shown, 0, 0, 0, 0))]
        )
    try:
        return Source(name, content.decode("utf-8-sig"), included_from, path)
    except UnicodeDecodeError as error:
        raise SpecError([_not_text(name, content, error)]) from None


def _shown(path: Path) -> str:
    """Relative to the working folder where it lies inside it; the stock specs by the folder they are known by."""
    if path.is_absolute():
        if path.is_relative_to(Path.cwd()):
            return str(path.relative_to(Path.cwd()))
        if path.parent == stock_folder():
            return f"specs/{path.name}"
    return str(path)


def _unreadable(path: Path, error: OSError, included_from: Span | None) -> Diagnostic:
    name = _shown(path)
    if isinstance(error, FileNotFoundError):
        meant = nearest(path.stem, stock_names())
        helps = [Note("help", f"did you mean the stock spec `{meant}`?")] if meant else []
        return Diagnostic("E001", f"there is no file `{name}`", included_from, (*helps, *_stock_note()))
    if isinstance(error, IsADirectoryError):
        note = Note("help", f"to check every spec in it: vggc check {name}")
        return Diagnostic("E001", f"`{name}` is a folder, not a spec", included_from, (note,))
    reason = (error.strerror or str(error)).lower()
    return Diagnostic("E001", f"`{name}` cannot be read: {reason}", included_from)


def _stock_note() -> Iterator[Note]:
    yield Note("note", f"stock specs: {', '.join(stock_names())}")


def _not_text(name: str, content: bytes, error: UnicodeDecodeError) -> Diagnostic:
    before = content[: error.start].decode("utf-8", errors="replace")
    line, column = before.count("\n"), len(before) - (before.rfind("\n") + 1)
    shown = Source(name, content.decode("utf-8", errors="replace"))
    return Diagnostic(
        "E002",
        f"this is not UTF-8 text: the byte 0x{content[error.start]:02x} at offset {error.start} is no character",
        Span(shown, line, column, line, column + 1),
        (Note("help", "save the file as UTF-8; is this another kind of file?"),),
    )
