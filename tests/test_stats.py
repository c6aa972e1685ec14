"""`vggc stats`: exact figures, against definitions in integers and numpy's in float64."""

from collections import Counter
from fractions import Fraction
from math import isqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.networks import SMALL, network
from tests.pictures import in_memory, noise, save
from vggc import cli
from vggc.cli.exits import Exit
from vggc.data.dataset import Images, ImageSource, SplitName
from vggc.data.source_formats import open_source
from vggc.data.statistics import ChannelSums, measure


class MadeUp(ImageSource):
    """The same images in both splits."""

    prefix = "made up"

    def __init__(self, images: Images, channels: int = 3) -> None:
        super().__init__("made up", "")
        self.classes, self.channels = ("ant", "bee", "cow", "dog", "eel"), channels
        self._images = images

    def read(self, split: SplitName) -> Images:
        return self._images


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_sums_are_exact(height: int, width: int, count: int, seed: int) -> None:
    pixels = noise(count, height, width, 3, seed=seed)
    found = measure(MadeUp(in_memory(pixels)))
    values = pixels.reshape(-1, 3).astype(object)
    assert found.sums == ChannelSums(len(values), [*values.sum(0)], [*(values**2).sum(0)])
    flat = pixels.reshape(-1, 3) / 255
    np.testing.assert_allclose(found.sums.mean, flat.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.sums.std, flat.std(0), rtol=1e-9, atol=1e-12)


def test_nothing_is_lost_however_many_pixels_there_are() -> None:
    """Ten billion pixels, one of which is not 255: float64 sums of squares lose the variance altogether."""
    count = 10**10
    sums = ChannelSums(count, [255 * (count - 1) + 254], [255**2 * (count - 1) + 254**2])
    variance = Fraction(sums.squares[0], count) - Fraction(sums.total[0], count) ** 2
    exact = isqrt(int(variance * 10**40)) / 10**20 / 255
    assert sums.std[0] == pytest.approx(exact, rel=1e-12)
    assert exact > 3e-8


def test_a_constant_channel_has_no_spread() -> None:
    image = torch.full((1, 5, 5), 77, dtype=torch.uint8)
    assert ChannelSums.of(image).std == (0.0,)


def test_all_pixels_count_the_same_whatever_the_size_of_their_image(tmp_path: Path) -> None:
    """The standard deviation of all pixels, and neither a mean of deviations nor of images."""
    flat = []
    for i, size in enumerate([(3, 4), (9, 2), (7, 7), (30, 20), (1, 1)]):
        pixels = noise(*size, 3, seed=i) // (i + 1)
        save(tmp_path / "train" / "ant" / f"{i}.png", pixels)
        flat.append(pixels.reshape(-1, 3) / 255)
    save(tmp_path / "test" / "ant" / "x.png", noise(50, 50, 3))
    found = measure(open_source(f"folder:{tmp_path}"))
    np.testing.assert_allclose(found.sums.mean, np.concatenate(flat).mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.sums.std, np.concatenate(flat).std(0), rtol=1e-9)
    assert found.sizes == Counter({(3, 4): 1, (9, 2): 1, (7, 7): 1, (30, 20): 1, (1, 1): 1})
    assert (found.images, found.per_class) == (5, (5,))


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("size", [(18, 18), (50, 60)], ids=["enlarged", "reduced"])
def test_after_the_resizing_and_cropping_of_a_spec(size: tuple[int, int]) -> None:
    pixels = noise(3, *size, 3)
    found = measure(MadeUp(in_memory(pixels)), network=network(SMALL))
    floats = torch.from_numpy(pixels).permute(0, 3, 1, 2).double()
    resized = torch.nn.functional.interpolate(floats, (20, 20), mode="bilinear", antialias=True)
    cropped = resized[..., 2:18, 2:18].transpose(0, 1).reshape(3, -1).numpy() / 255
    np.testing.assert_allclose(found.sums.mean, cropped.mean(1), rtol=1e-6)
    np.testing.assert_allclose(found.sums.std, cropped.std(1), rtol=1e-6)
    assert found.sizes == Counter({size: 3})


def test_a_crop_alone_stays_in_integers() -> None:
    cropping = network(SMALL.replace("resize: 20, ", ""))
    pixels = noise(3, 17, 19, 3)
    found = measure(MadeUp(in_memory(pixels)), network=cropping)
    values = pixels[:, 0:16, 1:17].reshape(-1, 3).astype(object)
    assert found.sums == ChannelSums(len(values), [*values.sum(0)], [*(values**2).sum(0)])


# --- the command ---


def run(*arguments: str) -> int:
    try:
        cli.main(["stats", *arguments])
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code
    return 0


def test_the_whole_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    # A half of the red values is 255, a half of the green ones 51, a quarter of the blue ones 255.
    pixels = np.array([[[0, 0, 0], [255, 51, 0]], [[255, 0, 255], [0, 51, 0]]], np.uint8)
    for i in range(6):
        save(Path("photos/ant") / f"{i}.png", pixels)
    save(Path("photos/beetle/0.png"), np.concatenate([pixels, pixels]))
    assert run("--data", "folder:photos") == Exit.FINE
    assert capsys.readouterr().out == (
        "folder:photos: 6 images in the split train\n"
        "folder:photos has no test split: 20 % of each class are held out for it, the same ones every time\n"
        "\n"
        "2x2 (height x width): 5\n"
        "4x2 (height x width): 1\n"
        "\n"
        "ant     5\n"
        "beetle  1\n"
        "\n"
        "channel    mean     std\n"
        "red      0.5000  0.5000\n"
        "green    0.1000  0.1000\n"
        "blue     0.2500  0.4330\n"
        "\n"
        "preprocess: {mean: [0.5000, 0.1000, 0.2500], std: [0.5000, 0.1000, 0.4330]}\n"
    )


def test_digits_are_the_default_and_the_stock_spec_has_their_figures(capsys: pytest.CaptureFixture[str]) -> None:
    """Against numpy on scikit-learn's own images."""
    assert run() == Exit.FINE
    out = capsys.readouterr().out
    assert out.startswith("digits: 1,438 images in the split train\n\n8x8 (height x width): 1,438\n\n0  142\n")
    pasted = out.splitlines()[-1]
    images = open_source("digits").images("train")
    pixels = np.stack([images.pixels(i) for i in range(len(images))]) / 255
    assert pasted == f"preprocess: {{mean: [{pixels.mean():.4f}], std: [{pixels.std():.4f}]}}"
    assert run("vgg11_digits", "--split", "test") == Exit.FINE
    out = capsys.readouterr().out
    assert out.startswith("digits: 359 images in the split test, resized and cropped for vgg11_digits\n")
    assert "preprocess: {resize: 32, mean: [" in out


def test_what_is_pasted_compiles(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("vgg11_digits") == Exit.FINE
    pasted = capsys.readouterr().out.splitlines()[-1]
    text = "vggc: 1\nname: x\ninput: [1, 32, 32]\nclasses: 10\nfeatures: [2]\nclassifier: [{linear: classes}]\n"
    steps = network(text + pasted).header.preprocess
    assert steps is not None
    assert (steps.resize, steps.crop) == (32, None)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("vgg16",), Exit.FAILED, "the images of digits are grey (1 channel), and the input of vgg16 is RGB"),
        (("--set", "input=[1,8,8]"), Exit.USAGE, "--set changes a spec, and none is named"),
        (("--split", "validation"), Exit.USAGE, "'validation' is not one of"),
        (("--data", "folder:nowhere"), Exit.FAILED, "error: folder:nowhere: there is no folder nowhere"),
        (("--data", "nonsense"), Exit.FAILED, "there are digits, cifar10, parquet, folder"),
    ],
)
def test_what_goes_wrong(
    arguments: tuple[str, ...], code: Exit, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == code
    assert message in capsys.readouterr().err


def test_a_constant_channel_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("ant", "bee"):
        save(tmp_path / name / "1.png", np.zeros((4, 4, 1), np.uint8))
    assert run("--data", f"folder:{tmp_path}") == Exit.FINE
    assert capsys.readouterr().out.endswith("a channel hardly varies: there is no standard deviation to divide by\n")


def test_a_split_without_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("ant", "bee"):
        save(tmp_path / name / "1.png", noise(4, 4, 1))
    assert run("--data", f"folder:{tmp_path}", "--split", "test") == Exit.FAILED
    assert capsys.readouterr().err == f"error: folder:{tmp_path} has no images in the split test\n"


def test_the_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "photos" / "ant" / "1.png", noise(4, 4, 1))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run("--data", "folder:~/photos") == Exit.FINE


def test_many_classes_are_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(21):
        for copy in range(1 + (i == 7)):
            save(tmp_path / "train" / f"class{i:02}" / f"{copy}.png", noise(2, 2, 3, seed=i))
    save(tmp_path / "test" / "class00" / "0.png", noise(2, 2, 3))
    assert run("--data", f"folder:{tmp_path}") == Exit.FINE
    assert "\n21 classes, from 1 (class00) to 2 (class07)\n" in capsys.readouterr().out


def test_many_sizes_are_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(21):
        save(tmp_path / "train" / "ant" / f"{i:02}.png", noise(5 + i, 40 - i, 3))
    save(tmp_path / "test" / "ant" / "0.png", noise(2, 2, 3))
    assert run("--data", f"folder:{tmp_path}") == Exit.FINE
    assert "\n21 sizes: height 5 to 25, width 20 to 40\n" in capsys.readouterr().out
