"""`folder:PATH`: a folder for each class, with images in it or below it.

PATH/train/CLASS and PATH/test/CLASS; `val`, `valid` or `validation` stands in for `test` where there is no `test`. Also
`training` and `testing`, in capitals or not. Or PATH/CLASS alone, and a fixed share of each class is held out as the
test split. The classes are the folders, in the order of their names.

A folder with images in it is a class whatever its name is: there are pictures of trains.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import torch

from vggc.base.errors import ProductError
from vggc.base.words import plural
from vggc.data.dataset import EncodedImages, Images, ImageSource, SplitName, held_out, held_out_note
from vggc.data.images.decoding import SUFFIXES, entries, image_files, read_pixels

_TRAIN_NAMES: Final = ("train", "training")
_TEST_NAMES: Final = ("test", "testing", "val", "valid", "validation")
_SPLIT_WORDS: Final = frozenset((*_TRAIN_NAMES, *_TEST_NAMES, "dev", "eval", "evaluation"))  # in the name of a folder
_ADVICE: Final = "put the images of each class into one of its own"

FilesByClass = Mapping[str, list[Path]]


class Folder(ImageSource):
    """Folders named for their classes."""

    prefix = "folder"

    def __init__(self, words: str, path: str) -> None:
        super().__init__(words, path)
        if not path:
            raise ProductError(f"{words}: write --data folder:PATH, with a folder for each class")
        if not Path(path).is_dir():
            raise ProductError(f"{words}: there is no folder {path}")
        train, tests = _split_folders(Path(path), words)
        self._train = _files_by_class(train, words)
        self.classes = tuple(self._train)
        _check_train(self._train, train)
        self._test = _files_by_class(tests[0], words) if tests else None
        self.notes = (*_notes(words, train, tests),)
        if self._test is not None:
            _check_test(self._test, self.classes, tests[0])
        first = self._train[self.classes[0]][0]
        self.channels = read_pixels(first, str(first)).shape[2]

    def read(self, split: SplitName) -> Images:
        if self._test is None:
            return held_out(self._images(self._train), split)
        return self._images(self._train if split == "train" else self._test)

    def _images(self, files_by_class: FilesByClass) -> Images:
        labelled = [(label, file) for label, name in enumerate(self.classes) for file in files_by_class.get(name, ())]
        files = [file for _, file in labelled]
        labels = torch.tensor([label for label, _ in labelled], dtype=torch.int64)
        return EncodedImages(labels, self.channels, files.__getitem__, lambda index: str(files[index]))


def _split_folders(root: Path, words: str) -> tuple[Path, list[Path]]:
    """The folder of the training images, and those that may be the test split, the first of which is.

    Raises:
        ProductError: some of the folders look like splits, and which of them are what is not clear.
    """
    top = _folders(root)
    of_classes = [folder for folder in top if _folders(folder)]
    trains, tests = _with_names(of_classes, _TRAIN_NAMES), _with_names(of_classes, _TEST_NAMES)
    if not trains:
        _check_not_below(of_classes, words)
        _check_not_flat(top, words)
    unclear = [folder for folder in of_classes if _looks_like_split(folder) and folder not in (*trains, *tests)]
    if unclear or len(trains) > 1 or (tests and not trains):
        names = ", ".join(folder.name for folder in (*trains, *tests, *unclear))
        raise ProductError(
            f"{words}: which of the folders {names} contains the training images and which the test images? "
            "Call them `train` and `test`; to hold out test images of all of them, put the images of each class into "
            "one folder"
        )
    return (trains[0], tests) if trains else (root, [])


def _folders(folder: Path) -> list[Path]:
    return [entry for entry in entries(folder) if entry.is_dir()]


def _with_names(folders: Sequence[Path], names: Sequence[str]) -> list[Path]:
    """The folders of some names, in the order of the names."""
    return [folder for name in names for folder in folders if folder.name.lower() == name]


def _looks_like_split(folder: Path) -> bool:
    words = re.split(r"[^a-z]+", folder.name.lower())
    return not _SPLIT_WORDS.isdisjoint(words) and not _images_in(folder)


def _check_not_below(folders: Iterable[Path], words: str) -> None:
    """Raise ProductError if the splits are one folder further down, as archives often unpack."""
    for folder in folders:
        if any(map(_folders, _with_names(_folders(folder), _TRAIN_NAMES))):
            raise ProductError(f"{words}: the folder of the training images is in {folder}; write folder:{folder}")


def _check_not_flat(top: Sequence[Path], words: str) -> None:
    """Raise ProductError if there are splits and nothing else, and no classes in them."""
    if top and all(folder.name.lower() in (*_TRAIN_NAMES, *_TEST_NAMES) and _images_in(folder) for folder in top):
        raise ProductError(f"{words}: there are no folders in {top[0]}; {_ADVICE}")


def _images_in(folder: Path) -> int:
    """The number of images in a folder itself."""
    return sum(entry.suffix.lower() in SUFFIXES and not entry.is_dir() for entry in entries(folder))


def _files_by_class(folder: Path, words: str) -> FilesByClass:
    """The images of each class, in the order of the names."""
    classes = {entry.name: image_files(entry) for entry in _folders(folder)}
    if not classes:
        raise ProductError(f"{words}: there are no folders in {folder}; {_ADVICE}")
    return classes


def _check_train(files_by_class: FilesByClass, folder: Path) -> None:
    empty = [name for name, files in files_by_class.items() if not files]
    if empty:
        raise ProductError(
            f"there are no images in {folder / empty[0]}; images end in {', '.join(sorted(SUFFIXES))}; remove the "
            "folder if it is not a class"
        )


def _check_test(files_by_class: FilesByClass, classes: tuple[str, ...], folder: Path) -> None:
    unknown = [name for name in files_by_class if name not in classes]
    if unknown:
        raise ProductError(f"there are no training images of the class {folder / unknown[0]}")
    if not any(files_by_class.values()):
        raise ProductError(f"there are no images in {folder}")


def _notes(words: str, train: Path, tests: list[Path]) -> list[str]:
    notes = [] if tests else [held_out_note(words)]
    if tests and tests[0].name.lower() not in _TEST_NAMES[:2]:
        notes.append(f"{words} has no folder `test`: {tests[0].name} is the test split")
    notes += [f"{folder} is not used: {tests[0].name} is the test split" for folder in tests[1:]]
    if loose := _images_in(train):
        notes.append(f"{plural(loose, 'image')} in {train} itself not used: no folder gives the class")
    return notes
