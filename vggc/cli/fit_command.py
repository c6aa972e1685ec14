"""`vggc fit`: the variants of a spec that stay within a budget."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from vggc.base.diagnostics import help_word
from vggc.base.errors import ProductError
from vggc.base.words import FACTORS, plural
from vggc.cli import shell_completion
from vggc.cli.options import SPEC, CompileOptions, Size, as_record, overrides, require_file
from vggc.cli.output import progress_bars
from vggc.cli.places import check_places, files_of_specs
from vggc.frontend.text.sources import read_source


class _Amount(click.ParamType[int]):
    """A count with its suffix."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(
            r"(\d{1,15}(?:\.\d{1,12})?)([KMGT]?)", str(value).replace("_", "").replace(",", "").upper()
        )
        amount = round(float(match[1]) * FACTORS.get(match[2], 1)) if match else 0
        if not amount:
            self.fail(f"{value!r} is not an amount; write it like 5M", param, ctx)
        return amount


@click.command(short_help="Find the variants of a spec that stay within a budget.")
@click.argument("spec", type=SPEC)
@click.option("--max-params", "params", type=_Amount(), metavar="AMOUNT", help="The most params, such as 5M.")
@click.option("--max-macs", "macs", type=_Amount(), metavar="AMOUNT", help="The most MACs per sample, such as 200M.")
@click.option(
    "--max-memory", "weight_bytes", type=Size(), metavar="SIZE", help="The most memory for the weights, such as 20MiB."
)
@click.option(
    "--max-peak", "peak_activation_bytes", type=Size(), metavar="SIZE",
    help="The most memory for the activations at the peak of inference.",
)  # fmt: skip
@click.option(
    "--vary", default="width,depth", show_default=True, metavar="WHAT,...", shell_complete=shell_completion.varied,
    help="What to vary, of width, depth and input.",
)  # fmt: skip
@click.option("--top", type=click.IntRange(1, 100), default=5, show_default=True, help="How many variants to print.")
@as_record("options", CompileOptions, overrides)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the variants to files in this folder.")
@click.option("--force", is_flag=True, help="Replace existing files.")
def fit(
    spec: str,
    vary: str,
    top: int,
    options: CompileOptions,
    output: Path | None,
    force: bool,
    **limits: int | None,
) -> None:
    """Search the variants of a spec within a budget, and print the best as specs of a few lines.

    The width of all layers and the convolutions of each stage are varied, and the size of the input if --vary names
    it. The best variant uses most of the budget, by the geometric mean over its limits; of those within 5 % of each
    other, the one nearest to its parent in width, depth and input is the better.
    """
    from vggc.authoring import fit_specs, starting, variant_search
    from vggc.authoring.adapting import changes_of

    budget = {key: limit for key in fit_specs.OPTIONS if (limit := limits[key]) is not None}
    if not budget:
        raise click.UsageError(f"set a limit: {', '.join(fit_specs.OPTIONS.values())}")
    varied = _varied(vary)
    require_file(spec, "what the variants extend")
    source = read_source(spec)
    folder = output or Path()
    name = options.network_of_source(source).name  # compiled first, so that its errors are reported as its own
    if output is not None:
        targets = [output / f"{name}_fit{number}.yaml" for number in range(1, top + 1)]
        check_places({"-o": targets}, {"spec": files_of_specs(spec)})
    extends = starting.extends(spec, source, folder / "fit.yaml")
    head = fit_specs.head(f"{name}_fit", extends, changes_of(options.tables))
    with progress_bars() as progress:
        search = variant_search.search(fit_specs.source(head, folder), budget, varied, progress)
    click.echo(f"tried {plural(search.tried, 'variant')} in {search.seconds:.2f} s", err=True)
    if not search.variants:
        raise fit_specs.impossible(search, name, budget, varied)
    specs = fit_specs.fitted_specs(search.variants[:top], head, folder, budget)
    if output is None:
        click.echo("\n".join(fitted.text for fitted in specs), nl=False)
    else:
        _write_all({output / f"{fitted.name}.yaml": fitted.text for fitted in specs}, force)


def _varied(text: str) -> list[str]:
    from vggc.authoring.variant_search import VARIED

    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in VARIED:
            raise click.UsageError(f"{word!r} cannot be varied; {help_word(word, VARIED, 'there are').text}")
    return [word for word in VARIED if word in words]


def _write_all(texts: Mapping[Path, str], force: bool) -> None:
    """Write all files, or none if one of them exists."""
    from vggc.base.staging import write_text

    existing = [str(path) for path in texts if path.exists()]
    if existing and not force:
        raise ProductError(f"{', '.join(existing)}: already there; --force replaces them, and -o writes elsewhere")
    for path, text in texts.items():
        write_text(path, text)
        click.echo(f"wrote {path}")
