"""The official files of CIFAR-10, made up at a smaller size: read exactly, verified, and never executed."""

import hashlib
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.pictures import noise
from vggc.base.errors import ProductError
from vggc.data import cifar10 as format
from vggc.data.dataset import ImageSource
from vggc.data.source_formats import open_source

ROWS = 4
BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
PLANES = {name: noise(ROWS, 3072, seed=i) for i, name in enumerate(BATCHES)}
LABELS = {name: [(3 * i + row) % 10 for row in range(ROWS)] for i, name in enumerate(BATCHES)}


class _AsPython2(pickle._Pickler):  # type: ignore[name-defined]  # the one whose methods can be replaced
    """Writes byte strings as Python 2 wrote its strings, which is how the official files were made."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_string(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)
        self.memoize(value)

    dispatch[bytes] = save_string

    def save_global(self, found: Any, name: str | None = None) -> None:
        module = found.__module__.replace("numpy._core", "numpy.core")
        self.write(pickle.GLOBAL + f"{module}\n{name or found.__qualname__}\n".encode())
        self.memoize(found)


class _Reduced:
    """An array as numpy for Python 2 reduced it, with its data in a string."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __reduce__(self) -> Any:
        function, arguments, (version, shape, _, order, _) = self.array.__reduce__()
        dtype = _ReducedType()
        return function, (*arguments[:2], b"b"), (version, shape, dtype, order, self.array.tobytes())


class _ReducedType:
    def __reduce__(self) -> Any:
        return np.dtype, (b"u1", 0, 1), (3, b"|", None, None, None, -1, -1, 0)


def pickled(name: str) -> bytes:
    """A batch as in the python version: protocol 2, string keys, one array."""
    file = io.BytesIO()
    content = {
        b"batch_label": b"made up",
        b"labels": LABELS[name],
        b"data": _Reduced(PLANES[name]),
        b"filenames": [b"a.png"],
    }
    _AsPython2(file, 2).dump(content)
    return file.getvalue()


FILES = {name: pickled(name) for name in BATCHES}


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checksums of the made-up files in place of the official ones, and their number of rows."""
    monkeypatch.setattr(format, "ROWS", ROWS)
    files = {name: md5(content) for name, content in FILES.items()}
    monkeypatch.setattr(format, "MD5", {**format.MD5, **files})


def unpacked(folder: Path) -> Path:
    (folder / format.FOLDER).mkdir()
    for file, content in FILES.items():
        (folder / format.FOLDER / file).write_bytes(content)
    return folder / format.FOLDER


def archive(folder: Path, leave_out: str = "") -> Path:
    """The archive, whose checksum becomes the official one."""
    path = folder / format.ARCHIVE
    with tarfile.open(path, "w:gz") as writing:
        for file, content in FILES.items():
            if file != leave_out:
                member = tarfile.TarInfo(f"{format.FOLDER}/{file}")
                member.size = len(content)
                writing.addfile(member, io.BytesIO(content))
    format.MD5[path.name] = md5(path.read_bytes())
    return path


def check(source: ImageSource) -> None:
    """Every pixel and label, from the definition of the format: planes of red, green and blue, row by row."""
    assert source.classes[:3] == ("airplane", "automobile", "bird")
    assert (len(source.classes), source.channels, source.notes) == (10, 3, ())
    for split, names in (("train", BATCHES[:5]), ("test", BATCHES[5:])):
        images = source.images(split)  # type: ignore[arg-type]
        assert images.labels.tolist() == [label for name in names for label in LABELS[name]]
        for index in range(len(images)):
            pixels = images.pixels(index)
            planes = PLANES[names[index // ROWS]][index % ROWS]
            assert (pixels.shape, images.size(index)) == ((32, 32, 3), (32, 32))
            for place in ((0, 0, 0), (0, 1, 0), (31, 2, 1), (5, 31, 2)):
                row, column, channel = place
                assert pixels[place] == planes[1024 * channel + 32 * row + column]


def test_archives_folders_and_what_they_lie_in(tmp_path: Path) -> None:
    path = archive(tmp_path)
    check(open_source(f"cifar10:{path}"))
    check(open_source(f"cifar10:{tmp_path}"))
    path.unlink()
    folder = unpacked(tmp_path)
    check(open_source(f"cifar10:{folder}"))
    check(open_source(f"cifar10:{tmp_path}"))


def test_an_archive_under_another_name(tmp_path: Path) -> None:
    path = archive(tmp_path)
    check(open_source(f"cifar10:{path.rename(tmp_path / 'download.tgz')}"))


def test_the_official_checksums_and_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the page of the data set, and torchvision's `datasets/cifar.py` for the batches."""
    monkeypatch.undo()
    assert format.ROWS == 10_000
    assert format.MD5 == {
        "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    }


# --- what is refused ---


def test_an_archive_with_another_checksum(tmp_path: Path) -> None:
    path = archive(tmp_path)
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(ProductError) as error:
        open_source(f"cifar10:{path}")
    assert str(error.value) == (
        f"{path} has the md5 {md5(path.read_bytes())}, and is not cifar-10-python.tar.gz as published: "
        "download it again, and take the python version"
    )


def test_a_batch_with_another_checksum(tmp_path: Path) -> None:
    batch = unpacked(tmp_path) / "data_batch_3"
    content = bytearray(batch.read_bytes())
    content[-30] ^= 1
    batch.write_bytes(content)
    source = open_source(f"cifar10:{tmp_path}")
    assert len(source.images("test")) == ROWS
    with pytest.raises(ProductError) as error:
        source.images("train")
    assert str(error.value) == (
        f"{batch} has the md5 {md5(content)} instead of {format.MD5['data_batch_3']}: it is damaged or was changed; "
        "unpack the official archive again"
    )


class _Malicious:
    """What a pickle can do to those who trust it."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> Any:
        return Path.unlink, (self.victim,)


class _Printing:
    def __reduce__(self) -> Any:
        return eval, ("print('executed')",)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_is_not_executed(
    protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = tmp_path / "victim"
    victim.touch()
    batch = unpacked(tmp_path) / "test_batch"
    monkeypatch.setitem(
        format.MD5, "test_batch", md5(batch.read_bytes())
    )  # as if somebody knew how to forge a checksum
    for harm in (_Malicious(victim), _Printing()):
        batch.write_bytes(pickle.dumps({b"data": harm, b"labels": harm}, protocol))
        format.MD5["test_batch"] = md5(batch.read_bytes())  # as if somebody knew how to forge a checksum
        with pytest.raises(ProductError, match=r"test_batch: refused: the pickle asks for \w+\.[\w.]+, which no batch"):
            open_source(f"cifar10:{tmp_path}").images("test")
    assert victim.exists()
    assert capsys.readouterr().out == ""
    pickle.loads(batch.read_bytes())  # the attempt was real
    assert capsys.readouterr().out == "executed\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a batch of CIFAR-10: .*; unpack the archive again"),
        (b"hello", "is not a batch of CIFAR-10"),
        (pickled("test_batch")[:500], "is not a batch of CIFAR-10"),
        (pickle.dumps([1, 2]), "has no uint8 array `data` of 4 x 3072"),
        (pickle.dumps({b"labels": [0] * ROWS}), "has no uint8 array `data` of 4 x 3072"),
        (pickle.dumps({b"labels": [0] * ROWS, b"data": np.zeros((ROWS, 3072), np.int16)}, 4), "has no uint8 array"),
        (pickle.dumps({b"labels": [0] * ROWS, b"data": np.zeros((ROWS, 3071), np.uint8)}, 4), "has no uint8 array"),
        (pickle.dumps({b"labels": [0], b"data": PLANES["test_batch"]}, 4), "has no list `labels` of 4 integers"),
        (pickle.dumps({b"labels": [0, 1, 10, 2], b"data": PLANES["test_batch"]}, 4),
         "image 2 of the test split of cifar10:.* has the label 10; labels are 0 to 9"),
    ],
)  # fmt: skip
def test_a_batch_that_is_none(content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (unpacked(tmp_path) / "test_batch").write_bytes(content)
    monkeypatch.setitem(format.MD5, "test_batch", md5(content))
    with pytest.raises(ProductError, match=message):
        open_source(f"cifar10:{tmp_path}").images("test")


def test_no_damage_ends_in_anything_but_an_error_of_ours() -> None:
    whole = np.frombuffer(pickled("test_batch"), np.uint8)
    random = np.random.default_rng(0)
    head, tail = 200, 200  # beside the pixels
    for _ in range(300):
        damaged = whole.copy()
        places = random.integers(0, head + tail, 3)
        damaged[np.where(places < head, places, len(whole) - tail + places - head)] = random.integers(0, 256, 3)
        try:
            format._unpickled(damaged.tobytes(), "x")
        except ProductError as error:
            assert "x" in str(error)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProductError, match=r"there is neither cifar-10-python\.tar\.gz nor cifar-10-batches-py at "):
        open_source(f"cifar10:{tmp_path}")
    path = archive(tmp_path, leave_out="data_batch_2")
    with pytest.raises(ProductError, match=r"is not complete: .*data_batch_2"):
        open_source(f"cifar10:{path}").images("train")
    path.write_bytes(path.read_bytes()[:-2000])
    format.MD5[path.name] = md5(path.read_bytes())
    with pytest.raises(ProductError, match="cannot be unpacked"):
        open_source(f"cifar10:{path}").images("test")
    path.unlink()
    (unpacked(tmp_path) / "data_batch_5").unlink()
    with pytest.raises(ProductError, match="data_batch_5 cannot be read: no such file or directory"):
        open_source(f"cifar10:{tmp_path}").images("train")
