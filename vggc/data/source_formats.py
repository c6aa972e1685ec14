"""The formats by the word before the colon: `digits`, `cifar10:PATH`, `parquet:PATH`, `folder:PATH`."""

import os
from pathlib import Path
from typing import Final

from vggc.base.diagnostics import nearest
from vggc.base.errors import ProductError
from vggc.data.cifar10 import Cifar10
from vggc.data.dataset import ImageSource
from vggc.data.digits import Digits
from vggc.data.folder import Folder
from vggc.data.parquet import Parquet

SOURCES: Final[dict[str, type[ImageSource]]] = {
    source.prefix: source for source in (Digits, Cifar10, Parquet, Folder)
}  # fmt: skip


def open_source(words: str) -> ImageSource:
    """The source that words such as `digits` or `folder:photos` name; labels and headers are read, no image is decoded.

    Raises:
        ProductError: there is no such format, or no such images at the path.
    """
    prefix, _, path = words.partition(":")
    if prefix not in SOURCES:
        raise ProductError(f"{words}: there is no source of images called {prefix!r}; {_hint(words, prefix)}")
    return SOURCES[prefix](words, os.path.expanduser(path))  # after a colon a shell does not expand ~


def absolute(words: str) -> str:
    """The same words with an absolute path, which mean the same images from every folder."""
    prefix, colon, path = words.partition(":")
    return f"{prefix}:{os.path.abspath(os.path.expanduser(path))}" if path else prefix + colon


def images_exist(words: str) -> bool:
    """Whether there is anything at the path of a source."""
    path = words.partition(":")[2]
    return not path or Path(path).exists()


def _hint(words: str, prefix: str) -> str:
    """What was probably meant: a path without its format, or a misspelt format."""
    if Path(words).exists():
        return f"did you mean {Folder.prefix if Path(words).is_dir() else Parquet.prefix}:{words}?"
    meant = nearest(prefix, SOURCES)
    return f"did you mean {meant}?" if meant else f"there are {', '.join(SOURCES)}"
