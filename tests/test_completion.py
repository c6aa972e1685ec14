"""Completion, driven as shells drive it, and in the shells that this machine has; and the nearest command."""

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from docs import console
from tests.networks import SMALL
from tests.test_cli import run
from vggc.base.codes import CODES, WARNINGS
from vggc.cli import COMMANDS
from vggc.cli.exits import Exit
from vggc.frontend.text.sources import stock_names


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A working folder with specs in it, and a path with the command vggc."""
    work = tmp_path / "work"
    (work / "specs").mkdir(parents=True)
    (work / "specs" / "deep.yml").write_text(SMALL)
    (work / "specs" / "notes.txt").write_text("")
    (work / "small.yaml").write_text(SMALL)
    (work / ".hidden.yaml").write_text(SMALL)
    monkeypatch.chdir(work)
    return console.environment(tmp_path)


def completed(line: str, environment: Mapping[str, str]) -> list[str]:
    """What is offered for the last word of a command line, by the protocol of bash; folders are left to the shell."""
    words = line.split(" ")
    asked = {"_VGGC_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "vggc"], env={**environment, **asked}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return [each.removeprefix("plain,") for each in done.stdout.split() if not each.startswith("dir,")]


def test_commands(environment: dict[str, str]) -> None:
    assert completed("vggc ", environment) == list(COMMANDS)
    assert completed("vggc ex", environment) == ["expand", "export", "explain"]


@pytest.mark.parametrize("command", ["check", "export", "diff vgg16", "new x --from"])
def test_specs_are_stock_names_and_files(command: str, environment: dict[str, str]) -> None:
    assert completed(f"vggc {command} ", environment) == [*stock_names(), "small.yaml"]
    assert completed(f"vggc {command} specs/", environment) == ["specs/deep.yml"]
    assert completed(f"vggc {command} vgg19", environment) == ["vgg19", "vgg19_bn"]


def test_layers_are_those_of_the_spec_that_is_named(environment: dict[str, str]) -> None:
    assert completed("vggc shapes vgg16 --until relu4", environment) == ["relu4_1", "relu4_2", "relu4_3"]
    assert completed("vggc build small.yaml --until fc", environment) == ["fc3", "fc4"]
    assert completed("vggc shapes --set pool=none small.yaml --until avg", environment) == []
    assert completed("vggc shapes nothing.yaml --until relu", environment) == []
    assert completed("vggc shapes --until relu", environment) == []


def test_codes_warnings_and_figures(environment: dict[str, str]) -> None:
    assert completed("vggc explain e2", environment) == [code for code in CODES if code.startswith("E2")]
    assert completed("vggc check --allow ", environment) == list(WARNINGS)
    assert completed("vggc compare --columns params,weight", environment) == ["params,weight_bytes"]
    assert completed("vggc fit --vary ", environment) == ["width", "depth", "input"]
    assert completed("vggc fit --vary width,", environment) == ["width,depth", "width,input"]
    assert completed("vggc check --format ", environment) == ["text", "json", "sarif", "github"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_names_the_command_and_the_variable(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("completion", shell) == Exit.FINE
    out = capsys.readouterr().out
    assert "_vggc_completion" in out
    assert f"_VGGC_COMPLETE={shell}_complete" in out


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"there is no {shell} here")


@needs("bash")
def test_in_bash(environment: dict[str, str]) -> None:
    script = """
        eval "$(vggc completion bash)"
        complete -p vggc
        compopt() { :; }  # bash has it only while a person presses the tab key
        COMP_WORDS=(vggc check vgg16_c); COMP_CWORD=2
        _vggc_completion vggc
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(["bash", "--norc", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "complete -o filenames -o nosort -F _vggc_completion vggc",
        *(name for name in stock_names() if name.startswith("vgg16_c")),
    ]
    assert done.stderr == ""


@needs("bash")
def test_a_file_with_a_space_in_its_name_is_one_word_in_bash(environment: dict[str, str]) -> None:
    """In an interactive shell, where what the tab key has written is run."""
    Path("my own.yaml").write_text(SMALL)
    shell, terminal = pty.openpty()
    commands = 'eval "$(vggc completion bash)"; vggc() { echo "<$2>"; }\n'
    with subprocess.Popen(
        ["bash", "--norc", "-i"], env={**environment, "TERM": "dumb"}, stdin=terminal, stdout=terminal, stderr=terminal,
        start_new_session=True,
    ) as process:  # fmt: skip
        os.close(terminal)
        os.write(shell, commands.encode())
        os.write(shell, b"vggc check my\t\nexit\n")
        seen = "".join(_read(shell))
        process.wait(timeout=60)
    os.close(shell)
    assert "<my own.yaml>" in seen


def _read(terminal: int) -> Iterator[str]:
    """What a terminal shows until its process ends."""
    with suppress(OSError):  # which is how Linux says that the other side is closed
        while content := os.read(terminal, 4096):
            yield content.decode(errors="replace")


@needs("fish")
def test_in_fish(environment: dict[str, str]) -> None:
    script = "vggc completion fish | source; complete -C 'vggc shapes vgg16 --until relu4'; complete -C 'vggc check sp'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["relu4_1\trelu", "relu4_2\trelu", "relu4_3\trelu", "specs/\tDirectory"]


@needs("zsh")
def test_in_zsh(environment: dict[str, str]) -> None:
    """In an interactive shell under a pseudo terminal of zsh's own, with the tab key."""
    script = r"""
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell 'autoload -Uz compinit; compinit -D; eval "$(vggc completion zsh)"; print REA""DY'
        zpty -r shell seen '*READY*'
        zpty -n -w shell $'vggc explain E20\t\t'
        zpty -r shell seen '*E207*'
        print -r -- "$seen"
        zpty -d shell
    """
    done = subprocess.run(
        ["zsh", "-f", "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert all(code in done.stdout for code in ("E201", "E206", "E207"))


def test_no_heavy_import_while_a_person_waits(environment: dict[str, str]) -> None:
    code = (
        "import sys, os\n"
        "from vggc.cli import main\n"
        "try: main()\n"
        "except SystemExit: print({'torch', 'onnx', 'numpy', 'rich'} & set(sys.modules))"
    )
    asked = {"_VGGC_COMPLETE": "bash_complete", "COMP_WORDS": "vggc build vgg16 --until r", "COMP_CWORD": "4"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**environment, **asked}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("chek", "there is no command `chek`; did you mean `check`?"),
        ("shape", "did you mean `shapes`?"),
        ("frobnicate", f"there are: {', '.join(COMMANDS)}"),
        ("a\x1b[2Jb", "there is no command `a\\x1b[2Jb`;"),
    ],
)
def test_an_unknown_command_has_a_nearest_one(word: str, answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(word, "vgg16") == Exit.USAGE
    assert answer in capsys.readouterr().err


def test_an_unknown_option_is_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--chek") == Exit.USAGE
    assert "--chek" in capsys.readouterr().err
    assert os.environ.get("_VGGC_COMPLETE") is None
