"""`vggc export` and `vggc verify`: ONNX files, written from specs and compared with specs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from vggc.cli.options import SPEC, Command, CompileOptions, as_record, compile_options
from vggc.cli.output import progress_bars
from vggc.cli.places import check_places, files_of_specs
from vggc.cli.weights_options import weights_file
from vggc.passes import PASSES

if TYPE_CHECKING:
    from vggc.verify.report import Precision
    from vggc.weights.key_matching import Matching


def pass_flags(command: Command) -> Command:
    """A flag for each pass of the table."""
    for change in reversed(PASSES.values()):
        if change.always:
            flags = f"{change.flag}/--no-{change.flag.removeprefix('--')}"
            option = click.option(flags, change.name, default=True, show_default=True, help=change.help)
        else:
            option = click.option(change.flag, change.name, is_flag=True, help=change.help)
        command = option(command)
    return command


def _selected(flags: Mapping[str, bool]) -> list[str]:
    """The names of the passes that the command line asks for."""
    for name, change in PASSES.items():
        if change.always and not flags[name]:
            raise click.UsageError(f"not supported: --no-{change.flag.removeprefix('--')}: {change.help}")
    return [name for name, change in PASSES.items() if flags[name] and not change.always]


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How an ONNX file is written: the options of `vggc export` that are not about the spec, its weights or passes."""

    seed: int
    opset: int | None
    external_data: bool
    exporter: Literal["vggc", "torch"]
    fp16: bool
    int8: bool
    calibration: str

    @property
    def precision(self) -> "Precision":
        """What `--fp16` and `--int8` ask for."""
        if self.fp16 and self.int8:
            raise click.UsageError("--fp16 and --int8 exclude each other")
        return "float16" if self.fp16 else "int8" if self.int8 else "float32"


file_options = as_record(
    "file",
    FileOptions,
    click.option("--seed", default=0, show_default=True, help="The seed of the initial weights."),
    click.option("--opset", type=int, help="From 13 to the newest that onnxruntime runs; 17, or what the passes need."),
    click.option("--external-data", is_flag=True, help="Write the weights to a second file; always so above 2 GiB."),
    click.option(
        "--exporter", type=click.Choice(("vggc", "torch")), default="vggc", show_default=True,
        help="What writes the file; torch.onnx.export is a second opinion.",
    ),
    click.option("--fp16", is_flag=True, help="Weights and arithmetic in float16; input and output stay float32."),
    click.option("--int8", is_flag=True, help="Weights in int8; with --calibration activations as well."),
    click.option(
        "--calibration", default="", metavar="DIR|SOURCE",
        help="For --int8: a folder of images, or training images such as cifar10:PATH. Default: dynamic quantisation.",
    ),
)  # fmt: skip


@click.command(short_help="Write a verified ONNX file.")
@click.argument("spec", required=False, type=SPEC)
@click.option("--onnx", "as_onnx", is_flag=True, help="Export to ONNX, the only format.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file. Default: exports/NAME/NAME.onnx.")
@compile_options
@weights_file
@file_options
@pass_flags
def export(
    spec: str | None,
    as_onnx: bool,
    output: Path | None,
    options: CompileOptions,
    weights: Path | None,
    matching: "Matching",
    file: FileOptions,
    **flags: bool,
) -> None:
    """Write an ONNX file, after verifying it with onnxruntime.

    Without --weights the network is initialised as the spec's `init` says, with the seed of --seed.
    """
    if not as_onnx:
        raise click.UsageError("name the format: vggc export SPEC --onnx")
    passes, precision = _selected(flags), file.precision
    if spec is None:
        click.echo("no spec named: exporting the stock vgg16")
    network = options.network(spec or "vgg16")
    from vggc.backends.onnx.publishing import report_path
    from vggc.exporting.export import default_path, export_onnx

    target = output or default_path(network)
    inputs = {"spec": files_of_specs(spec or "vgg16"), "weights": [weights], "map of keys": [matching.key_map_file]}
    check_places({"-o": [target, report_path(target)]}, inputs)
    with progress_bars() as progress:
        exported = export_onnx(
            network,
            target,
            weights=weights,
            matching=matching,
            opset=file.opset,
            seed=file.seed,
            passes=passes,
            precision=precision,
            calibration=file.calibration,
            external_data=file.external_data,
            exporter=file.exporter,
            progress=progress,
        )
    if exported.weights is not None:
        click.echo(str(exported.weights))
    click.echo(str(exported.report))
    click.echo(f"wrote {exported.path}\nwrote {report_path(exported.path)}")


@click.command(short_help="Verify an existing ONNX file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("spec", required=False, type=SPEC)
@compile_options
@weights_file
@click.option("--calibration", default="", metavar="DIR|SOURCE", help="Images on which an int8 file is compared.")
def verify(
    file: Path,
    spec: str | None,
    options: CompileOptions,
    weights: Path | None,
    matching: "Matching",
    calibration: str,
) -> None:
    """Compare an ONNX file with SPEC, or with the spec that is embedded in the file.

    Without --weights, the weights in the file are used, and compared with the checksums that were exported with them.

    Exit codes: 0 verified, 3 the file cannot be read or run, 4 a mismatch, 5 inconclusive.
    """
    if options.assignments and spec is None:
        raise click.UsageError("--set changes a spec, and none is named")
    if options.until is not None and spec is None:
        raise click.UsageError("--until cuts a spec, and none is named; the file says where its own spec is cut")
    if matching.allow_missing:
        raise click.UsageError("not supported: --allow-missing: a file is verified with weights that are known")
    network = options.network(spec) if spec is not None else None
    from vggc.verify.verify_file import verify_onnx

    with progress_bars() as progress:
        report = verify_onnx(
            file, network, weights=weights, matching=matching, calibration=calibration, progress=progress
        )
    click.echo(str(report))


def files_of_model(path: Path) -> Iterator[Path]:
    """An ONNX file, and the files beside it that hold its weights.

    Raises:
        ProductError: it cannot be read.
    """
    yield path
    from vggc.verify.model_file import data_files, read_model

    yield from data_files(path, read_model(path))
