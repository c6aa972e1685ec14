"""`vggc check`: specs compiled and their mistakes reported, once or whenever a file is saved."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from vggc.analysis import lints
from vggc.base.codes import CODES, WARNINGS
from vggc.base.diagnostics import Diagnostic, SpecError
from vggc.cli import shell_completion
from vggc.cli.exits import Exit
from vggc.cli.options import SPEC, STDIN, CompileOptions, as_record, limits, overrides, spec_files
from vggc.cli.output import report, summary
from vggc.cli.reporters import FORMATS
from vggc.frontend.text.detection import is_spec_file
from vggc.frontend.text.sources import find_spec, stock_folder


@click.command(short_help="Validate specs and infer their shapes.")
@click.argument("specs", nargs=-1, required=True, type=SPEC, metavar="SPEC|FOLDER...")
@as_record("options", CompileOptions, overrides, limits)
@click.option(
    "--allow", multiple=True, metavar="WARNING", shell_complete=shell_completion.warnings,
    help="Switch a warning off, by its name or code.",
)  # fmt: skip
@click.option(
    "--format", "style", type=click.Choice(list(FORMATS)), default="text", show_default=True,
    help="The format of the report.",
)  # fmt: skip
@click.option("--only-specs", is_flag=True, help="Skip YAML files that do not have the key `vggc` with its version.")
@click.option("--watch", is_flag=True, help="Check again whenever a spec or one of its parents is saved.")
def check(
    specs: tuple[str, ...], options: CompileOptions, allow: tuple[str, ...], style: str, only_specs: bool, watch: bool
) -> None:
    """Validate specs and infer their shapes, without importing torch.

    A FOLDER means all specs in it and below it, a pattern such as 'specs/vgg*.yaml' all files that match it.
    """
    for name in allow:
        if name not in WARNINGS and (name not in CODES or not name.startswith("W")):
            raise click.UsageError(f"there is no warning {name}; there are {', '.join(WARNINGS)}")
    if watch and STDIN in specs:
        raise click.UsageError("--watch needs files, and standard input is not one")

    def run() -> bool:
        files = [spec for spec in spec_files(specs) if not only_specs or spec == STDIN or is_spec_file(find_spec(spec))]
        return _check(files, options, allow, style)

    passed = run()
    if watch:
        _repeat_when_saved([Path(spec) for spec in spec_files(specs)], run)
    if not passed:
        sys.exit(Exit.SPEC)


def _check(specs: Sequence[str], options: CompileOptions, allow: Sequence[str], style: str) -> bool:
    """Check every spec and report; whether none has an error."""
    diagnostics: list[Diagnostic] = []
    for spec in specs:
        try:
            network = options.network(spec)
        except SpecError as error:
            diagnostics += error.diagnostics
            continue
        diagnostics += lints.check(network, allow)
        if style == "text":
            click.echo(f"{'<stdin>' if spec == STDIN else spec}: {network.name} is fine: {summary(network)}")
    report(diagnostics, style)
    return not any(diagnostic.severity == "error" for diagnostic in diagnostics)


def _repeat_when_saved(files: Sequence[Path], run: Callable[[], object]) -> None:
    """Run whenever a YAML file is saved in the folder of one of the files, where their parents usually are, too."""
    from watchfiles import watch

    folders = {find_spec(file).resolve().parent for file in files} - {stock_folder().resolve()}
    watched = sorted(str(folder) for folder in folders if folder.is_dir())
    click.echo(f"watching {', '.join(watched)}; Ctrl-C ends", err=True)
    for changes in watch(*watched, watch_filter=_is_yaml, raise_interrupt=False, debounce=200):
        names = sorted({Path(name).name for _, name in changes})
        click.echo(f"\n{', '.join(names)} changed", err=True)
        run()


def _is_yaml(_: object, path: str) -> bool:
    return path.endswith((".yaml", ".yml"))
