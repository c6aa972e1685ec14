"""`open_source`: the formats by their words, the bundled digits, and whether a network fits them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import vggc
from tests.networks import compile_source, network
from vggc import cli
from vggc.base.diagnostics import Source as Text
from vggc.base.errors import ProductError
from vggc.data.compatibility import check_fits
from vggc.data.dataset import ImageSource
from vggc.data.source_formats import SOURCES, open_source
from vggc.frontend.text import inherit
from vggc.model import Network


@pytest.fixture(scope="module")
def digits() -> ImageSource:
    return open_source("digits")


def test_the_digits_are_scikit_learns(digits: ImageSource) -> None:
    assert (digits.words, digits.classes, digits.channels) == ("digits", tuple("0123456789"), 1)
    found = load_digits()
    wanted = sorted(np.rint(image * 255 / 16).astype(np.uint8).tobytes() for image in found.images)
    train, test = digits.images("train"), digits.images("test")
    assert (len(train), len(test)) == (1438, 359)
    pixels = [images.pixels(index) for images in (train, test) for index in range(len(images))]
    assert {each.shape for each in pixels} == {(8, 8, 1)}
    assert sorted(each.tobytes() for each in pixels) == wanted
    both = torch.cat([train.labels, test.labels])
    assert torch.bincount(both).tolist() == np.bincount(found.target).tolist()


def test_the_test_digits_are_a_fifth_of_each_class_and_always_the_same(digits: ImageSource) -> None:
    test = digits.images("test")
    assert torch.bincount(test.labels).tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]
    again = open_source("digits").images("test")
    assert all(np.array_equal(test.pixels(i), again.pixels(i)) for i in range(len(test)))
    assert test.place(3) == "image 3 of the test digits"
    assert test.size(3) == (8, 8)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("digit", "digit: there is no source of images called 'digit'; did you mean digits?"),
        ("mnist:x", "mnist:x: there is no source of images called 'mnist'; there are digits, cifar10, parquet, folder"),
        ("photos", "photos: there is no source of images called 'photos'; there are digits, cifar10, parquet, folder"),
        ("digits:x", "digits:x: the digits come with scikit-learn and take no path; write --data digits"),
        ("cifar10", "cifar10: write --data cifar10:PATH, with the official archive or its folder"),
        ("parquet:", "parquet:: write --data parquet:PATH, with a file or a folder of shards"),
        ("folder", "folder: write --data folder:PATH, with a folder for each class"),
        ("folder:nowhere", "folder:nowhere: there is no folder nowhere"),
        ("parquet:nowhere", "parquet:nowhere: there is no file or folder nowhere"),
    ],
)  # fmt: skip
def test_words_that_name_nothing(words: str, message: str) -> None:
    with pytest.raises(ProductError) as error:
        open_source(words)
    assert str(error.value) == message


def test_the_help_lists_every_source(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["stats", "--help"])
    shown = capsys.readouterr().out
    assert all(f"{prefix}:PATH" in shown or f"{prefix} (" in shown for prefix in SOURCES)


def test_a_folder_without_its_prefix_is_understood(tmp_path: Path) -> None:
    with pytest.raises(ProductError) as error:
        open_source(str(tmp_path))
    assert str(error.value).endswith(f"; did you mean folder:{tmp_path}?")


# --- whether a network fits ---


def for_digits(**changes: str) -> Network:
    values = {"input": "[1, 8, 8]", "classes": "10", "classifier": "[{linear: classes}]", **changes}
    lines = "\n".join(f"{key}: {value}" for key, value in values.items())
    return network(f"vggc: 1\nname: small\nfeatures: [2]\n{lines}\n")


def test_what_fits(digits: ImageSource) -> None:
    for fitting in (
        for_digits(),
        for_digits(input="[1, 6, 6]", preprocess="{crop: 6}"),
        for_digits(input="[1, 32, 30]", preprocess="{resize: [32, 30]}"),
        for_digits(classes='["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]'),
        vggc.compile("vgg11_digits"),
    ):
        check_fits(fitting, digits)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": "[3, 8, 8]"},
         "the images of digits are grey (1 channel), and the input of small is RGB (3 channels): --set input=[1,8,8]"),
        ({"input": "[4, 8, 8]"},
         "the images of digits are grey (1 channel), and the input of small is of 4 channels: --set input=[1,8,8]"),
        ({"classes": "12"}, "digits has 10 classes, and small has 12: --set classes=10"),
        ({"classifier": "none"},
         "the output of small is 2 x 8 x 8, and a classifier of 10 classes is needed; end `classifier` with "
         "`linear: classes`"),
        ({"input": "[1, 9, 8]"},
         "image 0 of the train digits is 8x8 (height x width), and small needs 9x8: --set preprocess.resize=[9,8], or "
         "`preprocess: {resize: [9,8]}` in the spec"),
        ({"input": "[1, 7, 7]"},
         "image 0 of the train digits is 8x8 (height x width), and small needs 7x7: --set preprocess.resize=7, or "
         "`preprocess: {resize: 7}` in the spec"),
        ({"input": "[1, 9, 9]", "preprocess": "{crop: 9}"},
         "image 0 of the train digits is 8x8 (height x width), and small needs 9x9: --set preprocess.resize=9, or "
         "`preprocess: {resize: 9}` in the spec"),
    ],
)  # fmt: skip
def test_what_does_not_fit(changes: dict[str, str], message: str, digits: ImageSource) -> None:
    with pytest.raises(ProductError) as error:
        check_fits(for_digits(**changes), digits)
    assert str(error.value) == message


def test_a_network_without_classes(digits: ImageSource) -> None:
    headless = network("vggc: 1\nname: headless\ninput: [1, 8, 8]\nfeatures: [2]\nclassifier: none\n")
    with pytest.raises(ProductError, match="headless has no classes; add `classes: 10` and a classifier to train it"):
        check_fits(headless, digits)


def test_names_in_another_order_are_a_warning(digits: ImageSource) -> None:
    swapped = for_digits(classes='["1", "0", "2", "3", "4", "5", "6", "7", "8", "9"]')
    assert check_fits(swapped, digits) == (
        "small names the classes in another order: class 0 is '0' in digits and '1' in the spec; to take the names of "
        'the images: --set \'classes=["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]\'',
    )
    other = for_digits(classes="[a, b, c, d, e, f, g, h, i, j]")
    (warning,) = check_fits(other, digits)
    assert warning.startswith("small names the classes differently: class 0 is '0' in digits and 'a'")


def test_the_assignments_in_the_messages_work(digits: ImageSource) -> None:
    """What a message tells to type compiles and fits."""
    text = "vggc: 1\nname: s\ninput: [3, 8, 8]\nclasses: [x, y]\nfeatures: [2]\nclassifier: [{linear: classes}]\n"
    words = ["input=[1,8,8]", 'classes=["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]', "preprocess.resize=8"]
    fitted = compile_source(Text("s.yaml", text), [inherit.parse_assignment(each) for each in words])
    check_fits(fitted, digits)
    assert fitted.header.classes is not None
    assert fitted.header.classes.names == digits.classes


def test_a_mean_for_other_channels_is_part_of_the_way_out(digits: ImageSource) -> None:
    text = "vggc: 1\nname: s\ninput: [3, 8, 8]\nfeatures: [2]\nclassifier: none\npreprocess: {mean: [0, 0, 0]}\n"
    with pytest.raises(ProductError, match=r"input=\[1,8,8\], and the mean and std that `vggc stats --data digits`"):
        check_fits(compile_source(Text("s.yaml", text)), digits)
