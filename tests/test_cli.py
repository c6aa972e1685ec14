"""The command line: what it prints, what it leaves behind, and the exit codes that scripts rely on."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.networks import SMALL
from vggc import cli
from vggc.cli import print_commands
from vggc.cli.exits import Exit


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one spec in it."""
    (tmp_path / "small.yaml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    try:
        cli.main(arguments)
    except SystemExit as end:
        assert isinstance(end.code, int)
        return int(end.code)
    return 0


def test_check_says_what_it_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "small.yaml", "vgg16") == Exit.FINE
    out, err = capsys.readouterr()
    assert out.splitlines()[1] == (
        "vgg16: vgg16 is fine: 3 x 224 x 224 -> 1000, 138,357,544 params, 15,470,264,320 MACs"
    )
    assert err == ""


def test_check_goes_on_after_a_wrong_spec(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "wrong.yaml").write_text(SMALL.replace("features", "featurs"))
    assert run("check", "wrong.yaml", "small.yaml") == Exit.SPEC
    out, err = capsys.readouterr()
    assert out.startswith("small.yaml: small is fine")
    assert "wrong.yaml:6:1" in err
    assert "did you mean `features`?" in err


CHILD = "vggc: 1\nname: child\nextends: small.yaml\nwidth: 2\n"


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


@pytest.mark.parametrize(
    "command",
    [["check"], ["check", "--only-specs"], ["shapes"], ["expand"], ["draw", "-o", "x.svg"], ["compare"],
     ["diff", "small.yaml"], ["diff", "vgg16"], ["build"]],
    ids=" ".join,
)  # fmt: skip
def test_a_dash_is_standard_input(command: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it extends is looked for in the working folder."""
    typed(monkeypatch, CHILD)
    assert run(*command, "-") == Exit.FINE


def test_a_mistake_in_standard_input_has_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, CHILD.replace("width", "widht"))
    assert run("check", "-") == Exit.SPEC
    assert " --> <stdin>:4:1\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["check", "-", "-"], ["check", "-", "--watch"], ["diff", "-", "-"], ["fit", "-", "--max-params", "1M"],
     ["new", "mine", "--from", "-"]],
    ids=" ".join,
)  # fmt: skip
def test_standard_input_is_read_once(
    command: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, CHILD)
    assert run(*command) == Exit.USAGE
    assert "standard input" in capsys.readouterr().err


@pytest.mark.parametrize("style", ["json", "sarif", "github"])
def test_check_for_programs(style: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "wrong.yaml").write_text(SMALL.replace("features", "featurs"))
    assert run("check", "--format", style, "wrong.yaml") == Exit.SPEC
    out = capsys.readouterr().out
    assert "wrong.yaml" in out
    if style != "github":
        json.loads(out)


def test_set_overrides_for_one_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "vgg16", "--set", "classes=10", "--set", "input=[3, 64, 64]", "--set", "pool=2") == Exit.FINE
    assert "3 x 64 x 64 -> 10" in capsys.readouterr().out


@pytest.mark.parametrize("assignment", ["classes", "=3", "a..b=1", "clases=3"])
def test_a_wrong_assignment_is_a_wrong_spec(assignment: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "small.yaml", "--set", assignment) == Exit.SPEC
    assert "--set:1:" in capsys.readouterr().err


def test_shapes_as_json_has_the_promised_keys(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("shapes", "small.yaml", "--json") == Exit.FINE
    found = json.loads(capsys.readouterr().out)
    promised = [
        "name",
        "input",
        "output",
        "params",
        "buffers",
        "macs",
        "flatten",
        "min_input",
        "receptive_field",
        "layers",
    ]
    assert set(promised) <= set(found)
    assert found["flatten"] == {"size": 64, "formula": "16 * 2 * 2"}
    assert (found["min_input"], found["receptive_field"]) == ([8, 8], [10, 10])
    assert set(found["layers"][0]) >= {"path", "alias", "kind", "in", "out", "params", "macs", "file", "line"}
    assert (found["layers"][0]["file"], found["layers"][0]["line"]) == ("small.yaml", 6)


def test_shapes_as_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("shapes", "vgg16") == Exit.FINE
    out = capsys.readouterr().out
    assert "conv5_3   conv2d                 512 x 14 x 14    2,359,808    462,422,016   196" in out
    assert "flatten          512 x 7 x 7 = 25,088; for any input: 512 * 7 * 7" in out
    assert "torchinfo        15,483,821,032 mult-adds" in out


def test_until_cuts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("shapes", "vgg16", "--until", "relu3_3") == Exit.FINE
    assert "vgg16: 3 x 224 x 224 -> 256 x 56 x 56" in capsys.readouterr().out
    assert run("shapes", "vgg16", "--until", "relu3_9") == Exit.SPEC
    assert "did you mean `relu3_3`?" in capsys.readouterr().err


def test_expand_compiles_to_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("expand", "small.yaml") == Exit.FINE
    (folder / "expanded.yaml").write_text(capsys.readouterr().out)
    for command in (("shapes", "--json"), ("expand",)):
        outputs = []
        for spec in ("small.yaml", "expanded.yaml"):
            assert run(command[0], spec, *command[1:]) == Exit.FINE
            outputs.append(capsys.readouterr().out)
        first, second = (
            [{**layer, "file": "", "line": 0} for layer in json.loads(each)["layers"]] if "--json" in command else each
            for each in outputs
        )
        assert first == second


def test_explain_knows_every_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "E203", "e204") == Exit.FINE
    assert "E203: a window does not fit the map" in capsys.readouterr().out
    assert run("explain") == Exit.FINE
    assert len(capsys.readouterr().out.splitlines()) > 20
    assert run("explain", "E999") == Exit.USAGE


def test_build_writes_and_checks_its_products(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("build", "small.yaml") == Exit.FINE
    out = capsys.readouterr().out
    assert "Total params" in out
    assert "more: torchinfo counts a bias once for each output element" in out
    made = sorted(each.name for each in (folder / "exports" / "small").iterdir())
    assert made == ["network.json", "small.py", "small.svg", "small.txt"]
    assert run("build", "--check", "small.yaml") == Exit.FINE
    (folder / "exports" / "small" / "small.txt").write_text("stale")
    assert run("build", "--check", "small.yaml") == Exit.FAILED
    assert "stale: exports/small/small.txt; run: vggc build small.yaml" in capsys.readouterr().err
    assert (folder / "exports" / "small" / "small.txt").read_text() == "stale"


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_build_saves_weights_that_export_takes(suffix: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("build", "small.yaml", "--save", f"w{suffix}", "--seed", "4") == Exit.FINE
    assert run("export", "small.yaml", "--onnx", "-o", "a.onnx", "--weights", f"w{suffix}") == Exit.FINE
    assert run("export", "small.yaml", "--onnx", "-o", "b.onnx", "--seed", "4") == Exit.FINE
    assert (folder / "a.onnx").read_bytes() == (folder / "b.onnx").read_bytes()
    assert run("verify", "a.onnx", "--weights", f"w{suffix}") == Exit.FINE


def test_save_refuses_other_suffixes_before_drawing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("build", "small.yaml", "--save", "w.bin") == Exit.FAILED
    assert "saved as .safetensors or .pt" in capsys.readouterr().err


def test_export_and_verify(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", "small.yaml", "--onnx") == Exit.FINE
    out = capsys.readouterr().out
    assert "verified: the outputs agree, and a perturbed layer is seen" in out
    assert "wrote exports/small/small.onnx" in out
    assert json.loads((folder / "exports/small/small.onnx.json").read_text())["verdict"] == "verified"
    assert run("verify", "exports/small/small.onnx") == Exit.FINE
    assert run("verify", "exports/small/small.onnx", "small.yaml") == Exit.FINE
    assert run("verify", "exports/small/small.onnx", "vgg16") == Exit.MISMATCH


def test_a_file_that_was_cut_is_verified_against_a_spec_that_is_cut(folder: Path) -> None:
    assert run("export", "small.yaml", "--onnx", "--until", "relu1_1", "-o", "cut.onnx") == Exit.FINE
    assert run("verify", "cut.onnx", "small.yaml", "--until", "relu1_1") == Exit.FINE
    assert run("verify", "cut.onnx", "small.yaml") == Exit.MISMATCH


def test_inconclusive_has_a_code_of_its_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "deaf.yaml").write_text(
        "vggc: 1\nname: deaf\ninput: [3, 8, 8]\nfeatures: [1, softmax]\nclassifier: none\n"
    )
    assert run("export", "deaf.yaml", "--onnx", "-o", "deaf.onnx") == Exit.INCONCLUSIVE
    assert not (folder / "deaf.onnx").exists()


def test_a_mismatch_has_a_code_of_its_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import onnx

    assert run("export", "small.yaml", "--onnx", "-o", "small.onnx") == Exit.FINE
    model = onnx.load("small.onnx")
    next(each for each in model.graph.node[0].attribute if each.name == "pads").ints[:] = [2, 2, 0, 0]
    onnx.save(model, "small.onnx")
    assert run("verify", "small.onnx") == Exit.MISMATCH
    captured = capsys.readouterr()
    assert "first difference: features.0 (conv1_1, conv2d) at small.onnx:spec:6:5" in captured.out


@pytest.mark.parametrize(
    "arguments",
    [("export", "small.yaml"), ("nonsense",), ("check",), ("shapes", "a", "b"), ("verify", "x.onnx", "--set", "a=1"),
     ("verify", "x.onnx", "--until", "relu1_1"),
     ("check", "vgg16", "--max-memory", "much"), ("build", "vgg16", "alexnet", "--save", "w.pt")],
)  # fmt: skip
def test_wrong_usage(arguments: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == Exit.USAGE
    assert capsys.readouterr().err


def test_the_memory_limit_is_the_users(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "vgg16", "--max-memory", "500MiB") == Exit.SPEC
    assert "the weights would take 527.79 MiB, over the limit of 500 MiB" in capsys.readouterr().err
    assert run("check", "vgg16", "--max-memory", "528MiB") == Exit.FINE


def test_an_internal_error_says_that_it_is_one(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(print_commands.text_summary, "emit", broken)
    assert run("shapes", "small.yaml") == Exit.FAILED
    err = capsys.readouterr().err
    assert "internal error: ZeroDivisionError: oops" in err
    assert "Traceback" not in err
    log = Path(err.split("report it with ")[1].split(" attached")[0])
    assert "ZeroDivisionError" in log.read_text()
    log.unlink()


def test_a_reader_that_leaves_early_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m vggc shapes vgg19 | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("vgg19: 3 x 224 x 224 -> 1000\n", "")


def test_quiet_when_not_a_terminal(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vggc", "export", "small.yaml", "--onnx"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


def test_check_takes_folders_and_patterns(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "more" / "deep").mkdir(parents=True)
    (folder / "more" / "deep" / "other.yml").write_text(SMALL.replace("small", "other"))
    (folder / "more" / "compose.yaml").write_text("services: {}\n")
    assert run("check", ".") == Exit.FINE
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        "more/deep/other.yml",
        "small.yaml",
    ]
    assert run("check", "*.yaml", "more/*/*.yml") == Exit.FINE
    assert len(capsys.readouterr().out.splitlines()) == 2
    (folder / "empty").mkdir()
    assert run("check", "empty") == Exit.USAGE
    assert "there are no specs in empty" in capsys.readouterr().err


def test_warnings_do_not_fail_and_can_be_switched_off(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "loud.yaml").write_text(SMALL.replace("allow: [needless_bias]\n", ""))
    assert run("check", "loud.yaml") == Exit.FINE
    assert "warning[W404]" in capsys.readouterr().err
    assert run("check", "loud.yaml", "--allow", "needless_bias") == Exit.FINE
    assert run("check", "loud.yaml", "--allow", "W404") == Exit.FINE
    assert capsys.readouterr().err == ""
    assert run("check", "loud.yaml", "--allow", "nonsense") == Exit.USAGE


def _save_until(path: Path, seen: threading.Event) -> None:
    """Save a wrong spec again and again: the first time may be before the watching has begun."""
    while not seen.wait(0.5):
        path.write_text(SMALL.replace("features", "featurs"))


def test_watch_checks_again_on_save(folder: Path) -> None:
    command = [sys.executable, "-u", "-m", "vggc", "check", "--watch", "small.yaml"]
    saved = threading.Event()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as watching:
        assert watching.stdout is not None
        lines = iter(watching.stdout.readline, "")
        assert next(lines).startswith("small.yaml: small is fine")
        assert next(lines).startswith("watching ")
        threading.Thread(target=_save_until, args=(folder / "small.yaml", saved), daemon=True).start()
        assert any("did you mean `features`?" in line for line in lines)
        saved.set()
        watching.terminate()
    assert watching.returncode in (Exit.FINE, 128 + signal.SIGTERM)  # the watcher may take the signal for itself


def _everything_on(terminal: int) -> str:
    """What is written to a terminal until its other end closes, which Linux reports as an error."""
    shown = b""
    try:
        while more := os.read(terminal, 2**16):
            shown += more
    except OSError:
        pass
    os.close(terminal)
    return shown.decode()


def test_bars_on_a_terminal(folder: Path) -> None:
    """The same command under a pseudo terminal shows what it is doing, and leaves no bar behind."""
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "vggc", "export", "small.yaml", "--onnx"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=end) as exporting:
        os.close(end)
        shown = _everything_on(terminal)
        assert exporting.stdout is not None
        out = exporting.stdout.read()
    assert exporting.returncode == 0
    assert all(what in shown for what in ("initialising weights", "writing weights", "verifying"))
    assert b"\x1b" not in out


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_process_that_is_ended_leaves_no_litter(name: str, folder: Path) -> None:
    """Ended as soon as the staging folder is there, in the middle of drawing, writing or verifying."""
    (folder / "wide.yaml").write_text(SMALL.replace("[12,", "[30000, 3000,"))
    target = folder / "out" / "x.onnx"
    target.parent.mkdir()
    target.write_bytes(b"old")
    command = [sys.executable, "-m", "vggc", "export", "wide.yaml", "--onnx", "-o", str(target)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as exporting:
        while exporting.poll() is None and len(list(target.parent.iterdir())) == 1:
            time.sleep(0.005)
        exporting.send_signal(getattr(signal, name))
        _, said = exporting.communicate()
    assert (exporting.returncode, said) == (128 + getattr(signal, name), "")
    assert [each.name for each in target.parent.iterdir()] == ["x.onnx"]
    assert target.read_bytes() == b"old"
