"""One meaning of `preprocess`: in numpy for one image, in torch for batches; resizing as torch and Pillow do it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.networks import network
from tests.pictures import in_memory, noise
from vggc.base.errors import ProductError
from vggc.data.batches import Batches, BatchSettings
from vggc.data.images.preprocessing import preprocessed
from vggc.data.torch_preprocessing import plan_preprocessing
from vggc.recipe.recipe import Preprocess

SPEC = """\
vggc: 1
name: small
input: [{channels}, {input}]
classes: 5
features: [{{conv2d: {{out_channels: 2, kernel_size: 1}}}}, global_avg_pool2d]
classifier: [{{linear: classes}}]
preprocess: {preprocess}
"""

extents = st.tuples(st.integers(1, 40), st.integers(1, 40))


def in_torch(pixels: np.ndarray, spec: str) -> torch.Tensor:
    """Through the whole of Batches."""
    compiled = network(spec)
    ((inputs, _, _),) = Batches(in_memory(pixels[None]), torch.tensor([0]), compiled, BatchSettings(1))
    return inputs[0]


@pytest.mark.usefixtures("one_thread")
@given(extents, extents, st.integers(0, 5), st.sampled_from([1, 3]), st.booleans(), st.integers(0, 2**32 - 1))
def test_numpy_and_torch_agree(
    size: tuple[int, int], resize: tuple[int, int], cut: int, channels: int, normalize: bool, seed: int
) -> None:
    crop = max(1, resize[0] - cut), max(1, resize[1] - 2 * cut)
    steps: dict[str, object] = {"resize": list(resize), "crop": list(crop)}
    if normalize:
        steps |= {"mean": [0.4, 0.5, 0.6][:channels], "std": [0.2, 0.25, 0.3][:channels]}
    pixels = noise(*size, channels, seed=seed)
    text = SPEC.format(channels=channels, input=f"{crop[0]}, {crop[1]}", preprocess=steps)
    compiled = network(text)
    assert compiled.header.preprocess is not None
    found = preprocessed(pixels, compiled.header.preprocess, "x", "small", crop)
    assert found.dtype == np.float32
    assert found.shape == (channels, *crop)
    np.testing.assert_allclose(found, in_torch(pixels, text).numpy(), atol=2e-5)


@given(extents, extents, st.integers(0, 2**32 - 1))
def test_resizing_is_torchs_with_antialiasing_and_pillows_on_floats(
    size: tuple[int, int], resize: tuple[int, int], seed: int
) -> None:
    pixels = noise(*size, 3, seed=seed)
    found = preprocessed(pixels, Preprocess(resize=resize), "x", "small", (None, None))
    floats = torch.from_numpy(pixels).permute(2, 0, 1)[None].double()
    exact = torch.nn.functional.interpolate(floats, resize, mode="bilinear", antialias=True, align_corners=False)[0]
    np.testing.assert_allclose(found, exact.numpy() / 255, atol=1e-5)
    red = Image.fromarray(pixels[..., 0].astype(np.float32)).resize(resize[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(found[0], np.asarray(red) / np.float32(255))


def test_the_steps_by_hand() -> None:
    pixels = np.arange(4 * 5, dtype=np.uint8).reshape(4, 5, 1)
    steps = Preprocess(crop=(2, 2), mean=(0.5,), std=(0.25,))
    found = preprocessed(pixels, steps, "x", "small", (2, 2))
    # The centre of 4x5 begins at row 1 and, half a pixel left of the middle, at column 1.
    np.testing.assert_allclose(found, (np.array([[[6, 7], [11, 12]]]) / 255 - 0.5) / 0.25, rtol=1e-6)
    spec = SPEC.format(channels=1, input="2, 2", preprocess="{crop: 2, mean: [0.5], std: [0.25]}")
    np.testing.assert_allclose(found, in_torch(pixels, spec).numpy(), rtol=1e-6)


def test_without_steps_values_are_scaled_and_the_image_is_left_alone() -> None:
    pixels = noise(3, 4, 3)
    before = pixels.copy()
    found = preprocessed(pixels, Preprocess(), "x", "small", (None, None))
    np.testing.assert_array_equal(found, before.transpose(2, 0, 1) / np.float32(255))
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (Preprocess(), "photo is 6x8 (height x width), and small needs 4x4; resize the image, or export"),
        (Preprocess(crop=7), "photo is 6x8 (height x width), and small needs 7x7; resize the image, or export"),
        (Preprocess(resize=(5, 4)), "photo is 5x4 (height x width), and small needs 4x4"),
    ],
    ids=["size", "crop", "resize"],
)
def test_a_size_that_does_not_fit(steps: Preprocess, message: str) -> None:
    with pytest.raises(ProductError) as error:
        preprocessed(noise(6, 8, 3), steps, "photo", "small", (4, 4))
    assert str(error.value).startswith(message)


# --- when the steps are done makes no difference ---


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("sizes", [(8, 8), (30, 30)], ids=["enlarged", "reduced"])
def test_a_batch_is_its_images(sizes: tuple[int, int]) -> None:
    """Small images of one size are resized in batches, large ones when they are decoded."""
    compiled = network(SPEC.format(channels=3, input="8, 10", preprocess="{resize: [12, 10], crop: [8, 10]}"))
    pixels = noise(7, *sizes, 3)
    plan = plan_preprocessing(compiled, in_memory(pixels), torch.arange(7))
    assert plan.in_batch == (sizes == (8, 8))
    assert plan.image_bytes == (8 * 8 * 3 if sizes == (8, 8) else 8 * 10 * 3 * 4)
    ((inputs, _, _),) = Batches(in_memory(pixels), torch.arange(7), compiled, BatchSettings(7))
    assert compiled.header.preprocess is not None
    for image, one in zip(inputs, pixels, strict=True):
        expected = preprocessed(one, compiled.header.preprocess, "x", "small", (8, 10))
        np.testing.assert_allclose(image.numpy(), expected, atol=2e-5)
