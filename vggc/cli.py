"""Words on the command line -> pipeline calls; prints, and exits with a code that says what happened."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from vggc import pipeline
from vggc.diagnostics import Diagnostic, SpecError
from vggc.errors import ProductError, VerificationError
from vggc.frontend import inherit
from vggc.frontend.sources import read_source, specs_below, stock_names
from vggc.ir import Network
from vggc.progress import Progress, silent
from vggc.shapes import MAX_MEMORY
from vggc.version import __version__

FORMATS: Final = ("text", "json", "sarif", "github")

Command = TypeVar("Command", bound=Callable[..., Any])


class Exit(IntEnum):
    """What the exit code of a command says."""

    FINE = 0
    SPEC = 1
    USAGE = 2
    FAILED = 3
    MISMATCH = 4
    INCONCLUSIVE = 5


class _Size(click.ParamType[int]):
    """A number of bytes with its unit."""

    name = "size"
    _units: Final = {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40, "KB": 10**3, "MB": 10**6, "GB": 10**9}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        words = str(value).replace(" ", "").upper()
        unit = next((each for each in self._units if words.endswith(each)), "")
        try:
            return int(float(words.removesuffix(unit)) * self._units.get(unit, 1))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no size; write for example 8GiB", param, ctx)


def _overrides(command: Command) -> Command:
    decorate = click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE",
        help="Override a value of the spec for this run, such as classes=10 or input=[3,64,64].",
    )  # fmt: skip
    return decorate(command)


def _limits(command: Command) -> Command:
    decorate = click.option(
        "--max-memory", type=_Size(), default=MAX_MEMORY, metavar="SIZE",
        help="What the weights may take, such as 8GiB, which is the default.",
    )  # fmt: skip
    return decorate(command)


def _until(command: Command) -> Command:
    decorate = click.option("--until", metavar="LAYER", help="End the network after this layer, such as relu3_3.")
    return decorate(command)


def _compiled(spec: str, assignments: Sequence[str], until: str | None = None, max_memory: int = MAX_MEMORY) -> Network:
    tables = [inherit.from_words(each) for each in assignments]
    return pipeline.compile_source(read_source(spec), tables, until=until, max_memory=max_memory)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vggc")
def cli() -> None:
    """Compile YAML specs of convolutional networks into PyTorch and verified ONNX.

    SPEC is the path of a spec, or the name of a stock spec such as vgg16.
    """


@cli.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC|FOLDER...")
@_overrides
@_limits
@click.option("--allow", multiple=True, metavar="WARNING", help="Switch a warning off, by name or code.")
@click.option("--format", "style", type=click.Choice(FORMATS), default="text", help="Of the report.")
@click.option("--watch", is_flag=True, help="Check again whenever a spec or one of its parents is saved.")
def check(
    specs: tuple[str, ...],
    assignments: tuple[str, ...],
    max_memory: int,
    allow: tuple[str, ...],
    style: str,
    watch: bool,
) -> None:
    """Validate specs and infer their shapes, without importing torch.

    A FOLDER stands for the specs in it and below it; a pattern such as 'specs/vgg*.yaml' for the files that it fits.
    """
    _check_warnings(allow)

    def run() -> bool:
        return _check(_files(specs), assignments, max_memory, allow, style)

    fine = run()
    if watch:
        from vggc.watching import until_interrupted

        until_interrupted([Path(spec) for spec in _files(specs)], run)
    if not fine:
        sys.exit(Exit.SPEC)


def _check_warnings(names: Sequence[str]) -> None:
    from vggc.codes import CODES, WARNINGS

    for name in names:
        if name not in WARNINGS and (name not in CODES or not name.startswith("W")):
            raise click.UsageError(f"there is no warning {name}; there are {', '.join(WARNINGS)}")


def _files(specs: Sequence[str]) -> list[str]:
    """The specs that are meant: folders and patterns become the files that they stand for."""
    files: list[str] = []
    for spec in specs:
        if Path(spec).is_dir():
            found = [str(path) for path in specs_below(Path(spec))]
        elif any(char in spec for char in "*?[") and not Path(spec).exists():
            found = [str(path) for path in sorted(Path().glob(spec))]
        else:
            found = [spec]
        if not found:
            raise click.UsageError(f"there are no specs in {spec}")
        files += found
    return files


def _check(specs: Sequence[str], assignments: Sequence[str], max_memory: int, allow: Sequence[str], style: str) -> bool:
    """Check every spec and report; whether all of them are fine."""
    from vggc import lints

    found: list[Diagnostic] = []
    for spec in specs:
        try:
            network = _compiled(spec, assignments, max_memory=max_memory)
        except SpecError as error:
            found += error.diagnostics
            continue
        found += lints.check(network, allow)
        if style == "text":
            click.echo(f"{spec}: {network.name} is fine: {_summary(network)}")
    _report(found, style)
    return not any(each.severity == "error" for each in found)


def _summary(network: Network) -> str:
    by = " x ".join
    shapes = f"{by(map(str, network.input))} -> {by(map(str, network.output))}"
    return f"{shapes}, {network.params:,} params, {network.macs:,} MACs"


def _report(found: Sequence[Diagnostic], style: str) -> None:
    if style == "text" and not found:
        return
    from vggc import reporters

    if style != "text":
        click.echo(reporters.FORMATS[style](found))
    else:
        click.echo(reporters.report(found, color=sys.stderr.isatty()), err=True, nl=False)


@cli.command()
@click.argument("spec")
@_overrides
@_until
@_limits
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table.")
def shapes(spec: str, assignments: tuple[str, ...], until: str | None, max_memory: int, as_json: bool) -> None:
    """Print every layer's shape, params, MACs and receptive field, and the totals."""
    from vggc import backends

    network = _compiled(spec, assignments, until, max_memory)
    click.echo(backends.load("network_json" if as_json else "text_summary").emit(network), nl=False)


@cli.command()
@click.argument("spec")
@_overrides
@_until
def expand(spec: str, assignments: tuple[str, ...], until: str | None) -> None:
    """Print the canonical spec: every layer written out, every inherited value in place."""
    from vggc import backends

    tables = [inherit.from_words(each) for each in assignments]
    graph = pipeline.read_graph(read_source(spec), tables, until=until)
    click.echo(backends.load("yaml_spec").emit(graph), nl=False)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of specs, for editors."""
    from vggc.frontend.schema import published_text

    click.echo(published_text(), nl=False)


@cli.command("list")
def list_stock() -> None:
    """Print the stock specs and their sizes."""
    names = stock_names()
    for name in names:
        click.echo(f"{name:{max(map(len, names))}}  {_summary(pipeline.compile(name))}")


@cli.command()
@click.argument("codes", nargs=-1, metavar="[CODE]...")
def explain(codes: tuple[str, ...]) -> None:
    """Say what the codes of errors mean; all of them in a line each where none is named."""
    from vggc.codes import CODES

    for code in codes:
        if code.upper() not in CODES:
            raise click.UsageError(f"there is no code {code}; `vggc explain` lists them")
        found = CODES[code.upper()]
        click.echo(f"{code.upper()}: {found.title}\n")
        click.echo(click.wrap_text(found.explanation, width=100) + "\n")
    if not codes:
        for code, found in CODES.items():
            click.echo(f"{code}  {found.title}")


@cli.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@_overrides
@_until
@_limits
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The folder; exports/NAME if left out.")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; fail when a file is stale.")
@click.option("--save", type=click.Path(path_type=Path), help="Draw the weights, and save them as .safetensors or .pt.")
@click.option("--seed", default=0, show_default=True, help="Of the weights that --save draws.")
def build(
    specs: tuple[str, ...],
    assignments: tuple[str, ...],
    until: str | None,
    max_memory: int,
    output: Path | None,
    only_check: bool,
    save: Path | None,
    seed: int,
) -> None:
    """Compile specs to PyTorch, check them against torch, and write source, picture, table and data."""
    if len(specs) > 1 and (output is not None or save is not None):
        raise click.UsageError("--output and --save take one spec")
    networks = {spec: _compiled(spec, assignments, until, max_memory) for spec in specs}
    if only_check:
        _fail_when_stale(networks, output)
        return
    for network in networks.values():
        _build(network, output)
    if save is not None:
        _save(next(iter(networks.values())), save, seed)


def _build(network: Network, output: Path | None) -> None:
    from vggc import build as building

    click.echo(building.torchinfo_summary(network, building.cross_check(network)))
    for product in building.products(network, output):
        state = "unchanged" if not product.stale else "wrote"
        building.write(product)
        click.echo(f"{state} {product.path}")


def _save(network: Network, path: Path, seed: int) -> None:
    from vggc.backends import torch_module
    from vggc.weights import check_suffix, save_weights

    check_suffix(path)
    with _progress() as progress:
        save_weights(torch_module.materialize(network, seed, progress), path)
    click.echo(f"wrote {path}, drawn with seed {seed}")


def _fail_when_stale(networks: Mapping[str, Network], output: Path | None) -> None:
    from vggc import build as building

    stale: dict[str, list[str]] = {}
    for spec, network in networks.items():
        building.cross_check(network)
        stale[spec] = [str(product.path) for product in building.products(network, output) if product.stale]
    if any(stale.values()):
        files = ", ".join(path for paths in stale.values() for path in paths)
        raise ProductError(f"stale: {files}; run: vggc build {' '.join(spec for spec in stale if stale[spec])}")
    click.echo(f"the files of {', '.join(networks)} are as `vggc build` would write them")


@cli.command()
@click.argument("spec", required=False)
@click.option("--onnx", "as_onnx", is_flag=True, help="Export to ONNX; the one format there is.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file; exports/NAME/NAME.onnx if left out.")
@_overrides
@_until
@_limits
@click.option("--weights", type=click.Path(path_type=Path), help="A .safetensors or torch file; drawn if left out.")
@click.option("--opset", default=17, show_default=True, help="From 13 to the newest that onnxruntime runs.")
@click.option("--seed", default=0, show_default=True, help="Of the weights, where they are drawn.")
@click.option("--external-data", is_flag=True, help="Keep the weights in a file beside; always so above 2 GiB.")
def export(
    spec: str | None,
    as_onnx: bool,
    output: Path | None,
    assignments: tuple[str, ...],
    until: str | None,
    max_memory: int,
    weights: Path | None,
    opset: int,
    seed: int,
    external_data: bool,
) -> None:
    """Write an ONNX file that was verified against onnxruntime before it is there."""
    if not as_onnx:
        raise click.UsageError("name the format: vggc export SPEC --onnx")
    if spec is None:
        click.echo("no spec named: exporting the stock vgg16")
    network = _compiled(spec or "vgg16", assignments, until, max_memory)
    from vggc.export import export_onnx

    with _progress() as progress:
        exported = export_onnx(
            network, output, weights=weights, opset=opset, seed=seed, external_data=external_data, progress=progress
        )
    click.echo(str(exported.report))
    click.echo(f"wrote {exported.path}\nwrote {exported.path}.json")


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("spec", required=False)
@_overrides
@click.option("--weights", type=click.Path(path_type=Path), help="What the file ought to hold; its own if left out.")
def verify(file: Path, spec: str | None, assignments: tuple[str, ...], weights: Path | None) -> None:
    """Hold an ONNX file against a spec: the one named, or the one embedded in the file."""
    if assignments and spec is None:
        raise click.UsageError("--set changes a spec, and none is named")
    network = _compiled(spec, assignments) if spec is not None else None
    from vggc.export import verify_onnx

    with _progress() as progress:
        report = verify_onnx(file, network, weights=weights, progress=progress)
    click.echo(str(report))


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar for each kind of work, on a terminal; silence otherwise."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield advance


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every failure ends in a message and an exit code, none in a traceback."""
    try:
        cli.main(arguments, prog_name="vggc", standalone_mode=False)
    except SpecError as error:
        _report(error.diagnostics, "text")
        sys.exit(Exit.SPEC)
    except click.ClickException as error:
        error.show()
        sys.exit(Exit.USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except VerificationError as error:
        click.echo(str(error.report))
        click.echo(f"error: {error}", err=True)
        sys.exit(Exit.MISMATCH if error.report.verdict == "mismatch" else Exit.INCONCLUSIVE)
    except ProductError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(Exit.FAILED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(Exit.FINE)
    except Exception as error:
        _internal(error)
        sys.exit(Exit.FAILED)


def _internal(error: Exception) -> None:
    """An error of ours: say so, and leave what is needed to report it in a file rather than on the screen."""
    import platform
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="vggc-", suffix=".log", delete=False) as log:
        print(f"vggc {__version__}, Python {platform.python_version()}, {platform.platform()}", file=log)
        print(f"arguments: {sys.argv[1:]}", file=log)
        traceback.print_exception(error, file=log)
    click.echo(f"internal error: {type(error).__name__}: {error}", err=True)
    click.echo(f"This is a bug in vggc, not in your spec. Please report it with {log.name} attached.", err=True)


if __name__ == "__main__":
    main()
