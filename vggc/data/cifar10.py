"""`cifar10:PATH`: the official files of CIFAR-10, the python or the binary version, as an archive or unpacked.

Every file is held against its checksum before anything in it is interpreted; the pickles of the python version are read
by an unpickler that knows nothing but numpy arrays and plain values. Format and checksums:
https://www.cs.toronto.edu/~kriz/cifar.html, and torchvision for the unpacked batches.
"""

import hashlib
import io
import pickle
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from vggc.base.errors import ProductError
from vggc.data.dataset import ArrayImages, Images, Pixels, Source, Split

ROWS: Final = 10_000  # images in a batch file
SHAPE: Final = (3, 32, 32)
CLASSES: Final = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# md5 of the archives and, where it is known for certain, of the files in them.
MD5: Final[dict[str, str]] = {
    "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
    "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


@dataclass(frozen=True)
class _Version:
    """One of the two official forms."""

    archive: str
    folder: str
    suffix: str

    def names(self, split: Split) -> list[str]:
        """The batch files of a split."""
        stems = [f"data_batch_{i}" for i in range(1, 6)] if split == "train" else ["test_batch"]
        return [stem + self.suffix for stem in stems]


_VERSIONS: Final = (
    _Version("cifar-10-python.tar.gz", "cifar-10-batches-py", ""),
    _Version("cifar-10-binary.tar.gz", "cifar-10-batches-bin", ".bin"),
)


class Cifar10(Source):
    """The official files."""

    prefix = "cifar10"
    classes = CLASSES
    channels = SHAPE[0]

    def __init__(self, words: str, path: str) -> None:
        self.words = words
        self._path, self._version = _located(Path(path), words) if path else _nothing(words)
        self._splits: dict[Split, Images] = {}

    def images(self, split: Split) -> Images:
        if split not in self._splits:
            self._splits[split] = self._read(split)
        return self._splits[split]

    def _read(self, split: Split) -> Images:
        names = self._version.names(split)
        found = _from_archive(self._path, self._version.folder, names) if self._path.is_file() else None
        decode = _unpickled if self._version.suffix == "" else _unpacked
        batches = [decode(content, name) for name, content in found or _from_folder(self._path, names)]
        pixels = np.concatenate([pixels for pixels, _ in batches])
        labels = np.concatenate([labels for _, labels in batches])
        return ArrayImages(pixels, torch.from_numpy(labels), f"the {split} split of {self.words}")


# --- where the files are ---


def _nothing(words: str) -> tuple[Path, _Version]:
    raise ProductError(f"{words}: write --data cifar10:PATH, with the official archive or its folder")


def _located(path: Path, words: str) -> tuple[Path, _Version]:
    """The archive, or the folder with the batch files, and which version it is."""
    if path.is_file():
        return path, _version_of(path)
    for version in _VERSIONS:
        for folder in (path, path / version.folder):
            if (folder / version.names("test")[0]).is_file():
                return folder, version
    for version in _VERSIONS:
        if (path / version.archive).is_file():
            return path / version.archive, _version_of(path / version.archive)
    wanted = ", ".join(each for version in _VERSIONS for each in (version.archive, version.folder))
    raise ProductError(f"{words}: there is none of {wanted} at {path}")


def _version_of(archive: Path) -> _Version:
    """Which version an archive is, by its checksum."""
    try:
        with archive.open("rb") as file:
            found = hashlib.file_digest(file, "md5").hexdigest()
    except OSError as error:
        raise ProductError(f"{archive} cannot be read: {(error.strerror or str(error)).lower()}") from error
    for version in _VERSIONS:
        if MD5[version.archive] == found:
            return version
    known = " or ".join(version.archive for version in _VERSIONS)
    raise ProductError(
        f"{archive} has the md5 {found}, and is not {known} as published: download it again, and take the python or "
        "the binary version"
    )


def _from_folder(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        try:
            content = (folder / name).read_bytes()
        except OSError as error:
            raise ProductError(f"{folder / name} cannot be read: {(error.strerror or str(error)).lower()}") from error
        yield str(folder / name), _verified(content, folder / name)


def _from_archive(archive: Path, folder: str, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(archive, "r:gz") as members:
            for name in names:
                member = members.extractfile(f"{folder}/{name}")
                assert member is not None, "a link to nothing"
                yield f"{archive}:{name}", _verified(member.read(), Path(f"{archive}:{name}"))
    except KeyError as error:
        raise ProductError(f"{archive} is not complete: {error.args[0]}") from error
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise ProductError(f"{archive} cannot be unpacked: {error}") from error


def _verified(content: bytes, file: Path) -> bytes:
    """The content of a file whose checksum is right, or not known."""
    expected, found = MD5.get(file.name.rpartition(":")[2]), hashlib.md5(content, usedforsecurity=False).hexdigest()
    if expected not in (None, found):
        raise ProductError(
            f"{file} has the md5 {found} instead of {expected}: it is damaged or was changed; unpack the official "
            "archive again"
        )
    return content


# --- what is in them ---


def _unpacked(content: bytes, file: str) -> tuple[Pixels, Any]:
    """A binary batch: for each image a byte with the label, then the planes of red, green and blue."""
    row = 1 + int(np.prod(SHAPE))
    if len(content) != ROWS * row:
        raise ProductError(f"{file} has {len(content):,} bytes instead of {ROWS * row:,}: unpack the archive again")
    rows = np.frombuffer(content, np.uint8).reshape(ROWS, row)
    return _images(rows[:, 1:], rows[:, 0].astype(np.int64), file)


_DAMAGE: Final = (pickle.UnpicklingError, ValueError, TypeError, LookupError, EOFError, AttributeError, OverflowError,
                  MemoryError)  # what damaged pickles end in  # fmt: skip


def _unpickled(content: bytes, file: str) -> tuple[Pixels, Any]:
    """A python batch: a pickled dictionary with `data`, uint8 (rows, 3072), and `labels`."""
    try:
        found = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except ProductError as error:
        raise ProductError(f"{file}: {error}") from error
    except _DAMAGE as error:
        raise ProductError(f"{file} is no batch of CIFAR-10: {error}; unpack the archive again") from error
    pixels, labels = (found.get(key) for key in (b"data", b"labels")) if isinstance(found, dict) else (None, None)
    wanted = (ROWS, int(np.prod(SHAPE)))
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != wanted:
        raise ProductError(f"{file} holds no uint8 array `data` of {wanted[0]} x {wanted[1]}")
    if not isinstance(labels, list) or len(labels) != ROWS or not all(isinstance(each, int) for each in labels):
        raise ProductError(f"{file} holds no list `labels` of {ROWS} integers")
    return _images(pixels, np.array(labels, np.int64), file)


def _images(planes: Pixels, labels: Any, file: str) -> tuple[Pixels, Any]:
    """(rows, 3072) as (rows, H, W, C), with their labels, int64 (rows,)."""
    wrong = np.flatnonzero((labels < 0) | (labels >= len(CLASSES)))
    if len(wrong):
        raise ProductError(f"row {wrong[0]} of {file} has the label {labels[wrong[0]]}; labels are 0 to 9")
    return np.ascontiguousarray(planes.reshape(-1, *SHAPE).transpose(0, 2, 3, 1)), labels


class _Unpickler(pickle.Unpickler):
    """An unpickler that makes arrays and plain values, and calls nothing else.

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
        wanted = f"{module}.{name}"
        if wanted not in self._allowed:
            raise ProductError(f"refused: the pickle asks for {wanted}, which no batch of CIFAR-10 needs")
        return self._allowed[wanted]
