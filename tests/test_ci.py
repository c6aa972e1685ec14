"""The pre-commit hook and the workflow of docs/ci.md, tried out in a real repository."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs import console
from tests.networks import SMALL
from tests.test_cli import run
from tests.test_docs import blocks
from vggc.cli.exits import Exit

ROOT = Path(__file__).parents[1]


INSTALLED = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A repository with two specs and two other YAML files, and a path with the command vggc."""
    work = tmp_path / "work"
    (work / "specs").mkdir(parents=True)
    (work / "specs" / "small.yaml").write_text(SMALL)
    (work / "specs" / "child.yaml").write_text("vggc: 1\nname: child\nextends: small.yaml\n")
    (work / "compose.yaml").write_text("services: {}\n")
    (work / "broken.yaml").write_text("a: [\n")
    environment = {
        **console.environment(tmp_path),
        **{f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "HOME": str(tmp_path),
        "INSTALLED": INSTALLED,
        "WORK": str(work),
    }
    shell("git init -q -b main . && git add -A && git commit -qm first", environment)
    return environment


def shell(script: str, environment: Mapping[str, str], code: int = 0) -> str:
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=environment["WORK"], env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    return done.stdout


def hook() -> dict[str, Any]:
    (found,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert isinstance(found, dict)
    return found


# --- the hook ----------------------------------------------------------------------------------------------------


def test_only_specs_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL)
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    assert run("check", "small.yaml", "compose.yaml") == Exit.SPEC
    capsys.readouterr()
    assert run("check", "--only-specs", "small.yaml", "compose.yaml") == Exit.FINE
    assert capsys.readouterr().out.splitlines() == [
        "small.yaml: small is fine: 3 x 16 x 16 -> 5, 2,285 params, 129,852 MACs"
    ]
    assert run("check", "--only-specs", "compose.yaml") == Exit.FINE
    assert run("check", "--only-specs", "nowhere.yaml") == Exit.SPEC
    (tmp_path / "marked.yaml").write_text(SMALL.replace("M", "N"), encoding="utf-8-sig")
    assert run("check", "--only-specs", "marked.yaml") == Exit.SPEC
    assert run("check", "--only-specs", "vgg16") == Exit.FINE


def test_the_entry_run_as_pre_commit_runs_it(environment: dict[str, str]) -> None:
    """The entry, and behind it the files of the types that the hook names, as they stand in the index."""
    assert hook()["types"] == ["yaml"]
    assert hook()["language"] == "python"
    command = f"git ls-files '*.yaml' '*.yml' | xargs {hook()['entry']}"
    assert "child.yaml: child is fine" in shell(command, environment)
    shell("sed -i 's/extends: small/extends: smal/' specs/child.yaml", environment)
    out = shell(command, environment, code=123)  # xargs's own, where a command ended with 1 to 125
    assert "did you mean `small.yaml`?" in out


@pytest.mark.skipif(shutil.which("pre-commit", path=INSTALLED) is None, reason="pre-commit is not installed")
def test_the_hook_in_pre_commit_itself(environment: dict[str, str]) -> None:
    """With the language `system`, so that nothing has to be installed; all else is the hook's own."""
    config = {"repos": [{"repo": "local", "hooks": [{**hook(), "language": "system"}]}]}
    (Path(environment["WORK"]) / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    out = shell("export PATH=$PATH:$INSTALLED; git add -A && pre-commit run --all-files --verbose", environment)
    assert "small is fine" in out
    assert "compose.yaml" not in out
    shell("sed -i 's/features/featurs/' specs/small.yaml && git add -A", environment)
    out = shell("export PATH=$PATH:$INSTALLED; pre-commit run", environment, code=1)
    assert "did you mean `features`?" in out


# --- the pages ---------------------------------------------------------------------------------------------------


def shown(kind: str) -> list[dict[Any, Any]]:
    return [yaml.safe_load(block[3]) for block in blocks("yaml") if block[2] == kind]


def test_the_configurations_of_hooks() -> None:
    ours, local = (config["repos"][0] for config in shown("hook"))
    assert set(ours) == {"repo", "rev", "hooks"}
    assert ours["hooks"] == [{"id": hook()["id"]}]
    (written,) = local["hooks"]
    assert set(written) == {"id", "name", "entry", "language", "files", "pass_filenames"}
    assert re.search(written["files"], "specs/deep/x.yml")
    assert not re.search(written["files"], "compose.yaml")


def test_the_local_hook_checks_children_with_their_parent(environment: dict[str, str]) -> None:
    entry = shown("hook")[1]["repos"][0]["hooks"][0]["entry"]
    shell("sed -i 's/classes: \\[ant/klasses: [ant/' specs/small.yaml", environment)
    out = shell(entry, environment, code=1)
    assert "inherited by specs/child.yaml:3:10" in out


def test_the_workflow_is_one() -> None:
    """By the syntax of GitHub's workflows, as far as this one uses it."""
    (workflow,) = shown("workflow")
    assert set(workflow) == {"name", True, "permissions", "jobs"}  # YAML 1.1 reads `on` as true, and GitHub does not
    assert set(workflow[True]) == {"pull_request"}
    assert set(workflow["permissions"].values()) <= {"read", "write", "none"}
    (job,) = workflow["jobs"].values()
    assert set(job) == {"runs-on", "steps"}
    for step in job["steps"]:
        assert set(step) <= {"name", "if", "uses", "with", "run", "continue-on-error"}
        assert ("uses" in step) != ("run" in step)
        assert "with" not in step or "uses" in step
        assert "uses" not in step or re.fullmatch(r"[\w-]+(/[\w-]+)+@v\d+", step["uses"])


def test_the_steps_of_the_workflow_run(environment: dict[str, str]) -> None:
    (workflow,) = shown("workflow")
    steps = {step.get("name"): step.get("run") for step in workflow["jobs"]["check"]["steps"]}
    summary = Path(environment["WORK"]).parent / "summary.md"
    temporary = summary.with_name("runner")
    temporary.mkdir()
    asked = {
        **environment, "GITHUB_BASE_REF": "main", "GITHUB_STEP_SUMMARY": str(summary), "RUNNER_TEMP": str(temporary),
    }  # fmt: skip
    (Path(asked["WORK"]) / "specs" / "other.yaml").write_text(SMALL.replace("name: small", "name: other"))
    shell("git add -A && git commit -qm other", asked)
    shell("git update-ref refs/remotes/origin/main HEAD", asked)
    shell("sed -i 's/pool: 2/pool: 1/' specs/small.yaml && git commit -qam second", asked)
    assert shell(steps["Annotate"], asked) == ""
    shell(steps["Write SARIF"], asked)
    assert '"version": "2.1.0"' in (Path(asked["WORK"]) / "vggc.sarif").read_text()
    shell(steps["Say what changes"], asked)
    text = summary.read_text()
    # The child's file is as it was; its parent is not.
    assert re.findall("^### .*", text, re.MULTILINE) == ["### `child` → `child`", "### `small` → `small`"]
    assert "| flatten | 64 | 16 | -48 (-75.0 %) |" in text
    assert "`output_size: 2 -> 1`" in text

    shell("sed -i 's/features/featurs/' specs/small.yaml && git commit -qam third", asked)
    assert shell(steps["Annotate"], asked, code=1).startswith("::error title=E101,file=specs/small.yaml,line=6")
    shell(steps["Write SARIF"], asked, code=1)
