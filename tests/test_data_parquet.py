"""Parquet as on the Hugging Face hub: shards, columns and names as its library writes them, made up and smaller."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from tests.networks import network
from tests.pictures import encoded, noise, picture
from vggc.base.errors import ProductError
from vggc.data.batches import Batches, BatchSettings
from vggc.data.compatibility import check_complete
from vggc.data.source_formats import open_source

NAMES = ["ant", "bee", "cow"]
FITTING = network("vggc: 1\nname: s\ninput: [3, 6, 8]\nclasses: 3\nfeatures: [2]\nclassifier: [{linear: classes}]\n")


def write(
    path: Path,
    labels: list[int | None],
    *,
    images: list[bytes | None] | None = None,
    image: str = "img",
    label: str = "label",
    names: list[str] | None = NAMES,
    label_type: pa.DataType | None = None,
    row_group_size: int = 3,
    seed: int = 0,
) -> Path:
    """A shard with a made-up image for each label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = images or [encoded(picture(noise(6, 8, 3, seed=seed + i))) for i in range(len(labels))]
    rows = [{"bytes": content, "path": f"{i}.png"} for i, content in enumerate(images)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({image: pa.array(rows, kind), label: pa.array(labels, label_type or pa.int64())})
    if names is not None:
        features = {image: {"_type": "Image"}, label: {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, path, row_group_size=row_group_size)
    return path


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two training shards and a test shard."""
    write(tmp_path / "train-00000-of-00002.parquet", [2, 0, 1, 1, 0], seed=10)
    write(tmp_path / "train-00001-of-00002.parquet", [1, 2], seed=20)
    write(tmp_path / "test-00000-of-00001.parquet", [0, 2, 1], seed=30)
    return tmp_path


def test_shards_in_their_order(shards: Path) -> None:
    source = open_source(f"parquet:{shards}")
    assert (source.classes, source.channels, source.notes) == (tuple(NAMES), 3, ())
    train, test = source.images("train"), source.images("test")
    assert train.labels.dtype == torch.int64
    assert train.labels.tolist() == [2, 0, 1, 1, 0, 1, 2]
    assert test.labels.tolist() == [0, 2, 1]
    for index, seed in enumerate([10, 11, 12, 13, 14, 20, 21]):
        assert np.array_equal(train.pixels(index), noise(6, 8, 3, seed=seed))
        assert train.size(index) == (6, 8)
    assert train.place(6) == f"row 1 of {shards / 'train-00001-of-00002.parquet'}"
    assert np.array_equal(test.pixels(2), noise(6, 8, 3, seed=32))
    assert source.images("train") is train


@pytest.mark.parametrize(("image", "label"), [("image", "label"), ("img", "fine_label"), ("image", "labels")])
def test_columns_by_their_usual_names(image: str, label: str, tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(tmp_path / "data" / f"{split}-0.parquet", [0, 2], image=image, label=label)
    source = open_source(f"parquet:{tmp_path}")
    assert source.classes == tuple(NAMES)
    assert source.images("test").labels.tolist() == [0, 2]


def test_one_file_has_its_test_split_held_out(tmp_path: Path) -> None:
    file = write(tmp_path / "everything.parquet", [0, 1, 2] * 10)
    source = open_source(f"parquet:{file}")
    assert source.notes == (
        f"parquet:{file} has no test split: 20 % of each class are held out for it, the same ones every time",
    )
    train, test = source.images("train"), source.images("test")
    assert torch.bincount(train.labels).tolist() == [8, 8, 8]
    assert torch.bincount(test.labels).tolist() == [2, 2, 2]
    places = {images.place(i) for images in (train, test) for i in range(len(images))}
    assert places == {f"row {row} of {file}" for row in range(30)}


def test_validation_stands_in_for_test(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", [0, 1, 2])
    write(tmp_path / "validation.parquet", [1])
    source = open_source(f"parquet:{tmp_path}")
    assert source.images("test").labels.tolist() == [1]
    assert source.notes == (f"parquet:{tmp_path} has no test-*.parquet: validation is the test split",)


def test_hidden_labels_are_no_test_split(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", [0, 1, 2] * 5)
    write(tmp_path / "test.parquet", [-1, -1])
    words = f"parquet:{tmp_path}"
    hidden = f"the labels of {words} are hidden in test-*.parquet, which is not used"
    source = open_source(words)
    held_out = f"{words} has no test split: 20 % of each class are held out for it, the same ones every time"
    assert source.notes == (hidden, held_out)
    assert sorted(source.images("test").labels.tolist()) == [0, 1, 2]
    write(tmp_path / "validation.parquet", [1])
    source = open_source(words)
    assert source.notes == (hidden, "validation is the test split")
    assert source.images("test").labels.tolist() == [1]
    write(tmp_path / "test.parquet", [-1, -1], label="nothing")
    assert open_source(words).notes == (hidden, "validation is the test split")
    write(tmp_path / "test.parquet", [-1, 2])
    with pytest.raises(ProductError, match=r"row 0 of .*test\.parquet has the label -1"):
        open_source(words).images("test")


def test_a_negative_label_is_said_before_classes_are_counted(tmp_path: Path) -> None:
    file = write(tmp_path / "x.parquet", [0, -1, 1], names=None)
    with pytest.raises(ProductError, match=r"row 1 of .*x\.parquet has the label -1; labels count from 0"):
        open_source(f"parquet:{file}")


def test_classes_without_names_have_numbers(tmp_path: Path) -> None:
    file = write(tmp_path / "x.parquet", [0, 3, 1, 3], names=None, label_type=pa.uint8())
    assert open_source(f"parquet:{file}").classes == ("0", "1", "2", "3")


@pytest.mark.usefixtures("one_thread")
def test_worker_processes_read_the_same(shards: Path) -> None:
    small = network(
        "vggc: 1\nname: small\ninput: [3, 6, 8]\nclasses: [ant, bee, cow]\nfeatures: [2, global_avg_pool2d]\n"
        "classifier: [{linear: classes}]\n"
    )
    images = open_source(f"parquet:{shards}").images("train")
    first, second = (
        list(Batches(images, torch.arange(7), small, BatchSettings(3, in_memory=held))) for held in (True, False)
    )
    assert all(torch.equal(ours[0], theirs[0]) for ours, theirs in zip(first, second, strict=True))


# --- what is refused ---


def test_shards_that_are_missing(shards: Path) -> None:
    (shards / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(ProductError, match="contains 1 of the 2 shards of train"):
        open_source(f"parquet:{shards}")
    (shards / "train-00000-of-00002.parquet").unlink()
    with pytest.raises(ProductError, match=r"there is no train-\*\.parquet in "):
        open_source(f"parquet:{shards}")


def test_several_folders_with_shards(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name / "train.parquet", [0])
    with pytest.raises(ProductError, match=r"there are shards in .*one, .*two; name one of them"):
        open_source(f"parquet:{tmp_path}")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 3], r"row 2 of .*x\.parquet has the label 3; labels are 0 to 2"),
        ([0, -1, 1], r"row 1 of .*x\.parquet has the label -1; labels are 0 to 2"),
        ([0, None, None], r"x\.parquet: 2 rows have no label"),
    ],
)
def test_labels_out_of_range(labels: list[int | None], message: str, tmp_path: Path) -> None:
    file = write(tmp_path / "x.parquet", labels)
    with pytest.raises(ProductError, match=message):
        open_source(f"parquet:{file}").images("train")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"nonsense", r"row 4 of .*x\.parquet is not an image"),
        (encoded(picture(noise(6, 8, 3)))[:-40], r"row 4 of .*x\.parquet cannot be read"),
        (encoded(picture(noise(6, 8, 1))), r"row 4 of .*x\.parquet is grey \(1 channel\), and the first image RGB"),
        (None, r"row 4 of .*x\.parquet contains no image; not supported: images that are paths alone"),
    ],
    ids=["nonsense", "truncated", "grey", "path"],
)
def test_a_row_that_is_no_good_is_named(bad: bytes | None, message: str, tmp_path: Path) -> None:
    good = [encoded(picture(noise(6, 8, 3, seed=i))) for i in range(4)]
    write(tmp_path / "train-x.parquet", [0] * 5, images=[*good, bad])
    write(tmp_path / "test-x.parquet", [0])
    images = open_source(f"parquet:{tmp_path}").images("train")
    images.pixels(3)
    with pytest.raises(ProductError, match=message):
        images.pixels(4)


def other(path: Path, **columns: Any) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


def test_other_files(tmp_path: Path) -> None:
    row = {"bytes": b"", "path": ""}
    for columns, message in (
        ({"picture": [b""], "label": [0]}, "x.parquet has no column img or image; it has picture, label"),
        ({"img": [row], "class": [0]}, "x.parquet has no column label or fine_label or labels; it has img, class"),
        ({"img": [b""], "label": [0]}, "the column img is binary; images are struct<bytes, path>"),
        ({"img": [row], "label": ["ant"]}, "the column label is string; labels are integers, one for each image"),
        ({"img": pa.array([], pa.struct([("bytes", pa.binary())])), "label": pa.array([], pa.int64())},
         "there are no images in "),
    ):  # fmt: skip
        file = other(tmp_path / "x.parquet", **columns)
        with pytest.raises(ProductError) as error:
            open_source(f"parquet:{file}")
        assert message in str(error.value)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "x.parquet", [0, 1, 2] * 20)
    whole = file.read_bytes()
    for content in (b"", b"hello", whole[:-20], whole[len(whole) // 2 :]):
        file.write_bytes(content)
        with pytest.raises(ProductError, match=r"x\.parquet cannot be read: "):
            open_source(f"parquet:{file}")
    file.write_bytes(whole[:100] + bytes(600) + whole[700:])
    with pytest.raises(ProductError, match=r"x\.parquet"):
        open_source(f"parquet:{file}").images("train").pixels(0)


def test_a_class_without_training_images_is_named(shards: Path) -> None:
    source = open_source(f"parquet:{shards}")
    check_complete(FITTING, source)
    write(shards / "train-00000-of-00002.parquet", [2, 0, 0])
    write(shards / "train-00001-of-00002.parquet", [2, 2])
    with pytest.raises(ProductError, match="has no training images of bee; add some, or leave the class out"):
        check_complete(FITTING, open_source(f"parquet:{shards}"))


def test_every_test_image_is_looked_at(shards: Path) -> None:
    good, grey = encoded(picture(noise(6, 8, 3))), encoded(picture(noise(6, 8, 1)))
    for bad, message in ((good[:50], "cannot be read"), (grey, "is grey"), (None, "contains no image")):
        write(shards / "test-00000-of-00001.parquet", [0, 2, 1], images=[good, good, bad])
        with pytest.raises(ProductError, match=rf"row 2 of .*test-00000-of-00001.parquet {message}"):
            check_complete(FITTING, open_source(f"parquet:{shards}"))
