"""`vggc build`: a network as Python source, picture, table and data, checked against torch."""

from collections.abc import Mapping
from pathlib import Path

import click

from vggc.base.errors import ProductError
from vggc.cli.options import SPEC, CompileOptions, compile_options
from vggc.cli.output import progress_bars
from vggc.cli.places import check_places, files_of_specs
from vggc.ir.network import Network


@click.command(short_help="Compile to PyTorch; write source, picture, table.")
@click.argument("specs", nargs=-1, required=True, type=SPEC, metavar="SPEC...")
@compile_options
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The folder. Default: exports/NAME.")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; fail if a file is out of date.")
@click.option("--save", type=click.Path(path_type=Path), help="Also save initial weights, as .safetensors or .pt.")
@click.option("--seed", default=0, show_default=True, help="The seed of the weights of --save.")
def build(
    specs: tuple[str, ...],
    options: CompileOptions,
    output: Path | None,
    only_check: bool,
    save: Path | None,
    seed: int,
) -> None:
    """Compile specs to PyTorch, check them against torch, and write source, picture, table and data."""
    if len(specs) > 1 and (output is not None or save is not None):
        raise click.UsageError("--output and --save take one spec")
    if save is not None:
        from vggc.weights.loading import check_suffix

        check_suffix(save)
    networks = {spec: options.network(spec) for spec in specs}
    _check_places(networks, output, save)
    if only_check:
        _fail_when_stale(networks, output)
        return
    for network in networks.values():
        _build(network, output)
    if save is not None:
        _save(next(iter(networks.values())), save, seed)


def _check_places(networks: Mapping[str, Network], output: Path | None, save: Path | None) -> None:
    from vggc.exporting import build as building

    places = {spec: building.places(network, output) for spec, network in networks.items()}
    check_places(places, {})
    written = [path for paths in places.values() for path in paths]
    check_places({"-o": written, "--save": [save]}, {"spec": files_of_specs(*networks)})


def _build(network: Network, output: Path | None) -> None:
    from vggc.exporting import build as building

    click.echo(building.torchinfo_summary(network, building.cross_check(network)))
    for product in building.products(network, output):
        state = "unchanged" if not product.stale else "wrote"
        building.write(product)
        click.echo(f"{state} {product.path}")


def _save(network: Network, path: Path, seed: int) -> None:
    from vggc.backends.torch import torch_module
    from vggc.weights.loading import save_weights

    with progress_bars() as progress:
        save_weights(torch_module.materialize(network, seed, progress), path)
    click.echo(f"wrote {path}, initialised with seed {seed}")


def _fail_when_stale(networks: Mapping[str, Network], output: Path | None) -> None:
    from vggc.exporting import build as building

    stale: dict[str, list[str]] = {}
    for spec, network in networks.items():
        building.cross_check(network)
        stale[spec] = [str(product.path) for product in building.products(network, output) if product.stale]
    if any(stale.values()):
        files = ", ".join(path for paths in stale.values() for path in paths)
        raise ProductError(f"stale: {files}; run: vggc build {' '.join(spec for spec in stale if stale[spec])}")
    click.echo(f"the files of {', '.join(networks)} are as `vggc build` would write them")
