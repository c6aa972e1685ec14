"""`vggc import`: an ONNX file or a torch model becomes a spec."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vggc.cli.exporting import files_of_model
from vggc.cli.options import limits
from vggc.cli.output import progress_bars
from vggc.cli.places import check_places, check_suffix
from vggc.cli.shell_completion import SUFFIXES

if TYPE_CHECKING:
    from vggc.importing.result import Imported


class _Image(click.ParamType[tuple[int, ...]]):
    """Channels, height and width."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"\[?\s*[1-9]\d*\s*(,\s*[1-9]\d*\s*){2}\]?", str(value)):
            self.fail(f"{value!r} is no size of an image; write for example 3,224,224", param, ctx)
        return tuple(int(size) for size in re.findall(r"\d+", str(value)))


@click.command("import", short_help="Recover a spec from an ONNX file or a torch model.")
@click.argument("model", required=False, type=click.Path(path_type=Path), metavar="[MODEL.onnx]")
@click.option(
    "--torch", "attribute", metavar="MODULE:ATTRIBUTE", help="A torch model instead; runs that module's code."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The spec; printed if left out, or `-`.")
@click.option("--weights-out", type=click.Path(path_type=Path), help="Keep the weights as .safetensors or .pt.")
@click.option("--input", "input", type=_Image(), metavar="C,H,W", help="The input, where the model leaves it open.")
@limits
def import_(
    model: Path | None,
    attribute: str | None,
    output: Path | None,
    weights_out: Path | None,
    input: tuple[int, ...] | None,
    max_memory: int,
) -> None:
    """Recover the spec of a sequential network from an ONNX file, whoever made it, or from a torch model.

    The spec is compiled, loaded with the recovered weights, and compared with the original before it is written.
    """
    if (model is None) == (attribute is None):
        raise click.UsageError("name an ONNX file, or a torch model with --torch MODULE:ATTRIBUTE")
    if attribute is not None and (not re.fullmatch(r"[\w.]+:[\w.]+", attribute) or input is None):
        raise click.UsageError("a torch model is named as --torch module:attribute --input 3,224,224")
    if output == Path("-"):
        output = None
    _check_suffixes(output, weights_out)
    read = files_of_model(model) if model is not None else ()
    check_places({"-o": [output], "--weights-out": [weights_out]}, {"model": read})
    with progress_bars() as progress:
        if attribute is not None and input is not None:
            from vggc.importing.torch_import import find_model, import_torch

            click.echo(f"running the code of {attribute.partition(':')[0]}", err=True)
            imported = import_torch(find_model(attribute), input, name=attribute, progress=progress)
        else:
            from vggc.importing.onnx_import import import_onnx

            assert model is not None
            imported = import_onnx(model, input=input, max_memory=max_memory, progress=progress)
    _deliver(imported, output, weights_out)


def _check_suffixes(output: Path | None, weights_out: Path | None) -> None:
    """Before anything is read: a spec without the name of one is nothing that the other commands would find."""
    check_suffix("-o", output, SUFFIXES, "a spec ends in .yaml or .yml")
    if weights_out is not None:
        from vggc.weights import loading

        loading.check_suffix(weights_out)


def _deliver(imported: "Imported", output: Path | None, weights_out: Path | None) -> None:
    """Write or print the spec; the report goes to stderr where the spec goes to stdout."""
    from vggc.importing.result import write

    write(imported, output, weights_out)
    to_stderr = output is None
    click.echo(str(imported.report), err=to_stderr)
    if output is None:
        click.echo(imported.text, nl=False)
    for path in filter(None, (output, weights_out)):
        click.echo(f"wrote {path}", err=to_stderr)
    if weights_out is None:
        click.echo("the weights were not kept; add --weights-out FILE.safetensors to keep them", err=to_stderr)
