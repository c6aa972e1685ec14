"""`cifar10:PATH`: the official files of CIFAR-10 in the python version, as an archive or unpacked.

Every file is compared with its checksum before anything in it is interpreted, and its pickles are read by an unpickler
that knows nothing but numpy arrays and plain values. Format and checksums: https://www.cs.toronto.edu/~kriz/cifar.html,
and torchvision for the unpacked batches.
"""

import hashlib
import io
import pickle
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from vggc.base.errors import ProductError, could_not_read
from vggc.data.dataset import ArrayImages, Images, ImageSource, SplitName
from vggc.data.images.decoding import Pixels

ROWS: Final = 10_000  # images in a batch file
SHAPE: Final = (3, 32, 32)
CLASSES: Final = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ARCHIVE: Final = "cifar-10-python.tar.gz"
FOLDER: Final = "cifar-10-batches-py"
BATCHES: Final[dict[SplitName, tuple[str, ...]]] = {
    "train": tuple(f"data_batch_{i}" for i in range(1, 6)),
    "test": ("test_batch",),
}
MD5: Final[dict[str, str]] = {
    ARCHIVE: "c58f30108f718f92721af3b95e74349a",
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
# What damaged pickles end in.
_DAMAGE: Final = (pickle.UnpicklingError, ValueError, TypeError, LookupError, EOFError, AttributeError, OverflowError,
                  MemoryError)  # fmt: skip


class Cifar10(ImageSource):
    """The official files."""

    prefix = "cifar10"
    classes = CLASSES
    channels = SHAPE[0]

    def __init__(self, words: str, path: str) -> None:
        super().__init__(words, path)
        if not path:
            raise ProductError(f"{words}: write --data cifar10:PATH, with the official archive or its folder")
        self._path = _archive_or_folder(Path(path), words)

    def read(self, split: SplitName) -> Images:
        contents = _from_archive if self._path.is_file() else _from_folder
        batches = [_unpickled(content, file) for file, content in contents(self._path, BATCHES[split])]
        pixels, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        images = ArrayImages(pixels, torch.from_numpy(labels), f"the {split} split of {self.words}")
        images.check_labels(len(CLASSES))
        return images


# --- where the files are ---


def _archive_or_folder(path: Path, words: str) -> Path:
    """The archive, or the folder with the batch files; it may be inside the path."""
    if not path.is_file():
        for folder in (path, path / FOLDER):
            if (folder / BATCHES["test"][0]).is_file():
                return folder
        path /= ARCHIVE
        if not path.is_file():
            raise ProductError(f"{words}: there is neither {ARCHIVE} nor {FOLDER} at {path.parent}")
    try:
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()
    except OSError as error:
        raise could_not_read(path, error) from error
    if md5 != MD5[ARCHIVE]:
        raise ProductError(
            f"{path} has the md5 {md5}, and is not {ARCHIVE} as published: download it again, and take the python "
            "version"
        )
    return path


def _from_folder(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for file in (folder / name for name in names):
        try:
            content = file.read_bytes()
        except OSError as error:
            raise could_not_read(file, error) from error
        yield str(file), _verified(content, file.name, str(file))


def _from_archive(archive: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(archive, "r:gz") as members:
            for name in names:
                member = members.extractfile(f"{FOLDER}/{name}")
                assert member is not None, "a link to nothing"
                yield f"{archive}:{name}", _verified(member.read(), name, f"{archive}:{name}")
    except KeyError as error:
        raise ProductError(f"{archive} is not complete: {error.args[0]}") from error
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise ProductError(f"{archive} cannot be unpacked: {error}") from error


def _verified(content: bytes, name: str, file: str) -> bytes:
    """The content of a batch file whose checksum is right."""
    expected, md5 = MD5[name], hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 != expected:
        raise ProductError(
            f"{file} has the md5 {md5} instead of {expected}: it is damaged or was changed; unpack the official "
            "archive again"
        )
    return content


# --- their contents ---


def _unpickled(content: bytes, file: str) -> tuple[Pixels, Any]:
    """Pixels (rows, H, W, C) and labels, int64 (rows,), of a batch.

    It is a pickled dictionary with `data`, uint8 (rows, 3072), the planes of red, green and blue, and `labels`.
    """
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except ProductError as error:
        raise ProductError(f"{file}: {error}") from error
    except _DAMAGE as error:
        raise ProductError(f"{file} is not a batch of CIFAR-10: {error}; unpack the archive again") from error
    planes, labels = (batch.get(key) for key in (b"data", b"labels")) if isinstance(batch, dict) else (None, None)
    shape = (ROWS, int(np.prod(SHAPE)))
    if not isinstance(planes, np.ndarray) or planes.dtype != np.uint8 or planes.shape != shape:
        raise ProductError(f"{file} has no uint8 array `data` of {shape[0]} x {shape[1]}")
    if not isinstance(labels, list) or len(labels) != ROWS or not all(isinstance(label, int) for label in labels):
        raise ProductError(f"{file} has no list `labels` of {ROWS} integers")
    return np.ascontiguousarray(planes.reshape(-1, *SHAPE).transpose(0, 2, 3, 1)), np.array(labels, np.int64)


class _Unpickler(pickle.Unpickler):
    """An unpickler that builds arrays and plain values, and calls nothing else.

    The names are those that numpy pickles an array by, before and since its version 2.
    """

    _reconstruct: Final = np.empty(0).__reduce__()[0]
    _allowed: Final = {
        "numpy.core.multiarray._reconstruct": _reconstruct,
        "numpy._core.multiarray._reconstruct": _reconstruct,
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        qualified = f"{module}.{name}"
        if qualified not in self._allowed:
            raise ProductError(f"refused: the pickle asks for {qualified}, which no batch of CIFAR-10 needs")
        return self._allowed[qualified]
