"""Folders named for their classes: both layouts, what is passed over, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.pictures import noise, save
from vggc.base.errors import ProductError
from vggc.data.source_formats import open_source


def fill(folder: Path, counts: dict[str, int], seed: int = 0) -> None:
    """Made-up images for each class."""
    for label, (name, count) in enumerate(counts.items()):
        for i in range(count):
            save(folder / name / f"{i:02}.png", noise(5, 7, 3, seed=seed + 100 * label + i))


def test_train_and_test(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"bee": 2, "ant": 3})
    fill(tmp_path / "test", {"ant": 1, "bee": 2}, seed=500)
    source = open_source(f"folder:{tmp_path}")
    assert (source.classes, source.channels, source.notes) == (("ant", "bee"), 3, ())
    train, test = source.images("train"), source.images("test")
    assert train.labels.dtype == torch.int64
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 0, 0, 1, 1], [0, 1, 1])
    assert [Path(train.place(i)).relative_to(tmp_path).as_posix() for i in range(5)] == [
        "train/ant/00.png", "train/ant/01.png", "train/ant/02.png", "train/bee/00.png", "train/bee/01.png"
    ]  # fmt: skip
    assert np.array_equal(train.pixels(4), noise(5, 7, 3, seed=1))
    assert np.array_equal(test.pixels(0), noise(5, 7, 3, seed=500))
    assert train.size(0) == (5, 7)


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_validation_stands_in_for_test(name: str, tmp_path: Path) -> None:
    fill(tmp_path / "train", {"ant": 2, "bee": 2})
    fill(tmp_path / name, {"bee": 1})
    source = open_source(f"folder:{tmp_path}")
    assert source.notes == (f"folder:{tmp_path} has no folder `test`: {name} is the test split",)
    assert source.images("test").labels.tolist() == [1]
    fill(tmp_path / "test", {"ant": 2})
    source = open_source(f"folder:{tmp_path}")
    assert source.notes == (f"{tmp_path / name} is not used: test is the test split",)
    assert source.images("test").labels.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("train", "test"), [("Train", "Test"), ("training", "testing"), ("TRAINING", "TEST"), ("train", "Testing")]
)
def test_splits_by_other_names(train: str, test: str, tmp_path: Path) -> None:
    fill(tmp_path / train, {"ant": 2, "bee": 2})
    fill(tmp_path / test, {"ant": 1, "bee": 1})
    source = open_source(f"folder:{tmp_path}")
    assert (source.classes, source.notes) == (("ant", "bee"), ())
    assert [len(source.images(split)) for split in ("train", "test")] == [4, 2]  # type: ignore[arg-type]


def test_other_names_of_validation(tmp_path: Path) -> None:
    fill(tmp_path / "Training", {"ant": 2, "bee": 2})
    fill(tmp_path / "Validation", {"bee": 1})
    source = open_source(f"folder:{tmp_path}")
    assert source.notes == (f"folder:{tmp_path} has no folder `test`: Validation is the test split",)
    assert source.images("test").labels.tolist() == [1]


def test_pictures_of_trains(tmp_path: Path) -> None:
    fill(tmp_path, {"bus": 5, "train": 5, "test": 5})
    assert open_source(f"folder:{tmp_path}").classes == ("bus", "test", "train")


def test_splits_without_classes(tmp_path: Path) -> None:
    fill(tmp_path, {"train": 5, "test": 5})
    with pytest.raises(ProductError, match=r"there are no folders in .*test; put the images of each class into one"):
        open_source(f"folder:{tmp_path}")


def test_a_loose_image_beside_the_classes_of_a_split(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"ant": 5, "bee": 5})
    save(tmp_path / "train" / "loose.png", noise(5, 7, 3))
    source = open_source(f"folder:{tmp_path}")
    assert source.classes == ("ant", "bee")
    assert source.notes[1] == f"1 image in {tmp_path / 'train'} itself not used: no folder gives the class"


def test_classes_of_several_folders(tmp_path: Path) -> None:
    """The same names below each of them make no splits."""
    for name in ("ant", "bee"):
        fill(tmp_path / name, {"2019": 3, "2020": 3})
    assert open_source(f"folder:{tmp_path}").classes == ("ant", "bee")


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        (["train_set", "test_set"], "test_set, train_set"),
        (["Test", "val"], "Test, val"),
        (["train", "seg_test"], "train, seg_test"),
        (["train", "training", "test"], "train, training, test"),
        (["dev", "eval"], "dev, eval"),
    ],
)
def test_what_looks_like_splits_and_fits_nowhere_is_refused(folders: list[str], named: str, tmp_path: Path) -> None:
    for folder in folders:
        fill(tmp_path / folder, {"ant": 2, "bee": 2})
    with pytest.raises(ProductError, match=rf"which of the folders {named} contains .* Call them `train` and `test`"):
        open_source(f"folder:{tmp_path}")


def test_splits_further_down_are_pointed_out(tmp_path: Path) -> None:
    for split in ("Train", "Test"):
        fill(tmp_path / "insects" / split, {"ant": 2, "bee": 2})
    with pytest.raises(ProductError, match=rf"write folder:{tmp_path / 'insects'}$"):
        open_source(f"folder:{tmp_path}")


@pytest.mark.parametrize("inside", ["", "train"])
def test_a_fixed_share_is_held_out_where_there_is_no_test(inside: str, tmp_path: Path) -> None:
    fill(tmp_path / inside, {"ant": 10, "bee": 5, "cow": 20})
    first, second = (open_source(f"folder:{tmp_path}") for _ in range(2))
    assert first.notes == (
        f"folder:{tmp_path} has no test split: 20 % of each class are held out for it, the same ones every time",
    )
    train, test = first.images("train"), first.images("test")
    assert torch.bincount(test.labels).tolist() == [2, 1, 4]
    assert torch.bincount(train.labels).tolist() == [8, 4, 16]
    places = [[images.place(i) for i in range(len(images))] for images in (train, test, second.images("test"))]
    assert not set(places[0]) & set(places[1])
    assert places[1] == places[2]


def test_what_is_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, {"ant": 5, "bee": 5, ".hidden": 2})
    save(tmp_path / "ant" / "deeper" / "x.bmp", noise(5, 7, 3))
    save(tmp_path / "ant" / "._00.png", noise(5, 7, 3))
    save(tmp_path / "loose.png", noise(5, 7, 3))
    (tmp_path / "ant" / "notes.txt").touch()
    (tmp_path / "bee" / "loop").symlink_to(tmp_path / "bee")
    source = open_source(f"folder:{tmp_path}")
    assert source.classes == ("ant", "bee")
    total = torch.cat([source.images("train").labels, source.images("test").labels])
    assert torch.bincount(total).tolist() == [6, 5]
    assert source.notes[1] == f"1 image in {tmp_path} itself not used: no folder gives the class"


# --- what is refused ---


def test_no_classes_no_images_and_empty_classes(tmp_path: Path) -> None:
    with pytest.raises(
        ProductError, match=r"there are no folders in .*; put the images of each class into one of its own"
    ):
        open_source(f"folder:{tmp_path}")
    fill(tmp_path, {"ant": 2})
    (tmp_path / "bee").mkdir()
    with pytest.raises(
        ProductError, match=r"there are no images in .*bee; images end in \.bmp, .*; remove the folder if"
    ):
        open_source(f"folder:{tmp_path}")


def test_a_test_folder_that_does_not_fit(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"ant": 2, "bee": 2})
    (tmp_path / "test" / "ant").mkdir(parents=True)
    with pytest.raises(ProductError, match=r"there are no images in .*test"):
        open_source(f"folder:{tmp_path}")
    fill(tmp_path / "test", {"cow": 1})
    with pytest.raises(ProductError, match=r"there are no training images of the class .*test/cow"):
        open_source(f"folder:{tmp_path}")


def test_a_bad_image_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"ant": 2, "bee": 1})
    fill(tmp_path / "test", {"ant": 1})
    save(tmp_path / "train" / "bee" / "grey.png", noise(5, 7, 1))
    (tmp_path / "train" / "bee" / "text.png").write_text("hello")
    images = open_source(f"folder:{tmp_path}").images("train")
    with pytest.raises(ProductError) as error:
        images.pixels(3)
    assert str(error.value) == (
        f"{tmp_path / 'train/bee/grey.png'} is grey (1 channel), and the first image RGB (3 channels); convert the "
        "images so that all are alike"
    )
    with pytest.raises(ProductError, match=r"text\.png is not an image"):
        images.pixels(4)


def test_grey_folders_are_grey(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        save(tmp_path / name / "1.png", noise(5, 7, 1))
        save(tmp_path / name / "2.png", noise(5, 7, 1))
    source = open_source(f"folder:{tmp_path}")
    assert source.channels == 1
    assert source.images("train").pixels(0).shape == (5, 7, 1)
