"""`vggc predict`: what the file says of itself is enough; against the module in torch, without torch and onnx."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from tests.networks import HEADLESS, PLAIN, SMALL, network
from tests.pictures import in_memory, noise, save
from tests.test_extras import WITHOUT
from vggc import cli
from vggc.backends.onnx import onnx_model, onnx_writer
from vggc.base.errors import ProductError
from vggc.cli.exits import Exit
from vggc.data.batches import Batches, BatchSettings
from vggc.data.images.predict import OnnxClassifier
from vggc.exporting.export import export_onnx
from vggc.model import Network

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ["ant", "bee", "cow", "dog", "eel"]


def exported(compiled: Network, path: Path, seed: int = 0) -> torch.nn.Sequential:
    """Write a network, and give the module whose weights it has."""
    module = compiled.module(seed=seed).eval()
    state = module.state_dict()
    onnx_writer.write(onnx_model.lower(compiled), lambda name: state[name].numpy(), path)
    return module


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an ONNX file, three images of different sizes, and what torch says of them."""
    folder = tmp_path_factory.mktemp("trained")
    compiled = network(SMALL)
    module = exported(compiled, folder / "small.onnx")
    expected = {}
    for name, size in (("a", (20, 30)), ("b", (41, 17)), ("c", (16, 16))):
        pixels = noise(*size, 3, seed=ord(name))
        save(folder / "images" / f"{name}.png", pixels)
        ((inputs, _, _),) = Batches(in_memory(pixels[None]), torch.tensor([0]), compiled, BatchSettings(1))
        with torch.no_grad():
            expected[f"images/{name}.png"] = module(inputs).softmax(1)[0].tolist()
    (folder / "expected.json").write_text(json.dumps(expected))
    return folder


@pytest.fixture
def folder(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


def run(*arguments: str) -> int:
    try:
        cli.main(["predict", *arguments])
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code
    return 0


def test_the_probabilities_are_torchs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("small.onnx", "images", "--json") == Exit.FINE
    captured = capsys.readouterr()
    assert captured.err == ""
    rows = json.loads(captured.out)
    expected = json.loads(Path("expected.json").read_text())
    assert [row["image"] for row in rows] == ["images/a.png", "images/b.png", "images/c.png"]
    for row in rows:
        probabilities = np.array(expected[row["image"]])
        assert [each["index"] for each in row["top"]] == np.argsort(-probabilities).tolist()
        for each in row["top"]:
            assert each["class"] == NAMES[each["index"]]
            assert each["probability"] == pytest.approx(probabilities[each["index"]], abs=1e-5)
    assert len({row["top"][0]["probability"] for row in rows}) == 3


def test_as_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("small.onnx", "images/c.png", "images/a.png", "--top", "2") == Exit.FINE
    lines = capsys.readouterr().out.splitlines()
    expected = json.loads(Path("expected.json").read_text())
    wanted = []
    for image in ("images/c.png", "images/a.png"):
        best = np.argsort(-np.array(expected[image]))[:2]
        wanted += [image, *(f"  {NAMES[i]}  {100 * expected[image][i]:6.2f} %" for i in best)]
    assert lines == wanted


def test_an_image_on_standard_input(folder: Path) -> None:
    command = [sys.executable, "-m", "vggc", "predict", "small.onnx", "-", "--json", "--top", "1"]
    found = subprocess.run(command, input=Path("images/b.png").read_bytes(), capture_output=True, check=True)
    (row,) = json.loads(found.stdout)
    expected = json.loads(Path("expected.json").read_text())["images/b.png"]
    assert row["image"] == "-"
    assert row["top"][0]["probability"] == pytest.approx(max(expected), abs=1e-5)


def test_neither_torch_nor_onnx_is_needed(folder: Path) -> None:
    code = WITHOUT.format(blocked=("torch", "onnx", "sklearn", "lightning"))
    code += "print(sorted({'torch', 'onnx', 'onnxruntime', 'PIL', 'numpy'} & set(sys.modules)))"
    command = [sys.executable, "-c", code, "predict small.onnx images/a.png --top 1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith("images/a.png\n")
    assert done.stdout.splitlines()[-1] == "['PIL', 'numpy', 'onnxruntime']"


def test_pillow_is_asked_for(folder: Path) -> None:
    command = [sys.executable, "-c", WITHOUT.format(blocked=("PIL",)), "predict small.onnx images/a.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "error: reading images needs pillow; install it with: pip install pillow\n"


# --- other files ---


def classifier(
    tmp_path: Path,
    nodes: list[onnx.NodeProto],
    input: tuple[int, list[Any]],
    output: tuple[str, list[Any]],
    name: str = "input",
    **metadata: str,
) -> Path:
    """A file made by hand."""
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(name, *input)],
        [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {f"vggc.{key}": value for key, value in metadata.items()})
    onnx.checker.check_model(model)
    path = tmp_path / "model.onnx"
    onnx.save(model, str(path))
    return path


def means(source: str, target: str, axes: list[int]) -> list[onnx.NodeProto]:
    """The mean of each channel: the simplest classifier of colours."""
    return [helper.make_node("ReduceMean", [source], [target], axes=axes, keepdims=0)]


def predicted(path: Path, *images: np.ndarray, top: int = 9) -> list[dict[str, float]]:
    named = [(f"image {i}", image) for i, image in enumerate(images)]
    return [{each.name: each.probability for each in row} for _, row in OnnxClassifier(path).predict(named, top)]


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def test_a_file_without_preprocessing_and_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = classifier(
        tmp_path, means("input", "scores", [2, 3]), (TensorProto.FLOAT, ["n", 3, "h", "w"]), ("scores", ["n", 3])
    )
    pixels = [noise(4, 5, 3, seed=1), noise(7, 3, 3, seed=2), noise(7, 3, 3, seed=3)]
    for image, found in zip(pixels, predicted(path, *pixels), strict=True):
        expected = softmax(image.reshape(-1, 3).mean(0) / 255)
        assert found == {str(i): pytest.approx(expected[i], abs=1e-6) for i in range(3)}
    save(tmp_path / "x.png", pixels[0])
    assert run(str(path), str(tmp_path / "x.png"), "--top", "1") == Exit.FINE
    captured = capsys.readouterr()
    assert captured.err == f"{path} contains no preprocessing: values are scaled to [0, 1], and nothing else\n"
    assert captured.out.splitlines()[1][2] in "012"


def test_a_file_that_preprocesses_for_itself_takes_raw_images(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        *means("floats", "scores", [1, 2]),
        helper.make_node("Softmax", ["scores"], ["probabilities"]),
    ]
    path = classifier(
        tmp_path, nodes, (TensorProto.UINT8, ["batch", "height", "width", 3]), ("probabilities", ["batch", 3]),
        name="image", preprocess='{"resize": 99, "mean": [0.5, 0.5, 0.5]}', classes='["red", "green", "blue"]',
    )  # fmt: skip
    pixels = [noise(4, 5, 3, seed=1), noise(8, 2, 3, seed=2)]
    for image, found in zip(pixels, predicted(path, *pixels), strict=True):
        expected = softmax(image.reshape(-1, 3).mean(0))
        assert found == {name: pytest.approx(expected[i], abs=1e-5) for i, name in enumerate(["red", "green", "blue"])}
    assert [*predicted(path, pixels[0])[0]] == [
        ["red", "green", "blue"][i] for i in np.argsort(-pixels[0].mean((0, 1)))
    ]


def test_a_file_that_preprocesses_for_itself_at_one_size(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT), *means("floats", "logits", [1, 2])]
    path = classifier(tmp_path, nodes, (TensorProto.UINT8, ["n", 4, 5, 3]), ("logits", ["n", 3]), name="image")
    assert len(predicted(path, noise(4, 5, 3))) == 1
    with pytest.raises(ProductError, match=r"image 0 is 5x4 \(height x width\), and model\.onnx needs 4x5; resize the"):
        predicted(path, noise(5, 4, 3))


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_a_frozen_batch(batch: int, tmp_path: Path) -> None:
    path = classifier(
        tmp_path, means("input", "logits", [2, 3]), (TensorProto.FLOAT, [batch, 3, 4, 5]), ("logits", [batch, 3])
    )
    pixels = [noise(4, 5, 3, seed=i) for i in range(5)]
    for image, found in zip(pixels, predicted(path, *pixels), strict=True):
        expected = softmax(image.reshape(-1, 3).mean(0) / 255)
        assert found == {str(i): pytest.approx(expected[i], abs=1e-6) for i in range(3)}


def test_images_go_in_batches_and_come_out_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = classifier(
        tmp_path, means("input", "logits", [2, 3]), (TensorProto.FLOAT, ["n", 3, "h", "w"]), ("logits", ["n", 3])
    )
    model = OnnxClassifier(path)
    batches: list[int] = []
    original = model._run
    monkeypatch.setattr(model, "_run", lambda batch: batches.append(len(batch)) or original(batch))
    decoded: list[int] = []

    def images() -> Iterator[tuple[str, np.ndarray]]:
        for i in range(70):
            decoded.append(i)
            yield str(i), noise(4, 4 + (i >= 40), 3, seed=i)

    predicting = model.predict(images(), 1)
    assert next(predicting)[0] == "0"
    assert len(decoded) == 32  # and no more are held in memory
    assert [place for place, _ in predicting] == [str(i) for i in range(1, 70)]
    assert batches == [32, 8, 30]


def test_scores_that_are_probabilities_are_left_alone(tmp_path: Path) -> None:
    ending_in_softmax = network(PLAIN.replace("[{linear: classes}]", "[{linear: classes}, softmax]"))
    module = exported(ending_in_softmax, tmp_path / "plain.onnx", seed=3)
    pixels = noise(12, 20, 1)
    with torch.no_grad():
        expected = module(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255)[0]
    (found,) = predicted(tmp_path / "plain.onnx", pixels)
    assert found == {str(i): pytest.approx(float(expected[i]), abs=1e-6) for i in range(4)}


RESIZED = SMALL.replace("resize: 20, crop: 16", "resize: 16")  # whose borders are not cut off


@pytest.mark.parametrize(
    "passes", [["softmax"], ["embed_preprocess"], ["embed_preprocess", "softmax"], ["fold_batch_norm"]], ids=", ".join
)
def test_every_variant_of_a_file_says_the_same(passes: list[str], tmp_path: Path) -> None:
    compiled = network(RESIZED)
    exported(compiled, tmp_path / "plain.onnx")
    export_onnx(compiled, tmp_path / "variant.onnx", passes=passes)
    pixels = [noise(40, 23, 3, seed=1), noise(9, 31, 3, seed=2), noise(16, 16, 3, seed=3)]
    plain, variant = (predicted(tmp_path / f"{name}.onnx", *pixels) for name in ("plain", "variant"))
    for ours, theirs in zip(plain, variant, strict=True):
        assert ours == {name: pytest.approx(probability, abs=1e-5) for name, probability in theirs.items()}


def test_maps_of_scores_are_averaged(tmp_path: Path) -> None:
    """Linear layers as convolutions give a score for every place of a larger image (arXiv:1409.1556, section 3.2)."""
    dense = network(SMALL.replace("pool: 2", "pool: none").replace("resize: 20, crop: 16, ", ""))
    export_onnx(dense, tmp_path / "dense.onnx", passes=["fc_to_conv", "dynamic_hw"])
    pixels = noise(24, 16, 3)
    (found,) = predicted(tmp_path / "dense.onnx", pixels)
    module = dense.module(seed=0).eval()
    floats = (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - 0.5) / 0.2
    with torch.no_grad():
        # Where the map is three places high: the linear layers on each 4x4 window of the features.
        features = module.features(floats[None]).unfold(2, 4, 1).unfold(3, 4, 1)
        scores = [module.classifier(features[:, :, row, 0].flatten(1)) for row in range(features.shape[2])]
        expected = torch.stack(scores).mean(0).softmax(1)[0]
    assert features.shape[2] == 3
    assert found == {NAMES[i]: pytest.approx(float(expected[i]), abs=1e-5) for i in range(5)}
    with pytest.raises(ProductError, match=r"dense\.onnx cannot run an input of 3x3x3: "):
        predicted(tmp_path / "dense.onnx", noise(3, 3, 3))


# --- what is refused ---


def test_images_that_do_not_fit(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grey, text = save(tmp_path / "grey.png", noise(20, 20, 1)), tmp_path / "text.png"
    text.write_text("hello")
    for arguments, message in (
        ((str(grey),), f"error: {grey} is grey (1 channel), and the images that small.onnx takes are RGB (3 channels); "
                       "convert it first\n"),
        (("images/a.png", str(text)), f"error: {text} is not an image\n"),
        (("images/a.png", "nowhere.png"), "error: there is no image nowhere.png\n"),
    ):  # fmt: skip
        assert run("small.onnx", *arguments) == Exit.FAILED
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == ("", message)
    (tmp_path / "empty").mkdir()
    assert run("small.onnx", str(tmp_path / "empty")) == Exit.USAGE
    assert "there are no images in " in capsys.readouterr().err
    assert run("small.onnx") == Exit.USAGE
    assert run("small.onnx", "images/a.png", "--top", "0") == Exit.USAGE


def test_a_size_without_a_way_to_it(tmp_path: Path) -> None:
    exported(network(PLAIN), tmp_path / "plain.onnx")
    with pytest.raises(ProductError) as error:
        predicted(tmp_path / "plain.onnx", noise(13, 20, 1))
    assert str(error.value) == (
        "image 0 is 13x20 (height x width), and plain.onnx needs 12x20; resize the image, or export the network with a "
        "`resize` in its `preprocess`"
    )


def test_files_that_are_no_classifiers(tmp_path: Path) -> None:
    exported(network(HEADLESS), tmp_path / "headless.onnx")
    exported(network(SMALL, until="classifier.0"), tmp_path / "cut.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "weights.onnx").write_bytes(np.arange(100, dtype=np.float32).tobytes())
    for name, message in (
        ("headless.onnx", "headless.onnx is not a classifier: its output is features"),
        ("cut.onnx", "cut.onnx is not a classifier: it has 12 outputs, and names 5 classes"),
        ("text.onnx", "text.onnx cannot be run by onnxruntime: "),
        ("weights.onnx", "weights.onnx cannot be run by onnxruntime: "),
        ("nowhere.onnx", "there is no file "),
        (".", " is a folder; name an ONNX file, such as "),
    ):
        with pytest.raises(ProductError) as error:
            OnnxClassifier(tmp_path / name)
        assert message in str(error.value)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [(TensorProto.FLOAT, ["n", 12]), (TensorProto.INT64, ["n", 3, 4, 4]), (TensorProto.FLOAT, ["n", "c", 4, 4])],
)
def test_inputs_that_are_no_images(kind: int, shape: list[Any], tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["input"], ["floats"], to=TensorProto.FLOAT),
             helper.make_node("Flatten", ["floats"], ["logits"])]  # fmt: skip
    path = classifier(tmp_path, nodes, (kind, shape), ("logits", ["n", "m"]))
    with pytest.raises(ProductError, match=r"not supported: model\.onnx (takes input tensor|does not say how many)"):
        OnnxClassifier(path)


@pytest.mark.parametrize(
    "metadata",
    [
        {"preprocess": "{"},
        {"preprocess": "[]"},
        {"preprocess": '{"resize": "32"}'},
        {"preprocess": '{"resize": 0}'},
        {"preprocess": '{"rotate": 90}'},
        {"preprocess": '{"mean": [0.5]}'},
        {"preprocess": '{"std": [0, 1, 1]}'},
        {"classes": "{}"},
        {"classes": "[1, 2, 3]"},
        {"classes": '["a", "b"]'},
    ],
    ids=str,
)
def test_metadata_that_says_nothing(metadata: dict[str, str], tmp_path: Path) -> None:
    path = classifier(
        tmp_path, means("input", "logits", [2, 3]), (TensorProto.FLOAT, ["n", 3, "h", "w"]), ("logits", ["n", 3]),
        **metadata,
    )  # fmt: skip
    with pytest.raises(ProductError, match=r"model\.onnx"):
        OnnxClassifier(path)


def test_several_outputs(tmp_path: Path) -> None:
    """The one that is named for it is taken."""
    path = classifier(
        tmp_path,
        [*means("input", "other", [2, 3]), helper.make_node("Neg", ["other"], ["logits"])],
        (TensorProto.FLOAT, ["n", 3, "h", "w"]),
        ("other", ["n", 3]),
    )
    model = onnx.load(str(path))
    model.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3]))
    onnx.save(model, str(path))
    pixels = noise(4, 4, 3)
    assert [*predicted(path, pixels)[0]] == [str(i) for i in np.argsort(pixels.mean((0, 1)))]
    assert onnxruntime.InferenceSession(str(path)).get_outputs()[0].name == "other"
