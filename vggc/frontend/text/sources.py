"""Reading the text of a spec: from a path, by the name of a stock spec, or from a stream."""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import BinaryIO

from vggc.base.diagnostics import Diagnostic, Note, Source, Span, SpecError, nearest
from vggc.base.words import quoted
from vggc.frontend.text.detection import UTF_16, is_spec_file
from vggc.frontend.text.parser import MAX_BYTES, too_long

_PACKAGE = Path(__file__).resolve().parents[2]


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
    if path.suffix or len(path.parts) != 1 or os.path.exists(path):
        return path
    stock = stock_folder() / f"{path.name}.yaml"
    return stock if os.path.exists(stock) else path


def specs_below(path: Path) -> list[Path]:
    """The specs among the YAML files of a folder and its subfolders."""
    files = sorted(file for suffix in ("yaml", "yml") for file in path.rglob(f"*.{suffix}") if file.is_file())
    return [file for file in files if is_spec_file(file)]


def read_source(path_or_name: str | os.PathLike[str], included_from: Span | None = None) -> Source:
    """The text of a spec.

    Raises:
        SpecError: E001 if the file cannot be read, E002 if it is not UTF-8 text, E009 if it is too long.
    """
    path = find_spec(path_or_name)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: the name holds a null character
        raise SpecError([_unreadable(path, error, included_from)]) from None
    return _decode(content, Source(display_path(path), "", included_from, path, is_stock(path)))


def read_stream(stream: BinaryIO, name: str, beside: Path) -> Source:
    """The text of a spec that has no file; a relative `extends` is resolved in the folder `beside`.

    Raises:
        SpecError: as `read_source`.
    """
    return _decode(stream.read(MAX_BYTES + 1), Source(name, "", None, beside / name, elsewhere=True))


def _decode(content: bytes, empty: Source) -> Source:
    if len(content) > MAX_BYTES:
        raise too_long(empty)
    try:
        return replace(empty, text=content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        readable = replace(empty, text=content.decode("utf-8", errors="replace"))
        raise SpecError([_not_text(readable, content, error)]) from None


def is_stock(path: Path) -> bool:
    """Whether a file is a stock spec; inside a checkout of vggc they are the user's own files."""
    if path.parent != stock_folder():
        return False
    return stock_folder().is_relative_to(_PACKAGE) or not path.is_relative_to(Path.cwd())


def display_path(path: Path) -> str:
    """The path relative to the working folder if it is inside it; for a stock spec, its name."""
    if is_stock(path):
        return f"stock {path.stem}"
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    return os.path.normpath(path)


def _unreadable(path: Path, error: OSError | ValueError, included_from: Span | None) -> Diagnostic:
    name = display_path(path)
    if isinstance(error, FileNotFoundError):
        return Diagnostic("E001", f"there is no file `{name}`", included_from, (_help_name(path, included_from),))
    if isinstance(error, IsADirectoryError):
        note = Note("help", "name one of the files in it")
        return Diagnostic("E001", f"`{name}` is a folder, not a spec", included_from, (note,))
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return Diagnostic("E001", f"{quoted(name)} cannot be read: {reason}", included_from)


def _help_name(path: Path, included_from: Span | None) -> Note:
    """A file or a stock spec with a similar name, or how names are resolved."""
    siblings = {file.stem: file for file in sorted(path.parent.glob("*.yaml"))}
    if (stem := nearest(path.stem, siblings)) is not None:
        child = included_from.source.path if included_from is not None else None
        sibling = siblings[stem] if child is None else os.path.relpath(siblings[stem], child.parent)
        return Note("help", f"did you mean `{os.path.normpath(sibling)}`?")
    if (stock := nearest(path.stem, stock_names())) is not None:
        return Note("help", f"did you mean the stock spec `{stock}`?")
    start = "the working folder" if included_from is None else "the folder of this file"
    return Note("help", f"a path is relative to {start}; stock specs are {', '.join(stock_names())}")


def _not_text(source: Source, content: bytes, error: UnicodeDecodeError) -> Diagnostic:
    before = content[: error.start].decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    line, column = before.count("\n"), len(before) - (before.rfind("\n") + 1)
    help = "save the file as UTF-8; is this another kind of file?"
    if content.startswith(UTF_16):
        help = "this looks like UTF-16, which `>` writes in PowerShell; save the file as UTF-8"
    return Diagnostic(
        "E002",
        f"this is not UTF-8 text: the byte 0x{content[error.start]:02x} at offset {error.start} is no character",
        Span(source, line, column, line, column + 1),
        (Note("help", help),),
    )
