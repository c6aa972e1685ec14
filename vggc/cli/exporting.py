"""`vggc export` and `vggc verify`: ONNX files made, and held against specs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vggc.cli.common import SPEC, Command, compiled, limits, overrides, progress_bars, until_layer
from vggc.cli.places import check_places, files_of_specs
from vggc.cli.weights import weights_file
from vggc.passes import PASSES

if TYPE_CHECKING:
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


@click.command(short_help="Write a verified ONNX file.")
@click.argument("spec", required=False, type=SPEC)
@click.option("--onnx", "as_onnx", is_flag=True, help="Export to ONNX; the one format there is.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file; exports/NAME/NAME.onnx if left out.")
@overrides
@until_layer
@limits
@click.option("--seed", default=0, show_default=True, help="Of the weights, where they are drawn.")
@weights_file
@click.option("--opset", type=int, help="From 13 to the newest that onnxruntime runs; 17, or what the passes need.")
@click.option("--external-data", is_flag=True, help="Keep the weights in a file beside; always so above 2 GiB.")
@click.option(
    "--exporter", type=click.Choice(("vggc", "torch")), default="vggc", show_default=True,
    help="Who writes the file; torch.onnx.export is a second opinion.",
)  # fmt: skip
@pass_flags
@click.option("--fp16", is_flag=True, help="Weights and arithmetic in float16; input and output stay float32.")
@click.option("--int8", is_flag=True, help="Weights in int8; with --calibration what flows between them as well.")
@click.option(
    "--calibration", default="", metavar="DIR|SOURCE",
    help="For --int8: a folder of images, or training images such as cifar10:PATH; dynamic if left out.",
)  # fmt: skip
def export(
    spec: str | None,
    as_onnx: bool,
    output: Path | None,
    assignments: tuple[str, ...],
    until: str | None,
    max_memory: int,
    seed: int,
    weights: Path | None,
    matching: "Matching",
    opset: int | None,
    external_data: bool,
    exporter: str,
    fp16: bool,
    int8: bool,
    calibration: str,
    **flags: bool,
) -> None:
    """Write an ONNX file that was verified against onnxruntime before it is there.

    Without --weights they are drawn by the spec's `init`, under --seed.
    """
    if not as_onnx:
        raise click.UsageError("name the format: vggc export SPEC --onnx")
    passes = _selected(flags)
    if fp16 and int8:
        raise click.UsageError("--fp16 and --int8 exclude each other")
    if spec is None:
        click.echo("no spec named: exporting the stock vgg16")
    network = compiled(spec or "vgg16", assignments, until, max_memory)
    from vggc.backends.onnx.publishing import report_path
    from vggc.exporting.export import default_path, export_onnx

    target = output or default_path(network)
    read = {"spec": files_of_specs(spec or "vgg16"), "weights": [weights], "map of keys": [matching.key_map_file]}
    check_places({"-o": [target, report_path(target)]}, read)
    with progress_bars() as progress:
        exported = export_onnx(
            network,
            target,
            weights=weights,
            matching=matching,
            opset=opset,
            seed=seed,
            passes=passes,
            precision="float16" if fp16 else "int8" if int8 else "float32",
            calibration=calibration,
            external_data=external_data,
            exporter="torch" if exporter == "torch" else "vggc",
            progress=progress,
        )
    if exported.weights is not None:
        click.echo(str(exported.weights))
    click.echo(str(exported.report))
    click.echo(f"wrote {exported.path}\nwrote {report_path(exported.path)}")


@click.command(short_help="Verify an existing ONNX file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("spec", required=False, type=SPEC)
@overrides
@until_layer
@limits
@weights_file
@click.option("--calibration", default="", metavar="DIR|SOURCE", help="Images to compare an int8 file on.")
def verify(
    file: Path,
    spec: str | None,
    assignments: tuple[str, ...],
    until: str | None,
    max_memory: int,
    weights: Path | None,
    matching: "Matching",
    calibration: str,
) -> None:
    """Hold an ONNX file against a spec: the one named, or the one embedded in the file.

    Without --weights the file's own are taken, and held against the checksums that were exported with them.

    Exit codes: 0 verified, 3 the file cannot be read or run, 4 a mismatch, 5 inconclusive.
    """
    if assignments and spec is None:
        raise click.UsageError("--set changes a spec, and none is named")
    if until is not None and spec is None:
        raise click.UsageError("--until cuts a spec, and none is named; the spec in a file is cut as the file says")
    if matching.allow_missing:
        raise click.UsageError("not supported: --allow-missing: a file is verified against weights that are known")
    network = compiled(spec, assignments, until, max_memory) if spec is not None else None
    from vggc.verify.verify_file import verify_onnx

    with progress_bars() as progress:
        report = verify_onnx(
            file,
            network,
            weights=weights,
            matching=matching,
            calibration=calibration,
            progress=progress,
        )
    click.echo(str(report))
