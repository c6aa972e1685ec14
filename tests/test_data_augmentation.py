"""Augmentation of whole batches: against one sample at a time by slicing, and its statistics."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vggc.base.errors import ProductError
from vggc.data.augmentation import (
    ERASED_AREA,
    ERASED_RATIO,
    Augmentation,
    Canvas,
    check_sizes,
    random_crop,
    random_erasing,
    random_horizontal_flip,
    random_numbers,
)
from vggc.recipe.recipe import RandomCrop, RandomErasing, RandomHorizontalFlip

pytestmark = pytest.mark.usefixtures("one_thread")


def batch(samples: int, height: int, width: int, channels: int = 3) -> torch.Tensor:
    """Every value of every image is another one."""
    count = samples * channels * height * width
    return torch.arange(1, count + 1, dtype=torch.float32).view(samples, channels, height, width)


# --- one sample at a time ---


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(0, 3), st.integers(0, 4), st.integers(0, 4),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_a_crop_is_a_slice_of_the_padded_image(
    height: int, width: int, padding: int, less_height: int, less_width: int, seed: int
) -> None:
    crop = RandomCrop(
        size=(max(1, height + 2 * padding - less_height), max(1, width + 2 * padding - less_width)), padding=padding
    )
    images, u = batch(5, height, width), random_numbers(seed, 0, 1, 5, 2)
    found = random_crop(crop, Canvas(images), u).pixels
    for image, result, (down, right) in zip(images.numpy(), found.numpy(), u.tolist(), strict=True):
        padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
        top = int(down * (padded.shape[1] - crop.size[0] + 1))
        left = int(right * (padded.shape[2] - crop.size[1] + 1))
        np.testing.assert_array_equal(result, padded[:, top : top + crop.size[0], left : left + crop.size[1]])


def test_a_flip_mirrors_those_below_p() -> None:
    images = batch(4, 3, 5)
    u = torch.tensor([[0.0], [0.299], [0.3], [0.99]], dtype=torch.float64)
    found = random_horizontal_flip(RandomHorizontalFlip(p=0.3), Canvas(images), u).pixels
    for index, mirrored in enumerate([True, True, False, False]):
        expected = np.fliplr(images[index].numpy().transpose(1, 2, 0)).transpose(2, 0, 1) if mirrored else images[index]
        np.testing.assert_array_equal(found[index], expected)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_what_is_erased_is_one_rectangle_inside_the_image(height: int, width: int, seed: int) -> None:
    canvas = random_erasing(RandomErasing(p=1.0), Canvas(batch(8, height, width)), random_numbers(seed, 0, 1, 8, 5))
    assert torch.equal(canvas.pixels, batch(8, height, width))
    assert canvas.erased is not None
    assert canvas.erased.shape == (8, 1, height, width)
    for erased in canvas.erased[:, 0].numpy():
        rows, columns = np.flatnonzero(erased.any(1)), np.flatnonzero(erased.any(0))
        assert len(rows)
        assert erased.sum() == len(rows) * len(columns)
        assert erased[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()


def test_crops_and_flips_move_what_was_erased() -> None:
    erased = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    erased[..., 1, 0] = True
    canvas = Canvas(batch(1, 4, 4), erased)
    mirrored = random_horizontal_flip(RandomHorizontalFlip(p=1.0), canvas, torch.zeros(1, 1, dtype=torch.float64))
    assert mirrored.erased is not None
    assert mirrored.erased.nonzero().tolist() == [[0, 0, 1, 3]]
    padded = random_crop(RandomCrop(size=6, padding=1), canvas, torch.zeros(1, 2, dtype=torch.float64))
    assert padded.erased is not None
    assert padded.erased.nonzero().tolist() == [[0, 0, 2, 1]]
    both = random_erasing(RandomErasing(p=0.0), canvas, torch.zeros(1, 5, dtype=torch.float64))
    assert both.erased is not None
    assert torch.equal(both.erased, erased)


# --- statistics ---

SAMPLES = 20_000


def drawn(columns: int) -> torch.Tensor:
    return random_numbers(7, 3, 1, SAMPLES, columns)


def is_uniform(counts: np.ndarray) -> bool:
    """Pearson's chi-squared below its 99.99 % quantile, by Wilson and Hilferty's formula."""
    expected, freedom = counts.sum() / len(counts), len(counts) - 1
    quantile = freedom * (1 - 2 / (9 * freedom) + 3.719 * (2 / (9 * freedom)) ** 0.5) ** 3
    return bool(((counts - expected) ** 2 / expected).sum() < quantile)


def test_every_place_of_a_crop_is_as_likely() -> None:
    images = torch.arange(5 * 7).view(1, 1, 5, 7).expand(SAMPLES, 1, 5, 7)
    corners = random_crop(RandomCrop(size=(3, 4)), Canvas(images), drawn(2)).pixels[:, 0, 0, 0]
    places, counts = np.unique(corners.numpy(), return_counts=True)
    assert places.tolist() == [7 * top + left for top in range(3) for left in range(4)]
    assert is_uniform(counts)


@pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
def test_as_many_are_flipped_as_asked(p: float) -> None:
    images = torch.tensor([0, 1]).view(1, 1, 1, 2).expand(SAMPLES, 1, 1, 2)
    flipped = random_horizontal_flip(RandomHorizontalFlip(p=p), Canvas(images), drawn(1)).pixels[:, 0, 0, 0]
    assert abs(flipped.double().mean().item() - p) <= 4 * (p * (1 - p) / SAMPLES) ** 0.5


def rectangles(p: float, extent: int) -> Iterator[tuple[int, int, int, int]]:
    """Top, left, height and width of everything erased."""
    canvas = random_erasing(RandomErasing(p=p), Canvas(torch.zeros(SAMPLES, 1, extent, extent)), drawn(5))
    assert canvas.erased is not None
    for erased in canvas.erased[:, 0].numpy():
        rows, columns = np.flatnonzero(erased.any(1)), np.flatnonzero(erased.any(0))
        if len(rows):
            yield rows[0], columns[0], len(rows), len(columns)


def test_erased_rectangles_have_the_area_and_ratio_of_the_paper() -> None:
    found = np.array(list(rectangles(0.5, 64)))
    assert abs(len(found) / SAMPLES - 0.5) < 4 * 0.5 / SAMPLES**0.5
    area, ratio = found[:, 2] * found[:, 3] / 64**2, found[:, 2] / found[:, 3]
    # Sides are rounded to whole pixels: of an area of 82 pixels, a side of 5 may be half a pixel off.
    assert ERASED_AREA[0] * 0.9 < area.min() < 0.03
    assert 0.32 < area.max() < ERASED_AREA[1] * 1.05
    assert abs(area.mean() - sum(ERASED_AREA) / 2) < 0.004
    assert ERASED_RATIO[0] * 0.85 < ratio.min()
    assert ratio.max() < ERASED_RATIO[1] * 1.15
    assert abs(np.log(ratio).mean()) < 0.02  # as often high as wide: 0.3 and 3.3 are nearly each other's inverse


def test_in_a_wide_image_rectangles_keep_their_area_by_being_wide() -> None:
    canvas = random_erasing(RandomErasing(p=1.0), Canvas(torch.zeros(SAMPLES, 1, 16, 256)), drawn(5))
    assert canvas.erased is not None
    area = canvas.erased.double().mean((1, 2, 3)).numpy()
    assert abs(area.mean() - sum(ERASED_AREA) / 2) < 0.004
    height, width = canvas.erased.any(3).sum(2)[:, 0], canvas.erased.any(2).sum(2)[:, 0]
    assert (height / width)[height < 16].min() > ERASED_RATIO[0] * 0.85
    assert width.max() == 84  # a third of 16x256 pixels, at full height


def test_erased_rectangles_lie_anywhere() -> None:
    """Given its height, every top of a rectangle that fits is as likely."""
    found = np.array(list(rectangles(1.0, 16)))
    for side, start in ((2, 0), (3, 1)):
        length = np.bincount(found[:, side]).argmax()
        starts = found[found[:, side] == length, start]
        assert is_uniform(np.bincount(starts, minlength=16 - length + 1))


# --- what the numbers depend on ---


def test_numbers_are_functions_of_seed_epoch_and_stream() -> None:
    drawn = {(seed, epoch, stream): random_numbers(seed, epoch, stream, 4, 2) for seed in (0, 1) for epoch in (0, 1)
             for stream in (0, 1)}  # fmt: skip
    assert torch.equal(random_numbers(1, 0, 1, 4, 2), drawn[1, 0, 1])
    assert len({tuple(each.flatten().tolist()) for each in drawn.values()}) == 8


def test_the_first_change_does_not_know_the_order() -> None:
    """The numbers of the order are not used again."""
    augmentation = Augmentation((RandomHorizontalFlip(),), seed=5, samples=SAMPLES)
    augmentation.set_epoch(0)
    pair = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(SAMPLES, 1, 1, 2)
    flipped = augmentation(pair, torch.arange(SAMPLES)).pixels[:, 0, 0, 0]
    keys = random_numbers(5, 0, 0, SAMPLES, 1)[:, 0]
    assert abs(torch.corrcoef(torch.stack([flipped.double(), keys]))[0, 1]) < 4 / SAMPLES**0.5


def test_one_change_more_leaves_those_before_it_alone() -> None:
    images, indices = batch(6, 8, 8), torch.tensor([4, 0, 9, 2, 1, 7])
    crop = RandomCrop(size=8, padding=2)
    results = []
    for changes in ((crop,), (crop, RandomErasing(p=1.0))):
        augmentation = Augmentation(changes, seed=5, samples=10)
        augmentation.set_epoch(3)
        results.append(augmentation(images, indices).pixels)
    assert torch.equal(*results)


# --- sizes ---


def test_sizes_are_followed_before_the_first_step() -> None:
    check_sizes(
        (RandomCrop(size=(40, 30)), RandomHorizontalFlip(), RandomCrop(size=32, padding=1)), (40, 40), "n", (32, 32)
    )
    check_sizes((), (32, 32), "n", (32, 32))
    with pytest.raises(ProductError, match="a crop of 40x40 does not fit into images of 32x32 with padding 3; add"):
        check_sizes((RandomCrop(size=40, padding=3),), (32, 32), "n", (40, 40))
    with pytest.raises(ProductError) as error:
        check_sizes((RandomCrop(size=28),), (32, 32), "n", (32, 32))
    assert str(error.value) == ("`augment` gives images of 28x28, and the input of n is 32x32; write `random_crop: 32`")
