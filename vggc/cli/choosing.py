"""The commands that choose among variants: a table of those there are, a search for those there could be."""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vggc.base.diagnostics import Diagnostic, SpecError
from vggc.base.errors import ProductError
from vggc.base.words import plural
from vggc.cli import completion
from vggc.cli.common import (
    SPEC,
    Size,
    compiled,
    compiled_source,
    file_of_spec,
    limits,
    overrides,
    progress_bars,
    report,
    spec_files,
    until_layer,
)
from vggc.cli.exits import Exit
from vggc.cli.places import check_places, check_suffix, files_of_specs
from vggc.frontend.text.sources import read_source
from vggc.ir.network import Network

if TYPE_CHECKING:
    from vggc.authoring.comparing import Comparison


@click.command(short_help="Print a table of specs, or draw them.")
@click.argument("specs", nargs=-1, required=True, type=SPEC, metavar="SPEC|FOLDER...")
@overrides
@until_layer
@limits
@click.option(
    "--sort",
    metavar="COLUMN",
    shell_complete=completion.figures,
    help="Ascending by name or by a column, shown or not.",
)
@click.option("--reverse", is_flag=True, help="The other way round.")
@click.option(
    "--columns", metavar="COLUMN,...", shell_complete=completion.figures, help="Which figures, in which order."
)
@click.option(
    "--format", "style", type=click.Choice(["text", "markdown", "csv", "json"]), default="text", help="Of the table."
)
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE.svg", help="Also draw params against MACs.")
def compare(
    specs: tuple[str, ...],
    assignments: tuple[str, ...],
    until: str | None,
    max_memory: int,
    sort: str | None,
    reverse: bool,
    columns: str | None,
    style: str,
    plot: Path | None,
) -> None:
    """Print a table of specs: params, MACs, memory, sizes.

    A FOLDER stands for the specs in it and below it; a pattern such as 'specs/vgg*.yaml' for the files that it fits.
    A spec that does not compile is reported, and the others are shown.
    """
    from vggc.authoring import comparing

    keys = comparing.COLUMNS if columns is None else tuple(key.strip() for key in columns.split(","))
    _check_columns((*keys, *([sort] if sort not in (None, "name") else [])))
    check_suffix("--plot", plot, (".svg",), "the picture is an SVG")
    files = spec_files(specs)
    check_places({"--plot": [plot]}, {"spec": files_of_specs(*files)})
    found: list[Diagnostic] = []
    networks: list[Network] = []
    for spec in files:
        try:
            networks.append(compiled(spec, assignments, until, max_memory))
        except SpecError as error:
            found += error.diagnostics
    if networks:
        comparison = comparing.compare(networks, keys, sort, reverse)
        click.echo(comparing.FORMATS[style](comparison), nl=False)
        if plot is not None:
            _draw(comparison, plot)
    report(found, "text")
    if found:
        sys.exit(Exit.SPEC)


def _check_columns(keys: Iterable[str | None]) -> None:
    from vggc.authoring.network_figures import FIGURES
    from vggc.base.diagnostics import help_word

    for key in keys:
        if key not in FIGURES:
            raise click.UsageError(
                f"there is no column {key!r}; {help_word(str(key), list(FIGURES), 'there are').text}"
            )


def _draw(comparison: "Comparison", file: Path) -> None:
    from vggc.authoring import comparing
    from vggc.base.staging import write_text

    write_text(file, comparing.picture(comparison))
    click.echo(f"wrote {file}", err=True)


class _Amount(click.ParamType[int]):
    """A count with its suffix."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(
            r"(\d{1,15}(?:\.\d{1,12})?)([KMGT]?)", str(value).replace("_", "").replace(",", "").upper()
        )
        amount = round(float(match[1]) * {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[match[2]]) if match else 0
        if not amount:
            self.fail(f"{value!r} is no amount; write for example 5M", param, ctx)
        return amount


@click.command(short_help="Find the variants of a spec that stay within a budget.")
@click.argument("spec", type=SPEC)
@click.option("--max-params", type=_Amount(), metavar="AMOUNT", help="So many params at most, such as 5M.")
@click.option("--max-macs", type=_Amount(), metavar="AMOUNT", help="So many MACs per sample at most, such as 200M.")
@click.option("--max-memory", type=Size(), metavar="SIZE", help="What the weights may take, such as 20MiB.")
@click.option("--max-peak", type=Size(), metavar="SIZE", help="What the activations may take at the peak of inference.")
@click.option(
    "--vary", default="width,depth", show_default=True, metavar="WHAT,...", shell_complete=completion.varied,
    help="Of width, depth and input.",
)  # fmt: skip
@click.option("--top", type=click.IntRange(1, 100), default=5, show_default=True, help="How many to print.")
@overrides
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A folder: write them to files there.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
def fit(
    spec: str,
    max_params: int | None,
    max_macs: int | None,
    max_memory: int | None,
    max_peak: int | None,
    vary: str,
    top: int,
    assignments: tuple[str, ...],
    output: Path | None,
    force: bool,
) -> None:
    """Search the variants of a spec within a budget, and print the best as specs of a few lines.

    Varied are the width of all layers, the convolutions of a stage, and if asked for the size of the input. The best
    variant uses most of the budget, by the geometric mean over its limits; among those within 5 % of each other it is
    the one that is nearest to its parent in width, depth and input.
    """
    from vggc.authoring import fit_specs, fitting, starting
    from vggc.authoring.adapting import said

    limits = zip(fit_specs.OPTIONS, (max_params, max_macs, max_memory, max_peak), strict=True)
    budget = {key: most for key, most in limits if most is not None}
    if not budget:
        raise click.UsageError(f"set a limit: {', '.join(fit_specs.OPTIONS.values())}")
    varied = _varied(vary)
    source = read_source(file_of_spec(spec, "what the variants extend"))
    folder = output or Path()
    # Its mistakes are told as its own, not as inherited by a child that is in no file.
    name = compiled_source(source, assignments).name
    if output is not None:
        candidates = [output / f"{name}_fit{number}.yaml" for number in range(1, top + 1)]
        check_places({"-o": candidates}, {"spec": files_of_specs(spec)})
    head = fit_specs.head(f"{name}_fit", starting.extends(spec, source, folder / "fit.yaml"), said(assignments))
    with progress_bars() as progress:
        search = fitting.search(fit_specs.source(head, folder), budget, varied, progress)
    click.echo(f"tried {plural(search.tried, 'variant')} in {search.seconds:.2f} s", err=True)
    if not search.found:
        raise fit_specs.impossible(search, name, budget, varied)
    ready = fit_specs.ready(search.found[:top], head, folder, budget)
    if output is None:
        click.echo("\n".join(each.text for each in ready), nl=False)
    else:
        _write_all({output / f"{each.name}.yaml": each.text for each in ready}, force)


def _varied(words: str) -> list[str]:
    from vggc.authoring.fitting import VARIED
    from vggc.base.diagnostics import help_word

    varied = [word.strip() for word in words.split(",")]
    for word in varied:
        if word not in VARIED:
            raise click.UsageError(f"{word!r} cannot be varied; {help_word(word, VARIED, 'there are').text}")
    return [each for each in VARIED if each in varied]


def _write_all(texts: Mapping[Path, str], force: bool) -> None:
    """Write all files, or none if one of them is there."""
    from vggc.base.staging import write_text

    there = [str(path) for path in texts if path.exists()]
    if there and not force:
        raise ProductError(f"{', '.join(there)}: there already; --force replaces them, and -o writes elsewhere")
    for path, text in texts.items():
        write_text(path, text)
        click.echo(f"wrote {path}")
