"""`folder:PATH`: a folder for each class, with images in it or below it.

PATH/train/CLASS and PATH/test/CLASS; `val`, `valid` or `validation` stands in for `test` where there is no `test`. Also
`training` and `testing`, whatever of it is in capitals. Or PATH/CLASS alone, and a fixed share of each class is held
out as the test split. The classes are the folders, in the order of their names.

A folder with images in it is a class whatever its name is: there are pictures of trains.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import torch

from vggc.base.errors import ProductError
from vggc.base.words import plural
from vggc.data.dataset import Images, Source, Split
from vggc.data.encoded import EncodedImages, held_out, held_out_note
from vggc.data.images.decoding import SUFFIXES, entries, image_files, read_pixels

_TRAINS: Final = ("train", "training")
_TESTS: Final = ("test", "testing", "val", "valid", "validation")
_LIKE_SPLITS: Final = frozenset((*_TRAINS, *_TESTS, "dev", "eval", "evaluation"))  # words in the name of a folder

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
        train, tests = _located(root, words)
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


def _located(root: Path, words: str) -> tuple[Path, list[Path]]:
    """The folder of the training images, and those that may be the test split, the first of which is.

    Raises:
        ProductError: some of the folders look like splits, and which of them are what is not clear.
    """
    top = _folders(root)
    of_classes = [each for each in top if _folders(each)]
    trains, tests = _named(of_classes, _TRAINS), _named(of_classes, _TESTS)
    if not trains:
        _check_not_below(of_classes, words)
        _check_not_flat(top, words)
    unknown = [each for each in of_classes if _looks_like_split(each) and each not in (*trains, *tests)]
    if unknown or len(trains) > 1 or (tests and not trains):
        found = ", ".join(each.name for each in (*trains, *tests, *unknown))
        raise ProductError(
            f"{words}: which of the folders {found} holds the training images and which the test images? "
            "Call them `train` and `test`; to hold test images out of all of them, put the images of each class into "
            "one folder"
        )
    return (trains[0], tests) if trains else (root, [])


def _folders(folder: Path) -> list[Path]:
    return [each for each in entries(folder) if each.is_dir()]


def _named(folders: Sequence[Path], names: Sequence[str]) -> list[Path]:
    """Those of some names, in the order of the names."""
    return [each for name in names for each in folders if each.name.lower() == name]


def _looks_like_split(folder: Path) -> bool:
    words = re.split(r"[^a-z]+", folder.name.lower())
    return not _LIKE_SPLITS.isdisjoint(words) and not _loose(entries(folder))


def _check_not_below(folders: Iterable[Path], words: str) -> None:
    """Raise ProductError where the splits lie one folder further down, as archives like to unpack."""
    for folder in folders:
        if any(map(_folders, _named(_folders(folder), _TRAINS))):
            raise ProductError(f"{words}: the folder of the training images lies in {folder}; write folder:{folder}")


def _check_not_flat(top: Sequence[Path], words: str) -> None:
    """Raise ProductError where there are splits and nothing else, and no classes in them."""
    if top and all(each.name.lower() in (*_TRAINS, *_TESTS) and _loose(entries(each)) for each in top):
        raise ProductError(
            f"{words}: there are no folders in {top[0]}; put the images of each class into one of its own"
        )


def _loose(inside: Iterable[Path]) -> int:
    """How many images there are among the entries of a folder."""
    return sum(each.suffix.lower() in SUFFIXES and not each.is_dir() for each in inside)


def _listed(folder: Path, words: str) -> Listing:
    """The images of each class, in the order of the names."""
    classes = {each.name: image_files(each) for each in _folders(folder)}
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
    if tests and tests[0].name.lower() not in _TESTS[:2]:
        notes.append(f"{words} has no folder `test`: {tests[0].name} is the test split")
    notes += [f"{each} is not used: {tests[0].name} is the test split" for each in tests[1:]]
    if loose := _loose(entries(train)):
        notes.append(f"{plural(loose, 'image')} in {train} itself passed over: no folder says the class")
    return notes
