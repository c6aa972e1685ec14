"""`parquet:PATH`: encoded images in Parquet, in the column layout of the Hugging Face hub.

A column `img` or `image`, struct{bytes, path}; a column `label`, `fine_label` or `labels` of integers; the names of the
classes in the schema's metadata. PATH is a folder with the shards train-*.parquet and test-*.parquet (or validation-*),
in it or in one of its folders; or a file, of which a fixed share of each class is held out as the test split. The
encoded images of a split are kept in memory.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from vggc.base.errors import ProductError
from vggc.base.extras import require
from vggc.data.dataset import Images, Source, Split
from vggc.data.encoded import EncodedImages, held_out, held_out_note
from vggc.data.images.decoding import entries, read_pixels

_IMAGES: Final = ("img", "image")
_LABELS: Final = ("label", "fine_label", "labels")
_TESTS: Final = ("test", "validation", "valid", "val")
_BY: Final = "the source `parquet`"


class Parquet(Source):
    """Shards, and the columns of their images and labels."""

    prefix = "parquet"

    def __init__(self, words: str, path: str) -> None:
        require("pyarrow.parquet", extra="train", by=_BY)
        self.words = words
        if not path:
            raise ProductError(f"{words}: write --data parquet:PATH, with a file or a folder of shards")
        self._train, tests = _located(Path(path), words)
        schema = _schema(self._train[0])
        self._image = _column(schema, _IMAGES, self._train[0])
        self._label = _column(schema, _LABELS, self._train[0])
        _check_types(schema, self._image, self._label, self._train[0])
        self._test, self.notes = _test_split(tests, self._label, words)
        self.classes = _names(schema.metadata, self._label) or self._numbered()
        self._splits: dict[Split, Images] = {}
        self.channels = self._first_channels()

    def images(self, split: Split) -> Images:
        if split not in self._splits:
            if self._test:
                self._splits[split] = self._read(self._train if split == "train" else self._test)
            else:
                whole = self._read(self._train)
                self._splits = {"train": held_out(whole, "train"), "test": held_out(whole, "test")}
        return self._splits[split]

    def _read(self, files: Sequence[Path]) -> Images:
        tables = [_table(file, [f"{self._image}.bytes", self._label]) for file in files]
        counts = [len(table) for table in tables]
        labels = np.concatenate([_labels(table, self._label, file) for table, file in zip(tables, files, strict=True)])
        images = _Rows(files, counts, [table[self._image] for table in tables], torch.from_numpy(labels), self.channels)
        _check_labels(images, len(self.classes))
        return images

    def _numbered(self) -> tuple[str, ...]:
        """Names for classes that have none: their numbers."""
        count = 0
        for file in self._train:
            labels = _labels(_table(file, [self._label]), self._label, file)
            if len(negative := np.flatnonzero(labels < 0)):
                row = int(negative[0])
                raise ProductError(f"row {row} of {file} has the label {labels[row]}; labels count from 0")
            count = max(count, 1 + int(labels.max(initial=-1)))
        return tuple(map(str, range(count)))

    def _first_channels(self) -> int:
        with _opened(self._train[0]) as opened:
            first = next(opened.iter_batches(batch_size=1, columns=[f"{self._image}.bytes"]), None)
        if first is None or not len(first):
            raise ProductError(f"there are no images in {self._train[0]}")
        place = f"row 0 of {self._train[0]}"
        channels: int = read_pixels(_content(first[self._image][0], place), place).shape[2]
        return channels


class _Rows(EncodedImages):
    """The rows of some files, one after the other."""

    def __init__(
        self, files: Sequence[Path], counts: Sequence[int], columns: Sequence[Any], labels: torch.Tensor, channels: int
    ) -> None:
        super().__init__(labels, channels)
        self._files = files
        self._columns = columns
        self._ends = np.cumsum(counts)

    def _row(self, index: int) -> tuple[int, int]:
        """The file that an image is in, and its row there."""
        file = int(np.searchsorted(self._ends, index, side="right"))
        return file, index - (int(self._ends[file - 1]) if file else 0)

    def file(self, index: int) -> bytes:
        file, row = self._row(index)
        return _content(self._columns[file][row], self.place(index))

    def place(self, index: int) -> str:
        file, row = self._row(index)
        return f"row {row} of {self._files[file]}"


def _content(scalar: Any, place: str) -> bytes:
    content = (scalar.as_py() or {}).get("bytes")
    if not isinstance(content, bytes):
        raise ProductError(f"{place} holds no image; not supported: images that are paths alone")
    return content


# --- which files ---


def _located(path: Path, words: str) -> tuple[list[Path], dict[str, list[Path]]]:
    """The training shards, and those that may be the test split, by what they are called, the likeliest first."""
    if path.is_file():
        return [path], {}
    if not path.is_dir():
        raise ProductError(f"{words}: there is no file or folder {path}")
    folders = [each for each in (path, *filter(Path.is_dir, entries(path))) if _shards(each, "train")]
    if len(folders) != 1:
        several = f"there are shards in {', '.join(map(str, folders))}; name one of them"
        raise ProductError(f"{words}: {several if folders else f'there is no train-*.parquet in {path}'}")
    tests = {name: shards for name in _TESTS if (shards := _shards(folders[0], name))}
    return _shards(folders[0], "train"), tests


def _test_split(tests: dict[str, list[Path]], label: str, words: str) -> tuple[list[Path], tuple[str, ...]]:
    """The first shards whose labels are known, none where they have to be held out, and what is to be said of it."""
    hidden = [name for name, files in tests.items() if all(_is_hidden(file, label) for file in files)]
    notes = tuple(f"the labels of {words} are hidden in {name}-*.parquet, which is not used" for name in hidden)
    known = [name for name in tests if name not in hidden]
    if not known:
        return [], (*notes, held_out_note(words))
    if known[0] != _TESTS[0]:
        missing = "" if _TESTS[0] in tests else f"{words} has no test-*.parquet: "
        notes = (*notes, f"{missing}{known[0]} is the test split")
    return tests[known[0]], notes


def _is_hidden(file: Path, label: str) -> bool:
    """Whether the labels are kept back, as those of a contest: they are all -1, or left out."""
    if label not in _schema(file).names:
        return True
    labels = _table(file, [label])[label]
    return len(labels) > 0 and not labels.null_count and bool((labels.to_numpy() == -1).all())


def _shards(folder: Path, split: str) -> list[Path]:
    """The shards of a split, all of them.

    Raises:
        ProductError: their names say that some are missing.
    """
    shards = [each for each in entries(folder) if re.fullmatch(rf"{split}(-.*)?\.parquet", each.name)]
    for shard in shards:
        numbered = re.search(r"-of-(\d+)\.parquet$", shard.name)
        if numbered and int(numbered[1]) != len(shards):
            raise ProductError(f"{folder} holds {len(shards)} of the {int(numbered[1])} shards of {split}")
    return shards


# --- what is in them ---


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """An open file; what pyarrow raises for damaged ones becomes one kind of error."""
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as opened:
            yield opened
    except (OSError, pyarrow.ArrowException) as error:
        raise ProductError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error


def _schema(file: Path) -> Any:
    with _opened(file) as opened:
        return opened.schema_arrow


def _table(file: Path, columns: list[str]) -> Any:
    with _opened(file) as opened:
        return opened.read(columns=columns)


def _column(schema: Any, names: Sequence[str], file: Path) -> str:
    found = next((name for name in names if name in schema.names), None)
    if found is None:
        raise ProductError(f"{file} has no column {' or '.join(names)}; it has {', '.join(schema.names)}")
    return found


def _check_types(schema: Any, image: str, label: str, file: Path) -> None:
    from pyarrow import types

    kind, number = schema.field(image).type, schema.field(label).type
    if not types.is_struct(kind) or not any(kind.field(i).name == "bytes" for i in range(kind.num_fields)):
        raise ProductError(f"{file}: the column {image} is {kind}; images are struct<bytes, path>")
    if not types.is_integer(number):
        raise ProductError(f"{file}: the column {label} is {number}; labels are integers, one for each image")


def _names(metadata: Any, label: str) -> tuple[str, ...] | None:
    """The names of the classes in the metadata that the hub's library writes, or None."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) else None


def _labels(table: Any, label: str, file: Path) -> Any:
    column = table[label]
    if column.null_count:
        raise ProductError(f"{file}: {column.null_count} rows have no {label}")
    return column.to_numpy().astype(np.int64)


def _check_labels(images: Images, classes: int) -> None:
    wrong = torch.nonzero((images.labels < 0) | (images.labels >= classes)).flatten()
    if len(wrong):
        index = int(wrong[0])
        raise ProductError(f"{images.place(index)} has the label {images.labels[index]}; there are {classes} classes")
