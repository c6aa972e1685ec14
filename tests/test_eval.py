"""`vggc eval`: figures against scikit-learn, and torch against onnxruntime."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from sklearn import metrics

import vggc
from tests.pictures import noise
from tests.training_runs import fails, train, write_spec
from vggc.base.errors import ProductError
from vggc.cli import main
from vggc.data.batches import Batches, BatchSettings
from vggc.data.dataset import ArrayImages
from vggc.data.source_formats import open_source
from vggc.training.evaluation import Evaluation, evaluate_target
from vggc.training.history import Epoch, History
from vggc.training.plots import accuracies, confusion, examples, running_mean
from vggc.training.run_folder import RunFolder
from vggc.training.scores import Scores
from vggc.weights.loading import load_weights

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES: Final = "classes: [zero, one, two, three, four, five, six, seven, eight, nine]"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Resized, normalised, and not quite right yet: there must be something to tell apart."""
    folder = tmp_path_factory.mktemp("eval")
    network = """\
vggc: 1
name: half
input: [1, 12, 10]
classes: 10
features: [8, M]
defaults: {conv: {norm: batch_norm, bias: false}}
classifier: [{linear: classes}]
preprocess: {resize: [14, 12], crop: [12, 10], mean: [0.3], std: [0.4]}
"""
    recipe = "{epochs: 1, batch_size: 32, optimizer: {sgd: {lr: 0.02, momentum: 0.9}}}"
    return train(write_spec(folder, network, recipe), folder / "run", "--export")


@pytest.fixture(scope="module")
def found(run: RunFolder) -> Evaluation:
    return evaluate_target(run.path, None, None, "test")


def test_the_figures_are_scikit_learns(found: Evaluation) -> None:
    true, predicted = found.labels.numpy(), found.predicted.numpy()
    assert 0.3 < found.scores.accuracy < 0.97
    assert found.scores.accuracy == pytest.approx(metrics.accuracy_score(true, predicted))
    assert np.array(found.scores.confusion).tolist() == metrics.confusion_matrix(true, predicted).tolist()
    expected = metrics.precision_recall_fscore_support(true, predicted, zero_division=0)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [getattr(row, name) for row in found.scores.classes] == pytest.approx(values.tolist())


def test_the_figures_are_those_of_the_module(run: RunFolder, found: Evaluation) -> None:
    network = vggc.compile(run.spec)
    module = load_weights(network, run.weights)[0].eval()
    images = open_source("digits").images("test")
    (batch,) = Batches(images, torch.arange(len(images)), network, BatchSettings(1000))
    with torch.no_grad():
        logits = module(batch[0])
    assert found.predicted.tolist() == logits.argmax(1).tolist()
    assert found.scores.loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits, batch[1])), rel=1e-5)


def test_a_run_is_evaluated_as_its_summary_says(run: RunFolder, found: Evaluation) -> None:
    assert run.read_json("summary.json")["test_accuracy"] == found.scores.accuracy
    assert run.read_json("test.json") == json.loads(json.dumps(found.scores.to_json()))


def test_torch_and_onnxruntime_agree(run: RunFolder, found: Evaluation) -> None:
    onnx = evaluate_target(run.path / "half.onnx", None, "digits", "test")
    assert onnx.predicted.tolist() == found.predicted.tolist()
    assert onnx.scores.confusion == found.scores.confusion
    assert onnx.scores.loss == pytest.approx(found.scores.loss, rel=1e-4)


def test_weights_with_their_spec(run: RunFolder, found: Evaluation) -> None:
    weights = evaluate_target(run.weights, vggc.compile(run.spec), "digits", "test")
    assert weights.scores == found.scores
    training = evaluate_target(run.weights, vggc.compile(run.spec), None, "train")
    assert training.scores.images == 1438


# --- the command -------------------------------------------------------------------------------------------------


def test_the_text(run: RunFolder, found: Evaluation, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "confusion.png"
    main(["eval", str(run.path), "--png", str(picture)])
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    accuracy = f"{100 * found.scores.accuracy:.2f} %"
    assert lines[0].startswith(f"{run.path} on the test images of digits: accuracy {accuracy} (")
    assert lines[2] == "class  support  precision    recall        f1"
    assert len([line for line in lines if line]) == 1 + 11 + 12
    assert str(found.scores) in said.out
    with Image.open(picture) as image:
        assert image.size[0] > 500


def test_the_json(run: RunFolder, found: Evaluation, capsys: pytest.CaptureFixture[str]) -> None:
    main(["eval", str(run.path / "half.onnx"), "--json", "--data", "digits"])
    answer = json.loads(capsys.readouterr().out)
    assert (answer["data"], answer["split"], answer["images"]) == ("digits", "test", 359)
    assert answer["accuracy"] == found.scores.accuracy
    assert answer["confusion"] == [list(row) for row in found.scores.confusion]


def test_names_that_differ_are_a_warning(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    key, _, names = NAMES.partition(": ")
    main(["eval", str(run.weights), str(run.spec), "--set", f"{key}={names}"])
    said = capsys.readouterr()
    assert said.err.startswith("warning: half names the classes differently")
    assert "nine " in said.out


def test_names_that_differ_from_those_in_a_file_are_a_warning(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["export", str(run.spec), "--onnx", "--weights", str(run.weights), "-o", str(tmp_path / "named.onnx"),
          "--set", NAMES.replace(": ", "=", 1)])  # fmt: skip
    capsys.readouterr()
    main(["eval", str(tmp_path / "named.onnx")])
    assert capsys.readouterr().err.startswith("warning: named.onnx names the classes differently: class 0 is '0' in ")
    main(["eval", str(run.path / "half.onnx")])
    assert "warning" not in capsys.readouterr().err


def refused(run: RunFolder, tmp_path: Path) -> list[tuple[list[str], int, str]]:
    empty = tmp_path / "begun"
    empty.mkdir()
    for name in ("spec.yaml", "run.json"):
        (empty / name).write_bytes((run.path / name).read_bytes())
    return [
        ([str(tmp_path / "nothing.safetensors"), str(run.spec)], 3, "cannot be read: no such file"),
        ([str(run.weights)], 3, "name the spec that the weights belong to"),
        ([str(tmp_path / "nowhere")], 3, "nowhere: name the folder of a run, weights with their spec, or an ONNX file"),
        ([str(run.path), "vgg11"], 3, "contains its own spec; leave vgg11 out"),
        ([str(run.path), "--set", "classes=3"], 2, "--set changes a spec, and none is named"),
        ([str(run.weights), "vgg16_cifar10", "--data", "digits"], 3, "the images of digits are grey"),
        ([str(tmp_path)], 3, "is not the folder of a run"),
        ([str(empty)], 3, "has finished no epoch"),
        ([str(run.path), "--device", "nowhere"], 3, "--device nowhere"),
        ([str(run.path), "--data", "digits:x"], 3, "take no path"),
        ([str(tmp_path / "no.onnx")], 3, "there is no file"),
        ([str(run.path / "half.onnx"), "--device", "cuda"], 3, "--device cuda is for torch"),
    ]


def test_what_cannot_be_evaluated(run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, code, message in refused(run, tmp_path):
        found_code, err = fails(["eval", *arguments], capsys)
        assert (found_code, message in err) == (code, True), (arguments, err)
        assert "Traceback" not in err


def test_classes_that_are_not_the_files_are_refused(run: RunFolder, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("a", "b"):
            folder = tmp_path / "images" / split / name
            folder.mkdir(parents=True)
            Image.new("L", (10, 12)).save(folder / "0.png")
    with pytest.raises(ProductError, match=r"has 2 classes, and .* has [0-9]+"):
        evaluate_target(run.path / "half.onnx", None, f"folder:{tmp_path / 'images'}", "test")


# --- the parts ---------------------------------------------------------------------------------------------------


def test_scores_of_nothing_are_zero() -> None:
    scores = Scores.of(["a", "b"], torch.tensor([[0, 0], [2, 0]]), 3.0)
    assert (scores.images, scores.accuracy, scores.loss) == (2, 0.0, 1.5)
    assert [(row.precision, row.recall, row.f1) for row in scores.classes] == [(0, 0, 0)] * 2


def test_of_many_classes_the_commonest_mistakes_are_listed() -> None:
    matrix = torch.eye(40, dtype=torch.long) * 9
    matrix[3, 5], matrix[7, 2] = 4, 6
    lines = str(Scores.of([f"c{i}" for i in range(40)], matrix, 1.0)).splitlines()
    assert lines[-2:] == ["      6  c7, classified as c2", "      4  c3, classified as c5"]


def test_the_running_mean() -> None:
    assert running_mean([1.0, 3.0, 5.0, 7.0], 2) == [1.0, 2.0, 4.0, 6.0]
    assert running_mean([4.0], 100) == [4.0]


@pytest.mark.parametrize(("count", "shown"), [(2, 2), (60, 60), (100, 25), (1000, 25)])
def test_the_axes_of_a_confusion_matrix_say_which_class_it_is(count: int, shown: int) -> None:
    scores = Scores.of([f"c{i}" for i in range(count)], torch.eye(count, dtype=torch.long), 1.0)
    axes = confusion(scores).axes[0]
    for ticks, labels in ((axes.get_xticks(), axes.get_xticklabels()), (axes.get_yticks(), axes.get_yticklabels())):
        assert len(ticks) == shown
        prefix = "c" if count <= 60 else ""
        assert [label.get_text() for label in labels] == [f"{prefix}{tick:.0f}" for tick in ticks]


@pytest.mark.parametrize(("count", "first", "last"), [(1, 0.5, 0.5), (6, 0.971, 0.984), (40, 0.1, 0.99)])
def test_no_two_ticks_of_the_accuracies_are_called_the_same(count: int, first: float, last: float) -> None:
    shares = np.linspace(first, last, count).tolist()
    epochs = [Epoch(i, 0.1, 1.0, share, 1.0, share, 1.0, 0.1, 100.0) for i, share in enumerate(shares, start=1)]
    figure = accuracies(History([1.0] * count, epochs), last - 0.004)
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    called = [label.get_text() for label in axes.get_yticklabels()]
    assert len(set(called)) == len(called)
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


@pytest.mark.parametrize("more", ["", ", which has a name that goes on and on", " WWWWWWWWWWWWWWWWWW", " $x^$"])
def test_titles_of_examples_stay_in_their_cells(more: str) -> None:
    """Those of CIFAR-10, the longest of which lost its first letter at the left edge."""
    names = tuple(f"{name}{more}" for name in ("automobile", "airplane", "truck"))
    labels = torch.arange(32) % 3
    images = ArrayImages(noise(32, 6, 6, 3), labels, "made-up images")
    scores = Scores(names, ((1, 1, 1),) * 3, 1.0)
    figure = examples(Evaluation(scores, labels, torch.arange(32) // 8 % 3), images)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 32
    for row in range(4):
        edges = [(box.x0, box.x1) for box in boxes[8 * row : 8 * row + 8]]
        assert edges[0][0] >= 0
        assert edges[-1][1] <= figure.bbox.width
        assert all(left[1] < right[0] for left, right in pairwise(edges))
    assert max(box.y1 for box in boxes) <= figure.texts[0].get_window_extent().y0, "below the heading"
