"""`folder:PATH`: a folder for each class, with images in it or below it.

PATH/train/CLASS and PATH/test/CLASS; `val`, `valid` or `validation` stands in for `test` where there is no `test`. Or
PATH/CLASS alone, and a fixed share of each class is held out as the test split. The classes are the folders, in the
order of their names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch

from vggc.data.base import Images, Source, Split
from vggc.data.encoded import EncodedImages, held_out, held_out_note
from vggc.errors import ProductError
from vggc.images.decoding import SUFFIXES, entries, image_files, read_pixels

_TRAIN: Final = "train"
_TESTS: Final = ("test", "val", "valid", "validation")

Listing = Mapping[str, list[Path]]


class Folder(Source):
    """Folders named for their classes."""

    prefix = "folder"

    def __init__(self, words: str, path: str) -> None:
        self.words = words
        root = Path(path)
        if not path:
            raise ProductError(f"{words}: write --data folder:PATH, with a folder for each class")
        if not root.is_dir():
            raise ProductError(f"{words}: there is no folder {path}")
        train = root / _TRAIN if (root / _TRAIN).is_dir() else root
        tests = [] if train is root else [root / each for each in _TESTS if (root / each).is_dir()]
        self._train = _listed(train, words)
        self.classes = tuple(self._train)
        _check_classes(self._train, train)
        self._test = _listed(tests[0], words) if tests else None
        self.notes = (*_notes(words, train, tests),)
        if self._test is not None:
            _check_test(self._test, self.classes, tests[0])
        first = next(iter(self._train.values()))[0]
        self.channels = read_pixels(first, str(first)).shape[2]

    def images(self, split: Split) -> Images:
        if self._test is None:
            return held_out(self._files(self._train), split)
        return self._files(self._train if split == "train" else self._test)

    def _files(self, listing: Listing) -> Images:
        labels = [label for label, name in enumerate(self.classes) for _ in listing.get(name, ())]
        files = [file for name in self.classes for file in listing.get(name, ())]
        return _Files(files, torch.tensor(labels, dtype=torch.int64), self.channels)


class _Files(EncodedImages):
    def __init__(self, files: list[Path], labels: torch.Tensor, channels: int) -> None:
        super().__init__(labels, channels)
        self._files = files

    def file(self, index: int) -> Path:
        return self._files[index]

    def place(self, index: int) -> str:
        return str(self._files[index])


def _listed(folder: Path, words: str) -> Listing:
    """The images of each class, in the order of the names."""
    classes = {each.name: image_files(each) for each in entries(folder) if each.is_dir()}
    if not classes:
        raise ProductError(
            f"{words}: there are no folders in {folder}; put the images of each class into one of its own"
        )
    return classes


def _check_classes(listing: Listing, folder: Path) -> None:
    empty = [name for name, files in listing.items() if not files]
    if empty:
        raise ProductError(
            f"there are no images in {folder / empty[0]}; images end in {', '.join(sorted(SUFFIXES))}; remove the "
            "folder if it is no class"
        )


def _check_test(listing: Listing, classes: tuple[str, ...], folder: Path) -> None:
    unknown = [name for name in listing if name not in classes]
    if unknown:
        raise ProductError(f"{folder / unknown[0]} is of no class that there are training images of")
    if not any(listing.values()):
        raise ProductError(f"there are no images in {folder}")


def _notes(words: str, train: Path, tests: list[Path]) -> list[str]:
    notes = [] if tests else [held_out_note(words)]
    if tests and tests[0].name != _TESTS[0]:
        notes.append(f"{words} has no folder `test`: {tests[0].name} is the test split")
    notes += [f"{each} is not used: {tests[0].name} is the test split" for each in tests[1:]]
    loose = sum(each.suffix.lower() in SUFFIXES for each in entries(train) if not each.is_dir())
    if loose:
        notes.append(f"{loose} image{'s' * (loose != 1)} in {train} itself passed over: no folder says the class")
    return notes
