"""How fast a network is: the arithmetic under a clock that only the runs move, and real runs of small networks."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

import vggc
from tests.networks import HEADLESS, PLAIN, SMALL, network
from vggc import cli
from vggc.base.progress import silent
from vggc.benching import engines, machine
from vggc.benching.bench import bench, default_threads, needed_memory
from vggc.benching.medians import Cell, Measurement, Ratio, Setting, Spread, ratios
from vggc.benching.rounds import FEWEST, PAUSE, Clock, Plan, measure
from vggc.benching.subject import Subject, of_file, of_network
from vggc.benching.tables import _number, to_csv, to_json, to_markdown, to_text
from vggc.cli.exits import Exit

ORT = Cell("onnxruntime", Setting(1, 1))
TORCH = Cell("torch", Setting(1, 1))
BIG = Cell("torch", Setting(8, 1))
QUICK = Plan(rounds=2, seconds=0.002)
HE = SMALL.replace("normal: 0.05", "kaiming_normal: {}")  # so that an int8 file is conclusive


# --- the arithmetic ---


class FakeTime:
    """Time that passes while a run runs, and while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[Cell] = []
        self.slept: list[float] = []
        self.clock = Clock(lambda: self.now, self.slept.append)

    def run(self, cell: Cell, *seconds: float) -> Callable[[], None]:
        """A run that takes so long, the last of the times again and again."""
        pending = list(seconds)

        def run() -> None:
            self.log.append(cell)
            self.now += pending.pop(0) if len(pending) > 1 else pending[0]

        return run


def test_every_other_round_goes_backwards() -> None:
    time = FakeTime()
    runs = {cell: time.run(cell, 5.0) for cell in (ORT, TORCH, BIG)}
    found = measure(runs, Plan(rounds=4, seconds=40.0), clock=time.clock)
    assert [each.cell for each in found] == [ORT, TORCH, BIG]
    warm_up, rounds = time.log[:6], time.log[6:]
    assert warm_up == [ORT, ORT, TORCH, TORCH, BIG, BIG]
    # Each turn lasts 10 s: a run that is not counted, and two that are.
    turns = [rounds[i] for i in range(0, len(rounds), 3)]
    assert turns == [ORT, TORCH, BIG, BIG, TORCH, ORT, ORT, TORCH, BIG, BIG, TORCH, ORT]
    assert {each.runs for each in found} == {8}
    assert time.slept == [PAUSE] * 12


def test_a_round_gives_the_median_of_its_runs_and_the_warm_up_gives_nothing() -> None:
    time = FakeTime()
    # Two runs to warm up, one that is not counted, then those of the only round.
    run = time.run(ORT, 9.0, 1.0, 7.0, 1.0, 2.0, 1.5, 1.0)
    (found,) = measure({ORT: run}, Plan(rounds=1, seconds=6.0), clock=time.clock)
    assert found.seconds == (1.25,)
    assert found.runs == 4


def test_slow_runs_get_fewer_rounds_and_both_engines_the_same_number() -> None:
    time = FakeTime()
    runs = {ORT: time.run(ORT, 0.01), TORCH: time.run(TORCH, 100.0), BIG: time.run(BIG, 0.01)}
    found = measure(runs, Plan(rounds=10, seconds=2.0), clock=time.clock)
    assert [len(each.seconds) for each in found] == [FEWEST, FEWEST, 10]


@pytest.mark.parametrize(("run", "rounds"), [(0.01, 10), (0.2, 10), (0.25, 8), (0.4, 5), (10.0, 5)])
def test_rounds_for_a_run(run: float, rounds: int) -> None:
    assert Plan(rounds=10, seconds=2.0).rounds_for(run) == rounds
    assert Plan(rounds=3, seconds=0.6).rounds_for(run) == 3


def test_latency_throughput_and_speed() -> None:
    found = Measurement(Cell("torch", Setting(8, 2)), (0.2, 0.1, 0.4), 3)
    assert found.latency == Spread(200.0, (pytest.approx(150.0), pytest.approx(300.0)), 100.0, 400.0)
    assert (found.throughput.median, found.throughput.least, found.throughput.most) == pytest.approx((40, 20, 80))
    assert found.speed(1000) == pytest.approx(40_000)


def test_a_spread_of_few_values() -> None:
    assert Spread.of([2.0]) == Spread(2.0, (2.0, 2.0), 2.0, 2.0)
    assert Spread.of([3.0, 1.0]) == Spread(2.0, (1.0, 3.0), 1.0, 3.0)


def test_the_spread_is_numpys() -> None:
    values = np.random.default_rng(0).random(11)
    found = Spread.of(values.tolist())
    assert found.median == pytest.approx(np.median(values))
    assert found.quartiles == pytest.approx(tuple(np.quantile(values, [0.25, 0.75])))


def test_ratios_are_paired_by_round() -> None:
    """The second round was slow for both: the ratio does not see it."""
    fast = Measurement(ORT, (1.0, 10.0, 1.0), 3)
    slow = Measurement(TORCH, (2.0, 20.0, 3.0), 3)
    alone = Measurement(BIG, (1.0,), 1)
    assert ratios([fast, slow, alone]) == [Ratio(Setting(1, 1), (2.0, 2.0, 3.0))]
    assert ratios([fast, slow])[0].spread.median == 2.0


# --- real runs ---


@pytest.fixture(autouse=True)
def torch_threads() -> Iterator[None]:
    """Every test ends with the number of threads that it began with."""
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before


def test_a_spec_in_both_engines() -> None:
    result = bench(of_network(network(SMALL)), batches=(1, 3), threads=(1, 2), plan=QUICK)
    settings = [Setting(1, 1), Setting(1, 2), Setting(3, 1), Setting(3, 2)]
    assert [each.cell for each in result.measurements] == [
        Cell(engine, setting) for setting in settings for engine in ("onnxruntime", "torch")
    ]
    assert all(seconds > 0 for each in result.measurements for seconds in each.seconds)
    assert [each.setting for each in result.ratios] == settings
    assert any(note.startswith("the engines' outputs agree (relative L2 ") for note in result.notes)
    assert any("not verified" in note for note in result.notes)
    assert result.subject.macs == network(SMALL).macs


def test_torch_runs_with_the_threads_asked_for_in_eval_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[int, int, bool, bool]] = set()
    original = engines.TorchEngine.__init__

    def watched(self: engines.TorchEngine, module: torch.nn.Module) -> None:
        original(self, module)

        def look(module: torch.nn.Module, arguments: tuple[torch.Tensor]) -> None:
            state = (len(arguments[0]), torch.get_num_threads(), module.training, torch.is_inference_mode_enabled())
            seen.add(state)

        module.register_forward_pre_hook(look)

    monkeypatch.setattr(engines.TorchEngine, "__init__", watched)
    bench(of_network(network(SMALL)), batches=(1, 2), threads=(1, 3), plan=QUICK)
    assert seen == {(batch, threads, False, True) for batch in (1, 2) for threads in (1, 3)}


def test_onnxruntime_runs_with_the_threads_asked_for(tmp_path: Path) -> None:
    path = vggc.export_onnx(network(SMALL), tmp_path / "x.onnx").path
    tasks = Path("/proc/self/task")
    engine = engines.OnnxruntimeEngine(path)
    for threads in (1, 3):
        before = len(list(tasks.iterdir())) if tasks.is_dir() else None
        options = engine.session(threads).get_session_options()
        assert (options.intra_op_num_threads, options.inter_op_num_threads) == (threads, 1)
        if before is not None:  # the calling thread is one of them
            assert len(list(tasks.iterdir())) - before == threads - 1


def test_threads_are_restored_when_a_run_fails() -> None:
    threads = torch.get_num_threads()

    def fail() -> None:
        with engines.threads_restored():
            torch.set_num_threads(threads + 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.get_num_threads() == threads


def test_the_file_of_a_spec_has_both_engines_and_its_own_weights(tmp_path: Path) -> None:
    path = vggc.export_onnx(network(HEADLESS), tmp_path / "x.onnx", seed=5, external_data=True).path
    subject = of_file(path)
    result = bench(subject, batches=(2,), threads=(1,), plan=QUICK)
    assert [each.cell.engine for each in result.measurements] == ["onnxruntime", "torch"]
    (agreement,) = [note for note in result.notes if "relative L2" in note]
    assert float(agreement.rpartition(" ")[2].rstrip(")")) < 1e-5
    _, module = subject.source.open(tmp_path, silent, module=True)
    assert module is not None
    expected = network(HEADLESS).module(seed=5).state_dict()
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in expected.items())


def test_a_file_whose_weights_are_not_those_of_its_spec(tmp_path: Path) -> None:
    """As when another tool has folded something away: onnxruntime runs it all the same."""
    path = vggc.export_onnx(network(HEADLESS), tmp_path / "x.onnx").path
    model = onnx.load(str(path))
    model.graph.initializer[0].name = model.graph.node[0].input[1] = "folded"
    onnx.save(model, str(path))
    with pytest.raises(vggc.ProductError, match="torch cannot run the file; --engines onnxruntime leaves it out"):
        bench(of_file(path), plan=QUICK)
    assert engines_of(of_file(path), engines=["onnxruntime"], batches=(1,)) == [("onnxruntime", 1)]


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


def engines_of(subject: Subject, **options: Any) -> list[tuple[str, int]]:
    result = bench(subject, threads=(1,), plan=QUICK, **options)
    return [(each.cell.engine, each.cell.setting.batch) for each in result.measurements]


@pytest.mark.parametrize(
    "elem_type", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8, TensorProto.INT64, TensorProto.BOOL]
)
def test_a_foreign_file_of_any_type(elem_type: int, tmp_path: Path) -> None:
    subject = of_file(foreign(tmp_path / "f.onnx", dims=["N", 3, 4, 4], elem_type=elem_type))
    assert subject.engines == ("onnxruntime",)
    assert subject.macs is None
    assert "no spec of vggc, so torch is left out" in subject.notes[0]
    assert engines_of(subject, batches=(1, 2)) == [("onnxruntime", 1), ("onnxruntime", 2)]


def test_a_foreign_file_with_two_inputs(tmp_path: Path) -> None:
    subject = of_file(foreign(tmp_path / "f.onnx", dims=["N", 3, 4, 4], inputs=2))
    assert [each.name for each in subject.inputs] == ["x0", "x1"]
    assert engines_of(subject, batches=(2,)) == [("onnxruntime", 2)]


def test_a_frozen_batch(tmp_path: Path) -> None:
    subject = of_file(foreign(tmp_path / "f.onnx", dims=[4, 3, 4, 4]))
    result = bench(subject, batches=(1, 8), threads=(1,), plan=QUICK)
    assert [each.cell.setting.batch for each in result.measurements] == [4]
    assert "the batch of the file is frozen at 4: nothing else is measured" in result.notes


def test_open_sizes_have_to_be_named(tmp_path: Path) -> None:
    path = foreign(tmp_path / "f.onnx", dims=["N", 3, "H", "W"])
    with pytest.raises(vggc.ProductError, match=r"leaves the size of x0 open \(\[3, H, W\]\); name it: --input 3,224,"):
        of_file(path)
    with pytest.raises(vggc.ProductError, match=r"takes \[3, H, W\] and a batch axis before it, not \[1, 5, 6\]"):
        of_file(path, (1, 5, 6))
    subject = of_file(path, (3, 5, 6))
    assert subject.inputs[0].shape == (3, 5, 6)
    assert engines_of(subject, batches=(2,)) == [("onnxruntime", 2)]


def test_open_sizes_are_the_spec_s_where_vggc_made_the_file(tmp_path: Path) -> None:
    dense = tmp_path / "dense.onnx"
    vggc.export_onnx(network(HE), dense, passes=("fc_to_conv",))
    assert of_file(dense).inputs[0].shape == network(HE).input
    assert of_file(dense).same_input
    assert of_file(dense, (3, 40, 48)).inputs[0].shape == (3, 40, 48)
    image = tmp_path / "image.onnx"
    scaled = network(HE)
    vggc.export_onnx(scaled, image, passes=("embed_preprocess",), opset=18)
    channels, height, width = scaled.input
    assert of_file(image).inputs[0].shape == (height, width, channels)


def test_torch_cannot_run_a_foreign_file(tmp_path: Path) -> None:
    with pytest.raises(vggc.ProductError, match=r"f\.onnx cannot be run in torch: the file holds no spec of vggc"):
        bench(of_file(foreign(tmp_path / "f.onnx", dims=["N", 2])), engines=("torch",))


def test_torch_is_left_out_where_the_weights_are_quantised(tmp_path: Path) -> None:
    vggc.export_onnx(network(HE), tmp_path / "x.onnx", precision="int8")
    subject = of_file(tmp_path / "x.onnx")
    assert (subject.engines, subject.notes) == (
        ("onnxruntime",), ("the file's weights are quantised, so torch is left out",)
    )  # fmt: skip
    assert {each.cell.engine for each in bench(subject, batches=[1], threads=[1], plan=QUICK).measurements} == {
        "onnxruntime"
    }
    with pytest.raises(vggc.ProductError, match=r"x\.onnx cannot be run in torch: the file's weights are quantised"):
        bench(subject, engines=["torch"])


def test_an_input_that_is_no_tensor_of_numbers(tmp_path: Path) -> None:
    path = foreign(tmp_path / "f.onnx", dims=["N", 2], elem_type=TensorProto.STRING)
    with pytest.raises(vggc.ProductError, match=r"not supported: input x0 of .* is of type STRING"):
        of_file(path)


def test_a_file_that_onnxruntime_cannot_run(tmp_path: Path) -> None:
    path = foreign(tmp_path / "f.onnx", dims=["N", 2])
    model = onnx.load(str(path))
    model.graph.node[-1].op_type = "Flattern"
    onnx.save(model, str(path))
    with pytest.raises(vggc.ProductError, match=r"onnxruntime cannot load .*f\.onnx: .*Flattern"):
        bench(of_file(path), plan=QUICK)


# --- cautions ---


def test_memory_is_checked_before_anything_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = network(PLAIN)
    sample = 4 * 12 * 20 + compiled.peak_activation_bytes
    settings = [Setting(8, 1), Setting(8, 2)]
    assert needed_memory(of_network(compiled), ["onnxruntime", "torch"], settings) == 3 * (
        compiled.weight_bytes + 8 * sample
    )
    monkeypatch.setattr("vggc.benching.bench.available_memory", lambda: 1000)
    monkeypatch.setattr("vggc.backends.torch.torch_module.materialize", lambda *_: pytest.fail("drawn"))
    with pytest.raises(vggc.ProductError, match=r"plain needs about .* KiB of memory, and 1,?000 B can be had; take a"):
        bench(of_network(compiled), plan=QUICK)


def test_more_threads_than_cores_are_a_caution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 1)
    result = bench(of_network(network(PLAIN)), batches=(1,), threads=(2,), plan=QUICK)
    assert "2 threads on 1 cores wait for each other" in result.notes


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
    result = bench(of_file(path), batches=(1,), threads=(1,), plan=QUICK)
    assert any("the engines disagree" in note and "vggc verify" in note for note in result.notes)


def test_the_machine() -> None:
    found = machine.this_machine(["torch", "onnxruntime"])
    assert found.versions["onnxruntime"] == onnxruntime.__version__
    assert found.cores == max(default_threads())
    assert found.processor
    available = machine.available_memory()
    assert available is None or 2**20 < available < 2**50


# --- what is printed ---


def test_json(tmp_path: Path) -> None:
    result = bench(of_network(network(SMALL)), batches=(2,), threads=(1,), plan=QUICK)
    found = json.loads(to_json(result))
    assert set(found) == {"subject", "machine", "plan", "measurements", "ratios", "notes"}
    assert found["subject"]["inputs"] == [{"name": "input", "type": "float32", "shape": [3, 16, 16]}]
    assert found["plan"] == {"rounds": 2, "seconds": 0.002}
    for each in found["measurements"]:
        assert set(each) == {
            "engine", "batch", "threads", "rounds", "runs", "seconds", "latency_ms", "images_per_second",
            "macs_per_second",
        }  # fmt: skip
        assert each["latency_ms"]["median"] == pytest.approx(1000 * median(each["seconds"]))
        assert each["latency_ms"]["least"] <= each["latency_ms"]["median"] <= each["latency_ms"]["most"]
        assert each["macs_per_second"] == pytest.approx(each["images_per_second"]["median"] * network(SMALL).macs)
    first, second = (each["seconds"] for each in found["measurements"])
    assert found["ratios"][0]["values"] == pytest.approx([b / a for a, b in zip(first, second, strict=True)])


def test_csv_text_and_markdown(tmp_path: Path) -> None:
    result = bench(of_network(network(SMALL)), batches=(1, 2), threads=(1,), plan=QUICK)
    rows = list(csv.DictReader(io.StringIO(to_csv(result))))
    assert [(row["engine"], row["batch"]) for row in rows] == [
        ("onnxruntime", "1"), ("torch", "1"), ("onnxruntime", "2"), ("torch", "2"),
    ]  # fmt: skip
    assert float(rows[0]["latency_ms_median"]) == pytest.approx(result.measurements[0].latency.median)
    text = to_text(result)
    assert "batch  threads  engine" in text
    assert str(result.machine) in text
    table = [line for line in to_markdown(result).splitlines() if line.startswith("|")]
    assert len(table) == 6
    assert {line.count("|") for line in table} == {9}


@pytest.mark.parametrize(
    ("value", "text"),
    [(1266.4, "1,266"), (100.0, "100"), (99.94, "99.9"), (9.994, "9.99"), (0.956, "0.96"), (0.01234, "0.0123")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert _number(value) == text


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


FAST = ("--rounds", "2", "--seconds", "0.002", "--threads", "1", "--batch", "1")


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("small.yaml", *FAST, "--set", "name=mine", "--until", "pool1") == Exit.FINE
    assert capsys.readouterr().out.startswith("mine: input float32[batch, 3, 16, 16]")
    assert run("small.yaml", *FAST, "--format", "json", "-o", "out/x.json", "--engines", "torch") == Exit.FINE
    assert capsys.readouterr().out == "wrote out/x.json\n"
    assert len(json.loads(Path("out/x.json").read_text())["measurements"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engines", "tensorrt"], "there is no engine 'tensorrt'; there are onnxruntime and torch"),
        (["--batch", "0"], "'0': write positive integers with commas between them"),
        (["--batch", "1,x"], "write positive integers with commas between them"),
        (["--threads", "-1"], "write positive integers with commas between them"),
        (["--rounds", "0"], "x>=1"),
        (["--input", "3,8,8"], "--input is for ONNX files; a spec takes --set input=[3,64,64]"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("small.yaml", *arguments) == Exit.USAGE
    assert message in capsys.readouterr().err


def test_what_a_file_does_not_take(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option in (["--weights", "w.pt"], ["--set", "classes=2"], ["--until", "pool1"]):
        assert run("x.onnx", *option) == Exit.USAGE
        assert f"{option[0]} is for specs" in capsys.readouterr().err
    assert run("x.onnx") == Exit.FAILED
    assert "x.onnx cannot be read: no such file" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_fails_before_anything_is_measured(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vggc.benching.bench.measure", lambda *_: pytest.fail("measured"))
    (folder / "out").mkdir()
    assert run("small.yaml", "-o", "out") == Exit.FAILED
    assert "out is a folder; name a file" in capsys.readouterr().err
