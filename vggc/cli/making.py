"""The commands that make and verify products, with torch and onnx."""

from collections.abc import Mapping
from pathlib import Path

import click

from vggc.cli.common import SPEC, compiled, limits, overrides, progress_bars, until_layer
from vggc.errors import ProductError
from vggc.ir import Network


@click.command(short_help="Compile to PyTorch; write source, picture, table.")
@click.argument("specs", nargs=-1, required=True, type=SPEC, metavar="SPEC...")
@overrides
@until_layer
@limits
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
    if save is not None:
        from vggc.weights import check_suffix

        check_suffix(save)
    networks = {spec: compiled(spec, assignments, until, max_memory) for spec in specs}
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
    from vggc.weights import save_weights

    with progress_bars() as progress:
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


@click.command(short_help="Write a verified ONNX file.")
@click.argument("spec", required=False, type=SPEC)
@click.option("--onnx", "as_onnx", is_flag=True, help="Export to ONNX; the one format there is.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file; exports/NAME/NAME.onnx if left out.")
@overrides
@until_layer
@limits
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
    network = compiled(spec or "vgg16", assignments, until, max_memory)
    from vggc.export import export_onnx

    with progress_bars() as progress:
        exported = export_onnx(
            network, output, weights=weights, opset=opset, seed=seed, external_data=external_data, progress=progress
        )
    click.echo(str(exported.report))
    click.echo(f"wrote {exported.path}\nwrote {exported.path}.json")


@click.command(short_help="Verify an existing ONNX file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("spec", required=False, type=SPEC)
@overrides
@click.option("--weights", type=click.Path(path_type=Path), help="What the file ought to hold; its own if left out.")
def verify(file: Path, spec: str | None, assignments: tuple[str, ...], weights: Path | None) -> None:
    """Hold an ONNX file against a spec: the one named, or the one embedded in the file."""
    if assignments and spec is None:
        raise click.UsageError("--set changes a spec, and none is named")
    network = compiled(spec, assignments) if spec is not None else None
    from vggc.export import verify_onnx

    with progress_bars() as progress:
        report = verify_onnx(file, network, weights=weights, progress=progress)
    click.echo(str(report))
