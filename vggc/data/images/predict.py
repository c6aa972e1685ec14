"""`vggc predict`: a classifier in an ONNX file, with what the file itself says of preprocessing and classes.

It needs onnxruntime, numpy and Pillow; neither torch nor onnx.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vggc.base.errors import ProductError
from vggc.base.words import compact
from vggc.data.images.decoding import Pixels, coloured
from vggc.data.images.preprocessing import check_size, preprocessed
from vggc.recipe.recipe import Preprocess

if TYPE_CHECKING:
    import onnxruntime

MAX_BATCH: Final = 32
_OUTPUTS: Final = ("probabilities", "logits")
_TYPES: Final = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Candidate:
    """A class that an image may be of; the name is the index where the file names no classes."""

    index: int
    name: str
    probability: float


@dataclass(frozen=True)
class Form:
    """What an input wants: a batch of at most `batch`, exactly that where `frozen`, and sizes where they are fixed.

    `raw` means uint8 images (H, W, C) as they were decoded, for a file that preprocesses for itself.
    """

    name: str
    raw: bool
    batch: int
    frozen: bool
    channels: int
    height: int | None
    width: int | None


class Classifier:
    """An ONNX file as a function from images to the probabilities of the classes."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            ProductError: it cannot be opened, or is no classifier of images.
        """
        self._name = path.name
        self._session = _opened(path)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.form = _form(self._session, self._name)
        self.preprocess = _steps(metadata.get("vggc.preprocess"), self.form.channels, self._name)
        self._output, count = _output(self._session, self._name)
        self.classes = _classes(metadata.get("vggc.classes"), count, self._name)

    def predict(self, images: Iterable[tuple[str, Pixels]], top: int) -> Iterator[tuple[str, list[Candidate]]]:
        """The likeliest classes of each image, likeliest first; images are taken a batch at a time.

        Raises:
            ProductError: an image has a size or a number of channels that the file does not take.
        """
        inputs = ((place, self._input(place, pixels)) for place, pixels in images)
        for _, alike in groupby(inputs, lambda each: each[1].shape):
            while batch := list(islice(alike, self.form.batch)):
                probabilities = self._run(np.stack([x for _, x in batch]))
                for (place, _), row in zip(batch, probabilities, strict=True):
                    yield place, self._top(row, top)

    def _input(self, place: str, pixels: Pixels) -> Array:
        if pixels.shape[2] != self.form.channels:
            raise ProductError(
                f"{place} is {coloured(pixels.shape[2])}, and the images that {self._name} takes are "
                f"{coloured(self.form.channels)}; convert it first"
            )
        wanted = self.form.height, self.form.width
        if not self.form.raw:
            return preprocessed(pixels, self.preprocess or Preprocess(), place, self._name, wanted)
        check_size(pixels, place, self._name, wanted)
        return pixels

    def _run(self, batch: Array) -> Array:
        count = len(batch)
        if self.form.frozen and count < self.form.batch:
            batch = np.concatenate([batch, np.repeat(batch[-1:], self.form.batch - count, axis=0)])
        try:
            (output,) = self._session.run([self._output], {self.form.name: batch})
        except _errors() as error:
            reason = str(error).splitlines()[0]
            raise ProductError(
                f"{self._name} does not work for an input of {compact(batch.shape[1:])}: {reason}"
            ) from error
        scores = output[:count].astype(np.float64)
        # A map of scores, of linear layers that became convolutions, is averaged as in the VGG paper, section 3.2.
        return _probabilities(scores.mean(axis=(2, 3)) if scores.ndim == 4 else scores)

    def _top(self, row: Array, top: int) -> list[Candidate]:
        likeliest = np.argsort(-row, kind="stable")[:top]
        return [Candidate(int(i), self.classes[i] if self.classes else str(i), float(row[i])) for i in likeliest]


def _errors() -> tuple[type[Exception], ...]:
    """What onnxruntime raises for files and inputs that it cannot run."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile,
            state.NotImplemented, state.RuntimeException)  # fmt: skip


def _opened(path: Path) -> "onnxruntime.InferenceSession":
    import onnxruntime

    if path.is_dir():
        raise ProductError(f"{path} is a folder; name an ONNX file, such as {path / 'NAME.onnx'}")
    if not path.is_file():
        raise ProductError(f"there is no file {path}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except _errors() as error:
        raise ProductError(f"{path} cannot be run by onnxruntime: {str(error).splitlines()[0]}") from error


def _form(session: "onnxruntime.InferenceSession", name: str) -> Form:
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in _TYPES:
        found = ", ".join(f"{each.name} {each.type}{list(each.shape)}" for each in inputs)
        raise ProductError(f"not supported: {name} takes {found}; predict needs one batch of images, float32 or uint8")
    raw = inputs[0].type == "tensor(uint8)"
    batch, *sizes = (size if isinstance(size, int) else None for size in inputs[0].shape)
    height, width, channels = sizes if raw else (*sizes[1:], sizes[0])
    if channels is None:
        raise ProductError(f"not supported: {name} does not say how many channels its input has")
    return Form(inputs[0].name, raw, batch or MAX_BATCH, batch is not None, channels, height, width)


def _output(session: "onnxruntime.InferenceSession", name: str) -> tuple[str, int | None]:
    """The output that holds the scores of the classes, and how many there are where the file says it."""
    outputs = {each.name: each for each in session.get_outputs()}
    chosen = next((outputs[each] for each in _OUTPUTS if each in outputs), None)
    chosen = chosen or (next(iter(outputs.values())) if len(outputs) == 1 else None)
    if chosen is None or not (len(chosen.shape) == 2 or (len(chosen.shape) == 4 and chosen.name in _OUTPUTS)):
        found = ", ".join(f"{each.name} {list(each.shape)}" for each in outputs.values())
        raise ProductError(f"{name} is no classifier: its output is {found} instead of [batch, classes]")
    return chosen.name, chosen.shape[1] if isinstance(chosen.shape[1], int) else None


def _steps(text: str | None, channels: int, name: str) -> Preprocess | None:
    """The preprocessing in the metadata; it is held against the schema, for anybody may have written the file."""
    if text is None:
        return None
    from jsonschema import Draft202012Validator

    from vggc.frontend.schema.from_fields import record_schema

    found = _json(text, "vggc.preprocess", name)
    if not Draft202012Validator(record_schema(Preprocess, "key of preprocess")).is_valid(found):
        raise ProductError(f"{name}: the metadata `vggc.preprocess` says no preprocessing: {text[:80]}")
    steps = Preprocess(**{key: tuple(value) if isinstance(value, list) else value for key, value in found.items()})
    if any(values is not None and len(values) != channels for values in (steps.mean, steps.std)):
        raise ProductError(f"{name}: mean and std in `vggc.preprocess` are not for {channels} channels: {text[:80]}")
    return steps


def _classes(text: str | None, count: int | None, name: str) -> tuple[str, ...] | None:
    if text is None:
        return None
    found = _json(text, "vggc.classes", name)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ProductError(f"{name}: the metadata `vggc.classes` is no list of names: {text[:80]}")
    if count not in (None, len(found)):
        raise ProductError(f"{name} is no classifier: it has {count} outputs, and names {len(found)} classes")
    return tuple(found)


def _json(text: str, key: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ProductError(f"{name}: the metadata `{key}` is no JSON: {error}") from error


def _probabilities(scores: Array) -> Array:
    """Softmax of each row (B, classes), unless the rows are probabilities already."""
    if scores.min(initial=0) >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-4):
        return scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    normalized: Array = powers / powers.sum(axis=1, keepdims=True)
    return normalized
