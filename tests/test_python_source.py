"""The printed source: it needs torch alone, and cannot drift from the module."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import vggc
from tests.networks import ALL, SMALL, network
from vggc.backends.torch import python_source
from vggc.frontend.text.sources import stock_names
from vggc.model import Network


def source(compiled: Network) -> str:
    return python_source.emit(compiled)


def build(compiled: Network) -> nn.Sequential:
    scope: dict[str, object] = {"__name__": "printed"}
    exec(source(compiled), scope)
    module = scope[compiled.name]()  # type: ignore[operator]
    assert isinstance(module, nn.Sequential)
    return module


@pytest.mark.parametrize("name", ALL)
def test_it_builds_the_same_module(name: str) -> None:
    compiled = network(ALL[name])
    expected, printed = compiled.module().eval(), build(compiled).eval()
    assert repr(printed) == repr(expected)
    printed.load_state_dict(expected.state_dict())
    x = torch.randn(2, *compiled.input)
    assert torch.equal(printed(x), expected(x))


@pytest.mark.parametrize("name", stock_names())
def test_every_stock_spec_prints_its_module(name: str) -> None:
    compiled = vggc.compile(name)
    with torch.device("meta"):
        assert repr(build(compiled)) == repr(compiled.module(init=False))


def test_its_initialize_draws_the_same_schemes() -> None:
    compiled = network(SMALL)
    scope: dict[str, object] = {"__name__": "printed"}
    exec(source(compiled), scope)
    module = scope["small"]()  # type: ignore[operator]
    scope["initialize"](module)  # type: ignore[operator]
    assert module.classifier[0].weight.std().item() == pytest.approx(0.05, rel=0.2)
    assert not module.classifier[0].bias.any()


def test_it_runs_where_vggc_is_not_installed(tmp_path: Path) -> None:
    script = tmp_path / "small.py"
    script.write_text(source(network(SMALL)))
    code = f"import sys; sys.modules['vggc'] = None; import runpy; runpy.run_path({str(script)!r}, run_name='__main__')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert run.stdout == f"{network(SMALL).params:,} parameters, output (1, 5)\n"


@pytest.mark.parametrize("name", ["class", "torch", "a-b.c"])
def test_awkward_names_are_still_python(name: str) -> None:
    compiled = network(SMALL.replace("name: small", f"name: {name}"))
    compile(source(compiled), "printed.py", "exec")
