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
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from vggc.base.errors import ProductError
from vggc.base.extras import require
from vggc.data.dataset import EncodedImages, Images, ImageSource, SplitName, held_out, held_out_note
from vggc.data.images.decoding import entries, read_pixels

_IMAGE_COLUMNS: Final = ("img", "image")
_LABEL_COLUMNS: Final = ("label", "fine_label", "labels")
_TEST_NAMES: Final = ("test", "validation", "valid", "val")


class Parquet(ImageSource):
    """Shards, and the columns of their images and labels."""

    prefix = "parquet"

    def __init__(self, words: str, path: str) -> None:
        super().__init__(words, path)
        require("pyarrow.parquet", extra="train", by="the source `parquet`")
        if not path:
            raise ProductError(f"{words}: write --data parquet:PATH, with a file or a folder of shards")
        self._train, tests = _split_files(Path(path), words)
        schema = _schema(self._train[0])
        self._image = _column(schema, _IMAGE_COLUMNS, self._train[0])
        self._label = _column(schema, _LABEL_COLUMNS, self._train[0])
        _check_types(schema, self._image, self._label, self._train[0])
        self._test, self.notes = _test_split(tests, self._label, words)
        self.classes = _class_names(schema.metadata, self._label) or self._numbers()
        self.channels = self._first_channels()

    def read(self, split: SplitName) -> Images:
        if self._test and split == "test":
            return self._images(self._test)
        return self._train_images if self._test else held_out(self._train_images, split)

    @cached_property
    def _train_images(self) -> Images:
        return self._images(self._train)

    def _images(self, files: Sequence[Path]) -> Images:
        """The rows of some files, one after the other."""
        tables = [_table(file, [f"{self._image}.bytes", self._label]) for file in files]
        labels = np.concatenate([_labels(table, self._label, file) for table, file in zip(tables, files, strict=True)])
        ends = np.cumsum([len(table) for table in tables])

        def file_and_row(index: int) -> tuple[int, int]:
            file = int(np.searchsorted(ends, index, side="right"))
            return file, index - (int(ends[file - 1]) if file else 0)

        def place(index: int) -> str:
            file, row = file_and_row(index)
            return f"row {row} of {files[file]}"

        def content(index: int) -> bytes:
            file, row = file_and_row(index)
            return _bytes(tables[file][self._image][row], place(index))

        images = EncodedImages(torch.from_numpy(labels), self.channels, content, place)
        images.check_labels(len(self.classes))
        return images

    def _numbers(self) -> tuple[str, ...]:
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
        with _opened(self._train[0]) as file:
            first = next(file.iter_batches(batch_size=1, columns=[f"{self._image}.bytes"]), None)
        if first is None or not len(first):
            raise ProductError(f"there are no images in {self._train[0]}")
        place = f"row 0 of {self._train[0]}"
        channels: int = read_pixels(_bytes(first[self._image][0], place), place).shape[2]
        return channels


def _bytes(scalar: Any, place: str) -> bytes:
    content = (scalar.as_py() or {}).get("bytes")
    if not isinstance(content, bytes):
        raise ProductError(f"{place} contains no image; not supported: images that are paths alone")
    return content


# --- which files ---


def _split_files(path: Path, words: str) -> tuple[list[Path], dict[str, list[Path]]]:
    """The training shards, and those that may be the test split, by their names, the likeliest first."""
    if path.is_file():
        return [path], {}
    if not path.is_dir():
        raise ProductError(f"{words}: there is no file or folder {path}")
    folders = [folder for folder in (path, *filter(Path.is_dir, entries(path))) if _shards(folder, "train")]
    if len(folders) != 1:
        several = f"there are shards in {', '.join(map(str, folders))}; name one of them"
        raise ProductError(f"{words}: {several if folders else f'there is no train-*.parquet in {path}'}")
    tests = {name: shards for name in _TEST_NAMES if (shards := _shards(folders[0], name))}
    return _shards(folders[0], "train"), tests


def _test_split(tests: dict[str, list[Path]], label: str, words: str) -> tuple[list[Path], tuple[str, ...]]:
    """The first shards whose labels are known, none if images have to be held out; and notes about it."""
    hidden = [name for name, files in tests.items() if all(_is_hidden(file, label) for file in files)]
    notes = tuple(f"the labels of {words} are hidden in {name}-*.parquet, which is not used" for name in hidden)
    known = [name for name in tests if name not in hidden]
    if not known:
        return [], (*notes, held_out_note(words))
    if known[0] != _TEST_NAMES[0]:
        missing = "" if _TEST_NAMES[0] in tests else f"{words} has no test-*.parquet: "
        notes = (*notes, f"{missing}{known[0]} is the test split")
    return tests[known[0]], notes


def _is_hidden(file: Path, label: str) -> bool:
    """Whether the labels are kept secret, as those of a contest: they are all -1, or left out."""
    if label not in _schema(file).names:
        return True
    labels = _table(file, [label])[label]
    return len(labels) > 0 and not labels.null_count and bool((labels.to_numpy() == -1).all())


def _shards(folder: Path, split: str) -> list[Path]:
    """The shards of a split; raises ProductError if their names say that some are missing."""
    shards = [entry for entry in entries(folder) if re.fullmatch(rf"{split}(-.*)?\.parquet", entry.name)]
    for shard in shards:
        numbered = re.search(r"-of-(\d+)\.parquet$", shard.name)
        if numbered and int(numbered[1]) != len(shards):
            raise ProductError(f"{folder} contains {len(shards)} of the {int(numbered[1])} shards of {split}")
    return shards


# --- their contents ---


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
    name = next((name for name in names if name in schema.names), None)
    if name is None:
        raise ProductError(f"{file} has no column {' or '.join(names)}; it has {', '.join(schema.names)}")
    return name


def _check_types(schema: Any, image: str, label: str, file: Path) -> None:
    from pyarrow import types

    image_type, label_type = schema.field(image).type, schema.field(label).type
    columns = [image_type.field(i).name for i in range(image_type.num_fields)] if types.is_struct(image_type) else []
    if "bytes" not in columns:
        raise ProductError(f"{file}: the column {image} is {image_type}; images are struct<bytes, path>")
    if not types.is_integer(label_type):
        raise ProductError(f"{file}: the column {label} is {label_type}; labels are integers, one for each image")


def _class_names(metadata: Any, label: str) -> tuple[str, ...] | None:
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
