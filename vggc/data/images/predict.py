"""`vggc predict`: a classifier in an ONNX file, with the preprocessing and classes that are written in the file itself.

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
from vggc.data.images.decoding import Pixels, colours
from vggc.data.images.preprocessing import check_size, preprocessed
from vggc.recipe.recipe import Preprocess

if TYPE_CHECKING:
    import onnxruntime

MAX_BATCH: Final = 32
_OUTPUTS: Final = ("probabilities", "logits")
_INPUT_TYPES: Final = ("tensor(float)", "tensor(uint8)")

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Prediction:
    """The probability that an image is of a class; `name` is the index where the file names no classes."""

    index: int
    name: str
    probability: float


@dataclass(frozen=True)
class InputFormat:
    """What an input takes: a batch of at most `batch`, exactly that where `frozen`, and sizes where they are fixed.

    `raw` means uint8 images (H, W, C) as they were decoded, for a file that preprocesses by itself.
    """

    name: str
    raw: bool
    batch: int
    frozen: bool
    channels: int
    height: int | None
    width: int | None


class OnnxClassifier:
    """An ONNX file as a function from images to the probabilities of the classes."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            ProductError: it cannot be opened, or is not a classifier of images.
        """
        self._name = path.name
        self._session = _session(path)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.input = _input_format(self._session, self._name)
        self.preprocess = _preprocess(metadata.get("vggc.preprocess"), self.input.channels, self._name)
        self._output, count = _output(self._session, self._name)
        self.classes = _classes(metadata.get("vggc.classes"), count, self._name)

    def predict(self, images: Iterable[tuple[str, Pixels]], top: int) -> Iterator[tuple[str, list[Prediction]]]:
        """The `top` most probable classes of each image; images are taken a batch at a time.

        Raises:
            ProductError: an image has a size or a number of channels that the file does not take.
        """
        inputs = ((place, self._preprocessed(place, pixels)) for place, pixels in images)
        for _, same_shape in groupby(inputs, lambda pair: pair[1].shape):
            while batch := list(islice(same_shape, self.input.batch)):
                probabilities = self._run(np.stack([x for _, x in batch]))
                for (place, _), row in zip(batch, probabilities, strict=True):
                    yield place, self._top(row, top)

    def _preprocessed(self, place: str, pixels: Pixels) -> Array:
        if pixels.shape[2] != self.input.channels:
            raise ProductError(
                f"{place} is {colours(pixels.shape[2])}, and the images that {self._name} takes are "
                f"{colours(self.input.channels)}; convert it first"
            )
        expected = self.input.height, self.input.width
        if not self.input.raw:
            return preprocessed(pixels, self.preprocess or Preprocess(), place, self._name, expected)
        check_size(pixels, place, self._name, expected)
        return pixels

    def _run(self, batch: Array) -> Array:
        count = len(batch)
        if self.input.frozen and count < self.input.batch:
            batch = np.concatenate([batch, np.repeat(batch[-1:], self.input.batch - count, axis=0)])
        try:
            (output,) = self._session.run([self._output], {self.input.name: batch})
        except _errors() as error:
            reason = str(error).splitlines()[0]
            raise ProductError(f"{self._name} cannot run an input of {compact(batch.shape[1:])}: {reason}") from error
        scores = output[:count].astype(np.float64)
        # A map of scores, of linear layers that became convolutions, is averaged as in the VGG paper, section 3.2.
        return _probabilities(scores.mean(axis=(2, 3)) if scores.ndim == 4 else scores)

    def _top(self, row: Array, top: int) -> list[Prediction]:
        most_probable = np.argsort(-row, kind="stable")[:top]
        return [Prediction(int(i), self.classes[i] if self.classes else str(i), float(row[i])) for i in most_probable]


def _errors() -> tuple[type[Exception], ...]:
    """What onnxruntime raises for files and inputs that it cannot run."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile,
            state.NotImplemented, state.RuntimeException)  # fmt: skip


def _session(path: Path) -> "onnxruntime.InferenceSession":
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


def _input_format(session: "onnxruntime.InferenceSession", file: str) -> InputFormat:
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in _INPUT_TYPES:
        types = ", ".join(f"{input.name} {input.type}{list(input.shape)}" for input in inputs)
        raise ProductError(f"not supported: {file} takes {types}; predict needs one batch of images, float32 or uint8")
    raw = inputs[0].type == "tensor(uint8)"
    batch, *sizes = (size if isinstance(size, int) else None for size in inputs[0].shape)
    height, width, channels = sizes if raw else (*sizes[1:], sizes[0])
    if channels is None:
        raise ProductError(f"not supported: {file} does not say how many channels its input has")
    return InputFormat(inputs[0].name, raw, batch or MAX_BATCH, batch is not None, channels, height, width)


def _output(session: "onnxruntime.InferenceSession", file: str) -> tuple[str, int | None]:
    """The output with the scores of the classes, and how many there are if the file says it."""
    outputs = {output.name: output for output in session.get_outputs()}
    output = next((outputs[name] for name in _OUTPUTS if name in outputs), None)
    output = output or (next(iter(outputs.values())) if len(outputs) == 1 else None)
    if output is None or not (len(output.shape) == 2 or (len(output.shape) == 4 and output.name in _OUTPUTS)):
        shapes = ", ".join(f"{output.name} {list(output.shape)}" for output in outputs.values())
        raise ProductError(f"{file} is not a classifier: its output is {shapes} instead of [batch, classes]")
    return output.name, output.shape[1] if isinstance(output.shape[1], int) else None


def _preprocess(text: str | None, channels: int, file: str) -> Preprocess | None:
    """The preprocessing in the metadata, validated against the schema, for anybody may have written the file."""
    if text is None:
        return None
    from jsonschema import Draft202012Validator

    from vggc.frontend.schema.from_fields import record_schema

    values = _json(text, "vggc.preprocess", file)
    if not Draft202012Validator(record_schema(Preprocess, "key of preprocess")).is_valid(values):
        raise ProductError(f"{file}: the metadata `vggc.preprocess` is not preprocessing: {text[:80]}")
    steps = Preprocess(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
    if any(values is not None and len(values) != channels for values in (steps.mean, steps.std)):
        raise ProductError(f"{file}: mean and std in `vggc.preprocess` are not for {channels} channels: {text[:80]}")
    return steps


def _classes(text: str | None, count: int | None, file: str) -> tuple[str, ...] | None:
    """The names of the classes in the metadata, if there are any."""
    if text is None:
        return None
    names = _json(text, "vggc.classes", file)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ProductError(f"{file}: the metadata `vggc.classes` is not a list of names: {text[:80]}")
    if count not in (None, len(names)):
        raise ProductError(f"{file} is not a classifier: it has {count} outputs, and names {len(names)} classes")
    return tuple(names)


def _json(text: str, key: str, file: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ProductError(f"{file}: the metadata `{key}` is not JSON: {error}") from error


def _probabilities(scores: Array) -> Array:
    """Softmax of each row (B, classes), unless the rows are probabilities already."""
    if scores.min(initial=0) >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-4):
        return scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    normalized: Array = powers / powers.sum(axis=1, keepdims=True)
    return normalized
