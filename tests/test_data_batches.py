"""Batches: the same images whatever the batch size, memory and ranks; in a new order every epoch."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.networks import network
from tests.pictures import in_memory, noise
from vggc.base.errors import ProductError
from vggc.data.batches import Batches, BatchSettings
from vggc.data.dataset import Images
from vggc.data.images.decoding import Pixels
from vggc.data.stores import MAX_IN_MEMORY
from vggc.model import Network
from vggc.recipe.recipe import RandomCrop, RandomErasing, RandomHorizontalFlip

pytestmark = pytest.mark.usefixtures("one_thread")

AUGMENT = (RandomCrop(size=8, padding=1), RandomHorizontalFlip(), RandomErasing())


def small(preprocess: str = "{mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.4]}") -> Network:
    return network(
        "vggc: 1\nname: small\ninput: [3, 8, 8]\nclasses: 5\nfeatures: [2, global_avg_pool2d]\n"
        f"classifier: [{{linear: classes}}]\npreprocess: {preprocess}\n"
    )


class Mixed(Images):
    """Images of different sizes, decoded on demand."""

    def __init__(self, sizes: list[tuple[int, int]]) -> None:
        self.labels = torch.arange(len(sizes)) % 5
        self.sizes = sizes
        self.decoded = 0

    def pixels(self, index: int) -> Pixels:
        self.decoded += 1
        return noise(*self.sizes[index], 3, seed=index)

    def size(self, index: int) -> tuple[int, int]:
        return self.sizes[index]

    def place(self, index: int) -> str:
        return f"image {index}"


IMAGES = in_memory(noise(23, 8, 8, 3))
EVERY = torch.arange(23)
MIXED = Mixed([(9 + i, 20 - i) for i in range(10)])


def by_index(batches: Iterable[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> dict[int, torch.Tensor]:
    found: dict[int, torch.Tensor] = {}
    for inputs, labels, indices in batches:
        assert inputs.dtype == torch.float32
        assert labels.dtype == indices.dtype == torch.int64
        assert len(inputs) == len(labels) == len(indices)
        assert torch.equal(labels, indices % 5)
        for image, index in zip(inputs, indices.tolist(), strict=True):
            assert index not in found, "an image came twice"
            found[index] = image
    return found


def order(batches: Batches) -> list[int]:
    return [int(index) for _, _, indices in batches for index in indices]


def same(first: dict[int, torch.Tensor], second: dict[int, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[index], second[index]) for index in first)


# --- without anything random ---


def test_in_order_and_normalised() -> None:
    indices = torch.tensor([3, 1, 22, 7, 8])
    batches = Batches(IMAGES, indices, small(), BatchSettings(2))
    assert len(batches) == 3
    assert [len(labels) for _, labels, _ in batches] == [2, 2, 1]
    assert order(batches) == [3, 1, 22, 7, 8]
    mean, std = np.array([0.4, 0.5, 0.6], np.float32), np.array([0.2, 0.3, 0.4], np.float32)
    for index, image in by_index(batches).items():
        expected = (IMAGES.pixels(index) / np.float32(255) - mean) / std
        np.testing.assert_allclose(image.permute(1, 2, 0), expected, atol=1e-6)


def test_no_images_are_no_batches() -> None:
    batches = Batches(IMAGES, torch.tensor([], dtype=torch.int64), small(), BatchSettings(2))
    assert (len(batches), list(batches)) == (0, [])


def test_resizing_to_the_size_that_images_have_changes_nothing() -> None:
    resized, as_they_are = (
        Batches(IMAGES, EVERY, small(f"{{{steps}std: [0.2, 0.3, 0.4]}}"), BatchSettings(23))
        for steps in ("resize: 8, ", "")
    )
    assert same(by_index(resized), by_index(as_they_are))
    floats = torch.from_numpy(IMAGES.pixels(3)).permute(2, 0, 1)[None].float()
    assert torch.equal(torch.nn.functional.interpolate(floats, (8, 8), mode="bilinear", antialias=True), floats)


def test_images_of_all_sizes_are_resized() -> None:
    found = by_index(Batches(MIXED, torch.arange(10), small("{resize: [8, 8]}"), BatchSettings(4)))
    for index, image in found.items():
        floats = torch.from_numpy(MIXED.pixels(index)).permute(2, 0, 1)[None].float()
        expected = torch.nn.functional.interpolate(floats, (8, 8), mode="bilinear", antialias=True)[0] / 255
        assert torch.allclose(image, expected, atol=1e-6)


def test_images_of_all_sizes_are_cropped() -> None:
    found = by_index(Batches(MIXED, torch.arange(10), small("{crop: 8}"), BatchSettings(4)))
    for index, image in found.items():
        pixels = MIXED.pixels(index)
        top, left = (pixels.shape[0] - 8) // 2, (pixels.shape[1] - 8) // 2
        expected = torch.from_numpy(pixels[top : top + 8, left : left + 8]).permute(2, 0, 1) / 255
        assert torch.equal(image, expected)


# --- where the images are held makes no difference ---


@pytest.mark.parametrize(
    ("images", "preprocess"),
    [(IMAGES, "{mean: [0.4, 0.5, 0.6]}"), (IMAGES, "{resize: 10, crop: 8}"), (IMAGES, "{crop: 8}"),
     (MIXED, "{resize: 11, crop: 8, std: [0.2, 0.3, 0.4]}")],
    ids=["as they are", "enlarged", "cropped", "mixed"],
)  # fmt: skip
def test_streaming_gives_what_memory_gives(images: Images, preprocess: str) -> None:
    indices = torch.arange(1, len(images), 2)
    settings = BatchSettings(4, augment=AUGMENT, shuffle=True, seed=3)
    held, streamed = (
        Batches(images, indices, small(preprocess), replace(settings, in_memory=in_memory))
        for in_memory in (True, False)
    )
    assert (held.in_memory, streamed.in_memory) == (True, False)
    for epoch in range(2):
        held.set_epoch(epoch)
        streamed.set_epoch(epoch)
        assert order(held) == order(streamed)
        assert same(by_index(held), by_index(streamed))


def test_images_are_decoded_once_where_they_fit_into_memory() -> None:
    images = Mixed([(9, 9)] * 6)
    batches = Batches(images, torch.tensor([0, 2, 4]), small("{resize: 8}"), BatchSettings(2))
    assert images.decoded == 3
    assert len(list(batches)) == len(list(batches)) == 2
    assert images.decoded == 3
    assert batches.in_memory


def test_what_does_not_fit_into_memory_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_IN_MEMORY == 2 * 2**30
    for limit, held in ((23 * 8 * 8 * 3, True), (23 * 8 * 8 * 3 - 1, False)):
        monkeypatch.setattr("vggc.data.batches.MAX_IN_MEMORY", limit)
        assert Batches(IMAGES, EVERY, small(), BatchSettings(2)).in_memory is held


# --- randomness ---


def augmented(**options: object) -> Batches:
    defaults: dict[str, object] = {"batch_size": 5, "augment": AUGMENT, "shuffle": True, "seed": 11}
    return Batches(IMAGES, EVERY, small(), BatchSettings(**{**defaults, **options}))  # type: ignore[arg-type]


def test_the_batch_size_changes_no_image_and_no_order() -> None:
    first, second = augmented(batch_size=5), augmented(batch_size=23)
    for epoch in (0, 7):
        first.set_epoch(epoch)
        second.set_epoch(epoch)
        assert order(first) == order(second)
        assert same(by_index(first), by_index(second))


def test_the_other_images_change_nothing() -> None:
    """What happens to an image depends on its index, not on which others are trained on."""
    some = Batches(IMAGES, EVERY[::3], small(), BatchSettings(2, augment=AUGMENT, shuffle=True, seed=11))
    every = by_index(augmented())
    for index, image in by_index(some).items():
        assert torch.equal(image, every[index])
    ranks = {index: rank for rank, index in enumerate(order(augmented()))}
    assert order(some) == sorted(order(some), key=ranks.__getitem__)


def test_an_epoch_is_itself_again_and_unlike_the_others() -> None:
    batches = augmented()
    assert order(batches) == order(batches)
    orders, images = [], []
    for epoch in (0, 1, 0):
        batches.set_epoch(epoch)
        orders.append(order(batches))
        images.append(by_index(batches))
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[1]) == list(range(23))
    assert same(images[0], images[2])
    changed = sum(not torch.equal(images[0][index], images[1][index]) for index in range(23))
    assert changed > 18


def test_the_seed_decides() -> None:
    first, second = augmented(seed=11), augmented(seed=12)
    assert order(first) != order(second)
    assert not same(by_index(first), by_index(second))


def test_the_order_is_the_same_on_every_machine() -> None:
    """A change here would make every run so far impossible to repeat."""
    batches = Batches(IMAGES, torch.arange(10), small(), BatchSettings(10, shuffle=True, seed=1))
    batches.set_epoch(2)
    assert order(batches) == [5, 6, 9, 3, 2, 1, 0, 8, 4, 7]


def test_validation_is_neither_shuffled_nor_changed_by_the_epoch() -> None:
    batches = Batches(IMAGES, EVERY, small(), BatchSettings(5))
    first = by_index(batches)
    batches.set_epoch(3)
    assert order(batches) == list(range(23))
    assert same(first, by_index(batches))


def test_erased_is_zero_after_normalising_and_padding_is_black() -> None:
    white = in_memory(np.full((4, 8, 8, 3), 255, np.uint8))
    crop = RandomCrop(size=8, padding=8)
    white_is, black_is = (1 - 0.4) / 0.2, (0 - 0.4) / 0.2
    ((inputs, _, _),) = Batches(white, torch.arange(4), small(), BatchSettings(4, augment=(crop,)))
    assert set(np.round(inputs[:, 0].unique().tolist(), 4)) == {round(white_is, 4), round(black_is, 4)}
    for changes in ((RandomErasing(p=1.0),), (RandomErasing(p=1.0), RandomHorizontalFlip(p=1.0))):
        ((inputs, _, _),) = Batches(white, torch.arange(4), small(), BatchSettings(4, augment=changes))
        assert set(np.round(inputs[:, 0].unique().tolist(), 4)) == {round(white_is, 4), 0.0}


def test_a_random_crop_takes_the_place_of_the_centre_crop() -> None:
    """Resize 10, then any 8x8 for training and the centre 8x8 for testing."""
    compiled = small("{resize: 10, crop: 8}")
    ((test, _, _),) = Batches(IMAGES, EVERY[:1], compiled, BatchSettings(1))
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(IMAGES.pixels(0)).permute(2, 0, 1)[None].float(), (10, 10), mode="bilinear", antialias=True
    )
    windows = (resized / 255).unfold(2, 8, 1).unfold(3, 8, 1)[0]
    assert torch.equal(test[0], windows[:, 1, 1])
    batches = Batches(IMAGES, EVERY[:1], compiled, BatchSettings(1, augment=(RandomCrop(size=8),)))
    places = set()
    for epoch in range(60):
        batches.set_epoch(epoch)
        ((inputs, _, _),) = batches
        places |= {(i, j) for i in range(3) for j in range(3) if torch.equal(inputs[0], windows[:, i, j])}
    assert places == {(i, j) for i in range(3) for j in range(3)}


def test_a_random_crop_of_images_that_are_larger_than_the_input() -> None:
    large = in_memory(noise(3, 12, 11, 3))
    crop = RandomCrop(size=8)
    found = by_index(Batches(large, torch.arange(3), small("{crop: 8}"), BatchSettings(3, augment=(crop,))))
    for index, image in found.items():
        windows = torch.from_numpy(large.pixels(index)).permute(2, 0, 1).div(255).unfold(1, 8, 1).unfold(2, 8, 1)
        assert any(torch.equal(image, windows[:, i, j]) for i in range(5) for j in range(4))


# --- several processes ---


@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize("shuffle", [True, False], ids=["training", "evaluation"])
def test_the_ranks_share_what_one_process_sees(world_size: int, shuffle: bool) -> None:
    options = {"batch_size": 6, "shuffle": shuffle, "augment": AUGMENT if shuffle else ()}
    alone = augmented(**options)
    ranks = [augmented(rank=rank, world_size=world_size, **options) for rank in range(world_size)]
    for batch, (inputs, _, indices) in enumerate(alone):
        shares = [list(rank)[batch] for rank in ranks if batch < len(rank)]
        for rank, share in enumerate(shares):
            assert torch.equal(share[2], indices[rank::world_size])
            assert torch.equal(share[0], inputs[rank::world_size])
    assert [len(list(rank)) for rank in ranks] == [len(rank) for rank in ranks]


def test_no_rank_is_left_without_images_in_training() -> None:
    """23 images in batches of 11 leave 1, which two processes cannot share and batch norm cannot work with."""
    ranks = [augmented(batch_size=11, rank=rank, world_size=2) for rank in (0, 1)]
    assert [len(rank) for rank in ranks] == [2, 2]
    assert [len(labels) for _, labels, _ in ranks[1]] == [5, 5]
    assert len(augmented(batch_size=11)) == 2
    assert len(augmented(batch_size=7)) == 4  # 23 = 3 * 7 + 2


def test_in_evaluation_every_image_comes_once() -> None:
    ranks = [augmented(batch_size=11, rank=rank, world_size=2, shuffle=False, augment=()) for rank in (0, 1)]
    assert [len(rank) for rank in ranks] == [3, 2]
    assert sorted(order(ranks[0]) + order(ranks[1])) == list(range(23))


# --- what does not work is said before the first step ---


def test_a_size_that_nothing_makes_fit_is_named() -> None:
    advice = r"--set preprocess.resize=8, or `preprocess: \{resize: 8\}` in the spec"
    with pytest.raises(ProductError, match=rf"image 0 is 9x20 \(height x width\), and small needs 8x8: {advice}"):
        Batches(MIXED, torch.arange(10), small(), BatchSettings(2))
    late = Mixed([(8, 8)] * 4 + [(8, 7)])
    with pytest.raises(ProductError, match=r"image 4 is 8x7 .* and small needs 8x8"):
        Batches(late, torch.arange(5), small(), BatchSettings(2))
    with pytest.raises(ProductError, match=r"image 4 is 8x7 .* and small needs 8x8"):
        Batches(late, torch.arange(5), small("{crop: 8}"), BatchSettings(2))
    with pytest.raises(ProductError, match=r"image 4 is 8x7 .* and small needs 8x8"):
        Batches(late, torch.arange(5), small(), BatchSettings(2, augment=(RandomCrop(size=8, padding=1),)))


def test_an_image_that_does_not_fit_is_named_while_streaming() -> None:
    late = Mixed([(8, 8)] * 4 + [(8, 7)])
    batches = Batches(late, torch.arange(5), small(), BatchSettings(2, in_memory=False))
    with pytest.raises(ProductError) as error:
        list(batches)
    assert str(error.value).startswith("image 4 is 8x7 (height x width), and small needs 8x8: --set")


def test_a_crop_of_the_wrong_size() -> None:
    with pytest.raises(ProductError, match=r"`augment` gives images of 6x6, .* write `random_crop: 8`"):
        Batches(IMAGES, EVERY, small(), BatchSettings(2, augment=(RandomCrop(size=6),)))


def test_a_batch_that_cannot_be_shared() -> None:
    with pytest.raises(ProductError, match="a batch of 2 cannot be shared by 3 processes"):
        augmented(batch_size=2, world_size=3)


def test_images_that_are_too_few_to_be_shared() -> None:
    """A process without any would leave the others waiting for its gradients."""
    with pytest.raises(ProductError, match="3 training images cannot be shared by 2 processes"):
        Batches(IMAGES, EVERY[:3], small(), BatchSettings(4, shuffle=True, world_size=2))


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    Batches(MIXED, torch.arange(10), small("{resize: 8}"), BatchSettings(2), progress=lambda *call: told.append(call))
    assert told[-1] == ("decoding images", 10, 10)
