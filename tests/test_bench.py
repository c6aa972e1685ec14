"""How fast a network is: the arithmetic under a clock that only the runs move, and real runs of small networks."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

import vggc
from tests.networks import HEADLESS, SMALL, network
from vggc import cli
from vggc.benching import machine, rounds, subject
from vggc.benching.rounds import FEWEST, PAUSE, BenchResult, Spread, Timing, bench, measure, settings, three_digits
from vggc.benching.subject import BenchSetting, BenchSubject, of_file, of_network
from vggc.benching.tables import to_json, to_markdown, to_text
from vggc.cli.exits import Exit
from vggc.verify.report import Precision
from vggc.verify.sessions import open_session

ORT = BenchSetting("onnxruntime", 1, 1)
TORCH = BenchSetting("torch", 1, 1)
BIG = BenchSetting("torch", 8, 1)
HE = SMALL.replace("normal: 0.05", "kaiming_normal: {}")  # so that an int8 file is conclusive


# --- the arithmetic ---


def quick(subject: BenchSubject, **options: Any) -> BenchResult:
    return bench(subject, settings(subject, **options), seconds=0.002)


def spec(folder: Path, text: str) -> BenchSubject:
    return of_network(network(text), folder)


class FakeTime:
    """Time that passes while a run runs."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[BenchSetting] = []
        self.slept: list[float] = []

    def run(self, setting: BenchSetting, *seconds: float) -> Callable[[], None]:
        """A run that takes so long, the last of the times again and again."""
        pending = list(seconds)

        def run() -> None:
            self.log.append(setting)
            self.now += pending.pop(0) if len(pending) > 1 else pending[0]

        return run


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr("vggc.benching.rounds.perf_counter", lambda: fake.now)
    monkeypatch.setattr("vggc.benching.rounds.sleep", fake.slept.append)
    return fake


def test_every_other_round_goes_backwards(time: FakeTime) -> None:
    runs = {setting: time.run(setting, 5.0) for setting in (ORT, TORCH, BIG)}
    timings = measure(runs, rounds=4, seconds=40.0)
    assert [timing.setting for timing in timings] == [ORT, TORCH, BIG]
    warm_up, rounds = time.log[:6], time.log[6:]
    assert warm_up == [ORT, ORT, TORCH, TORCH, BIG, BIG]
    # Each turn lasts 10 s: a run that is not counted, and two that are.
    turns = [rounds[i] for i in range(0, len(rounds), 3)]
    assert turns == [ORT, TORCH, BIG, BIG, TORCH, ORT, ORT, TORCH, BIG, BIG, TORCH, ORT]
    assert {timing.runs for timing in timings} == {8}
    assert time.slept == [PAUSE] * 12


def test_a_round_gives_the_median_of_its_runs_and_the_warm_up_gives_nothing(time: FakeTime) -> None:
    # Two runs to warm up, one that is not counted, then those of the only round.
    run = time.run(ORT, 9.0, 1.0, 7.0, 1.0, 2.0, 1.5, 1.0)
    (timing,) = measure({ORT: run}, rounds=1, seconds=6.0)
    assert timing.seconds == (1.25,)
    assert timing.runs == 4


@pytest.mark.parametrize(("run", "rounds"), [(0.01, 10), (0.2, 10), (0.26, 8), (0.41, 5), (10.0, 5)])
def test_slow_runs_get_fewer_rounds(run: float, rounds: int, time: FakeTime) -> None:
    timings = measure({ORT: time.run(ORT, run), TORCH: time.run(TORCH, 0.01)}, rounds=10, seconds=2.0)
    assert [len(timing.seconds) for timing in timings] == [rounds, 10]
    assert len(measure({ORT: time.run(ORT, run)}, rounds=3, seconds=0.6)[0].seconds) == 3
    assert rounds >= FEWEST


def test_latency_and_throughput() -> None:
    timing = Timing(BenchSetting("torch", 8, 2), (0.2, 0.1, 0.4), 3)
    assert timing.latency == Spread(200.0, 100.0, 400.0)
    assert (timing.throughput.median, timing.throughput.least, timing.throughput.most) == pytest.approx((40, 20, 80))


def test_a_spread() -> None:
    assert Spread.of([2.0]) == Spread(2.0, 2.0, 2.0)
    assert Spread.of([3.0, 1.0]) == Spread(2.0, 1.0, 3.0)
    assert str(Spread.of([3.0, 1.0])) == "2.00 (1.00 to 3.00)"


def test_ratios_are_paired_by_round(tmp_path: Path) -> None:
    """The second round was slow for both: the ratio does not see it. The last round had only one of them."""
    fast = Timing(ORT, (1.0, 10.0, 1.0, 1.0), 4)
    slow = Timing(TORCH, (2.0, 20.0, 3.0), 3)
    alone = Timing(BIG, (1.0,), 1)
    result = BenchResult(spec(tmp_path, SMALL), 1.0, machine.this_machine([]), [fast, slow, alone], [])
    assert result.ratios == {TORCH: [2.0, 2.0, 3.0]}


# --- real runs ---


@pytest.fixture(autouse=True)
def torch_threads() -> Iterator[None]:
    """Every test ends with the number of threads that it began with."""
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before


def test_a_spec_in_both_engines(tmp_path: Path) -> None:
    result = quick(spec(tmp_path, SMALL), batches=(1, 3), threads=(1, 2))
    sizes = [(1, 1), (1, 2), (3, 1), (3, 2)]
    assert [timing.setting for timing in result.timings] == [
        BenchSetting(engine, batch, threads) for batch, threads in sizes for engine in ("onnxruntime", "torch")
    ]
    assert all(seconds > 0 for timing in result.timings for seconds in timing.seconds)
    assert [(setting.batch, setting.threads) for setting in result.ratios] == sizes
    assert any(note.startswith("the engines' outputs agree (relative L2 ") for note in result.notes)
    assert any("not verified" in note for note in result.notes)
    assert result.subject.macs == network(SMALL).macs


def test_torch_runs_with_the_threads_asked_for_in_eval_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[int, int, bool, bool]] = set()
    original = subject.torch_run

    def watched(module: torch.nn.Module, *arguments: Any) -> Callable[[], Any]:
        def look(module: torch.nn.Module, arguments: tuple[torch.Tensor]) -> None:
            state = (len(arguments[0]), torch.get_num_threads(), module.training, torch.is_inference_mode_enabled())
            seen.add(state)

        module.register_forward_pre_hook(look)
        return original(module, *arguments)

    monkeypatch.setattr("vggc.benching.subject.torch_run", watched)
    quick(spec(tmp_path, SMALL), batches=(1, 2), threads=(1, 3))
    assert seen == {(batch, threads, False, True) for batch in (1, 2) for threads in (1, 3)}


def test_onnxruntime_runs_with_the_threads_asked_for(tmp_path: Path) -> None:
    path = vggc.export_onnx(network(SMALL), tmp_path / "x.onnx").path
    tasks = Path("/proc/self/task")
    for threads in (1, 3):
        before = len(list(tasks.iterdir())) if tasks.is_dir() else None
        session = open_session(str(path), threads=threads)
        options = session.get_session_options()
        assert (options.intra_op_num_threads, options.inter_op_num_threads) == (threads, 1)
        if before is not None:  # the calling thread is one of them
            assert len(list(tasks.iterdir())) - before == threads - 1


def test_threads_are_restored_when_a_run_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = torch.get_num_threads()

    def fail(*_: Any, **__: Any) -> None:
        torch.set_num_threads(threads + 1)
        raise ZeroDivisionError

    monkeypatch.setattr(rounds, "measure", fail)
    with pytest.raises(ZeroDivisionError):
        quick(spec(tmp_path, SMALL), batches=(1,), threads=(1,))
    assert torch.get_num_threads() == threads


def test_the_file_of_a_spec_has_both_engines_and_its_own_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = vggc.export_onnx(network(HEADLESS), tmp_path / "x.onnx", seed=5, external_data=True).path
    weights: list[dict[str, torch.Tensor]] = []
    original = subject.torch_run

    def watched(module: torch.nn.Module, *arguments: Any) -> Callable[[], Any]:
        weights.append(module.state_dict())
        return original(module, *arguments)

    monkeypatch.setattr(subject, "torch_run", watched)
    result = quick(of_file(path), batches=(2,), threads=(1,))
    assert [timing.setting.engine for timing in result.timings] == ["onnxruntime", "torch"]
    (agreement,) = [note for note in result.notes if "relative L2" in note]
    assert float(agreement.rpartition(" ")[2].rstrip(")")) < 1e-5
    expected = network(HEADLESS).module(seed=5).state_dict()
    assert all(torch.equal(weights[0][name], tensor) for name, tensor in expected.items())


def test_a_file_whose_weights_are_not_those_of_its_spec(tmp_path: Path) -> None:
    """As when another tool has folded something away: onnxruntime runs it all the same."""
    path = vggc.export_onnx(network(HEADLESS), tmp_path / "x.onnx").path
    model = onnx.load(str(path))
    model.graph.initializer[0].name = model.graph.node[0].input[1] = "folded"
    onnx.save(model, str(path))
    with pytest.raises(vggc.ProductError, match="torch cannot run the file; --engines onnxruntime leaves it out"):
        quick(of_file(path))
    assert engines_of(of_file(path), engine="onnxruntime", batches=(1,)) == [("onnxruntime", 1)]


# --- files of others ---


def foreign(path: Path, *, dims: list[int | str], elem_type: int = TensorProto.FLOAT, inputs: int = 1) -> Path:
    """A model that adds its inputs up, and reduces them over every axis but the first."""
    names = [f"x{i}" for i in range(inputs)]
    nodes = [helper.make_node("Cast", [name], [f"{name}f"], to=TensorProto.FLOAT) for name in names]
    nodes.append(helper.make_node("Sum", [f"{name}f" for name in names], ["sum"]))
    nodes.append(helper.make_node("Flatten", ["sum"], ["y"], axis=1))
    values = [helper.make_tensor_value_info(name, elem_type, dims) for name in names]
    graph = helper.make_graph(
        nodes, "foreign", values, [helper.make_tensor_value_info("y", TensorProto.FLOAT, [dims[0], None])]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def engines_of(subject: BenchSubject, **options: Any) -> list[tuple[str, int]]:
    result = quick(subject, threads=(1,), **options)
    return [(timing.setting.engine, timing.setting.batch) for timing in result.timings]


@pytest.mark.parametrize(
    "elem_type", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8, TensorProto.INT64, TensorProto.BOOL]
)
def test_a_foreign_file_of_any_type(elem_type: int, tmp_path: Path) -> None:
    file = of_file(foreign(tmp_path / "f.onnx", dims=["N", 3, 4, 4], elem_type=elem_type))
    assert file.macs is None
    assert file.obstacle == "the file contains no spec of vggc"
    assert engines_of(file, batches=(1, 2)) == [("onnxruntime", 1), ("onnxruntime", 2)]


def test_a_foreign_file_with_two_inputs(tmp_path: Path) -> None:
    file = of_file(foreign(tmp_path / "f.onnx", dims=["N", 3, 4, 4], inputs=2))
    assert [value.name for value in file.inputs] == ["x0", "x1"]
    assert engines_of(file, batches=(2,)) == [("onnxruntime", 2)]


def test_a_frozen_batch(tmp_path: Path) -> None:
    file = of_file(foreign(tmp_path / "f.onnx", dims=[4, 3, 4, 4]))
    result = quick(file, batches=(1, 8), threads=(1,))
    assert [timing.setting.batch for timing in result.timings] == [4]
    assert "the batch of the file is frozen at 4: nothing else is measured" in result.notes


def test_open_sizes_are_refused(tmp_path: Path) -> None:
    path = foreign(tmp_path / "f.onnx", dims=["N", 3, "H", "W"])
    with pytest.raises(vggc.ProductError, match=r"leaves the size of x0 open \(\[3, H, W\]\); set it with python -m"):
        of_file(path)


def test_open_sizes_are_the_spec_s_where_vggc_made_the_file(tmp_path: Path) -> None:
    dense = tmp_path / "dense.onnx"
    vggc.export_onnx(network(HE), dense, passes=("fc_to_conv",))
    assert of_file(dense).inputs[0].shape == network(HE).input
    assert of_file(dense).obstacle is None
    image = tmp_path / "image.onnx"
    scaled = network(HE)
    vggc.export_onnx(scaled, image, passes=("embed_preprocess",), opset=18)
    channels, height, width = scaled.input
    assert of_file(image).inputs[0].shape == (height, width, channels)
    assert of_file(image).obstacle == "the file takes another input than the network in torch"


def test_torch_cannot_run_a_foreign_file(tmp_path: Path) -> None:
    with pytest.raises(vggc.ProductError, match=r"f\.onnx cannot be run in torch: the file contains no spec of vggc"):
        quick(of_file(foreign(tmp_path / "f.onnx", dims=["N", 2])), engine="torch")


@pytest.mark.parametrize("precision", ["int8", "float16"])
def test_torch_is_left_out_where_the_file_computes_in_less(precision: Precision, tmp_path: Path) -> None:
    vggc.export_onnx(network(HE), tmp_path / "x.onnx", precision=precision)
    file = of_file(tmp_path / "x.onnx")
    result = quick(file, batches=[1], threads=[1])
    assert f"the file computes in {precision}, so torch is left out" in result.notes
    assert {timing.setting.engine for timing in result.timings} == {"onnxruntime"}
    with pytest.raises(vggc.ProductError, match=rf"x\.onnx cannot be run in torch: the file computes in {precision}"):
        quick(file, engine="torch")


def test_an_input_that_is_no_tensor_of_numbers(tmp_path: Path) -> None:
    path = foreign(tmp_path / "f.onnx", dims=["N", 2], elem_type=TensorProto.STRING)
    with pytest.raises(vggc.ProductError, match=r"not supported: input x0 of .* is of type STRING"):
        of_file(path)


def test_a_file_that_onnxruntime_cannot_run(tmp_path: Path) -> None:
    path = foreign(tmp_path / "f.onnx", dims=["N", 2])
    model = onnx.load(str(path))
    model.graph.node[-1].op_type = "Flattern"
    onnx.save(model, str(path))
    with pytest.raises(vggc.ProductError, match=r"onnxruntime does not run .*f\.onnx: .*Flattern"):
        quick(of_file(path))


# --- cautions ---


def test_engines_that_disagree_are_a_caution(tmp_path: Path) -> None:
    """A file whose graph is not that of its spec: the last layer gives its input's negative."""
    path = vggc.export_onnx(network(HEADLESS), tmp_path / "x.onnx").path
    model = onnx.load(str(path))
    model.graph.node[-1].op_type = "AveragePool"
    del model.graph.node[-1].attribute[:]
    model.graph.node[-1].attribute.extend(
        [helper.make_attribute("kernel_shape", [3, 3]), helper.make_attribute("strides", [2, 2])]
    )
    onnx.save(model, str(path))
    result = quick(of_file(path), batches=(1,), threads=(1,))
    assert any("the engines disagree" in note and "vggc verify" in note for note in result.notes)


def test_the_machine() -> None:
    this = machine.this_machine(["torch", "onnxruntime"])
    assert this.versions["onnxruntime"] == onnxruntime.__version__
    assert this.cores == machine.cores()
    assert this.processor


# --- what is printed ---


def test_json(tmp_path: Path) -> None:
    result = quick(spec(tmp_path, SMALL), batches=(2,), threads=(1,))
    record = json.loads(to_json(result))
    assert set(record) == {"subject", "machine", "plan", "measurements", "ratios", "notes"}
    assert record["subject"]["inputs"] == [{"name": "input", "type": "float32", "shape": [3, 16, 16]}]
    assert record["plan"] == {"rounds": 10, "seconds": 0.002}
    for timing in record["measurements"]:
        assert set(timing) == {
            "engine", "batch", "threads", "rounds", "runs", "seconds", "latency_ms", "images_per_second",
            "macs_per_second",
        }  # fmt: skip
        assert timing["latency_ms"]["median"] == pytest.approx(1000 * median(timing["seconds"]))
        assert timing["latency_ms"]["least"] <= timing["latency_ms"]["median"] <= timing["latency_ms"]["most"]
        assert timing["macs_per_second"] == pytest.approx(timing["images_per_second"]["median"] * network(SMALL).macs)
    first, second = (timing["seconds"] for timing in record["measurements"])
    assert record["ratios"][0]["values"] == pytest.approx([b / a for a, b in zip(first, second, strict=False)])


def test_text_and_markdown(tmp_path: Path) -> None:
    result = quick(spec(tmp_path, SMALL), batches=(1, 2), threads=(1,))
    text = to_text(result)
    assert "batch  threads  engine" in text
    assert str(result.machine) in text
    table = [line for line in to_markdown(result).splitlines() if line.startswith("|")]
    assert len(table) == 6
    assert {line.count("|") for line in table} == {9}


@pytest.mark.parametrize(
    ("value", "text"),
    [(1266.4, "1,266"), (100.0, "100"), (99.94, "99.9"), (9.994, "9.99"), (0.956, "0.956"), (0.01234, "0.0123")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert three_digits(value) == text


def run(*arguments: str) -> int:
    try:
        cli.main(["bench", *arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "small.yaml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


FAST = ("--seconds", "0.002", "--threads", "1", "--batch", "1")


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("small.yaml", *FAST, "--set", "name=mine", "--until", "pool1") == Exit.FINE
    assert capsys.readouterr().out.startswith("mine: input float32[batch, 3, 16, 16]")
    assert run("small.yaml", *FAST, "--format", "json", "--engines", "torch") == Exit.FINE
    assert len(json.loads(capsys.readouterr().out)["measurements"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engines", "tensorrt"], "'tensorrt' is not one of 'onnxruntime', 'torch'"),
        (["--batch", "0"], "'0': write positive integers with commas between them"),
        (["--batch", "1,x"], "write positive integers with commas between them"),
        (["--threads", "-1"], "write positive integers with commas between them"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("small.yaml", *arguments) == Exit.USAGE
    assert message in capsys.readouterr().err


def test_what_a_file_does_not_take(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option in (["--set", "classes=2"], ["--until", "pool1"]):
        assert run("x.onnx", *option) == Exit.USAGE
        assert "--set and --until are for specs" in capsys.readouterr().err
    assert run("x.onnx") == Exit.FAILED
    assert "x.onnx cannot be read: no such file" in capsys.readouterr().err
