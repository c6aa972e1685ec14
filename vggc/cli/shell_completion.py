"""`vggc completion`, and the completions of the other commands: stock names, spec files, layers, codes."""

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:  # only completing needs it, not running a command
    from click.shell_completion import CompletionItem

SHELLS: Final = ("bash", "zsh", "fish")
VARIABLE: Final = "_VGGC_COMPLETE"  # by which the shell's script asks for completions, as click names it
SUFFIXES: Final = (".yaml", ".yml")

Items = list["CompletionItem[Any]"]


@click.command(short_help="Print the script that completes words in a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script by which a shell completes commands, options, specs and layers.

    In ~/.bashrc: eval "$(vggc completion bash)"; in ~/.zshrc: eval "$(vggc completion zsh)"; fish: vggc completion
    fish > ~/.config/fish/completions/vggc.fish
    """
    from click.shell_completion import get_completion_class

    completer = get_completion_class(shell)
    cli = click.get_current_context().find_root().command
    assert completer is not None  # click has all three
    script = completer(cli, {}, "vggc", VARIABLE).source()
    # With `-o filenames` bash puts a backslash before spaces.
    click.echo(script.replace("complete -o nosort", "complete -o nosort -o filenames"), nl=False)


def specs(incomplete: str) -> Items:
    """Stock names, spec files, and folders."""
    # The shell completes folders, without a space after them. They come first: bash drops what is before them.
    from click.shell_completion import CompletionItem

    from vggc.frontend.text.sources import stock_names

    stock = _beginning(incomplete, ((name, "stock spec") for name in stock_names()))
    return [CompletionItem(incomplete, type="dir"), *stock, *map(CompletionItem, _files(incomplete))]


def _files(incomplete: str) -> Iterator[str]:
    folder, begin = os.path.split(incomplete)
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        return
    for name in names:
        if name.startswith(begin) and name.endswith(SUFFIXES) and (begin or not name.startswith(".")):
            yield os.path.join(folder, name)


def layers(ctx: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """The aliases of the layers of the spec on the command line; none if it cannot be read."""
    from vggc import pipeline
    from vggc.base.diagnostics import SpecError
    from vggc.frontend.text import inherit
    from vggc.frontend.text.sources import read_source

    spec = _spec(ctx)
    if spec is None:
        return []
    try:
        tables = [inherit.parse_assignment(assignment) for assignment in ctx.params.get("assignments") or ()]
        graph = pipeline.read_graph(read_source(spec), tables)
    except SpecError:
        return []
    return _beginning(incomplete, ((node.alias, node.layer.kind) for node in graph.nodes))


def _spec(ctx: click.Context) -> str | None:
    """The first spec of a command line that ends with an option without its value.

    Click's parser stops at that option, and leaves the words before it unassigned.
    """
    words = [*ctx.args, ctx.params.get("spec"), *(ctx.params.get("specs") or ()), ctx.params.get("a")]
    return next((word for word in words if word), None)


def codes(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    """The codes of errors and warnings."""
    from vggc.base.codes import CODES

    return _beginning(incomplete.upper(), ((name, code.title) for name, code in CODES.items()))


def warnings(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    """The names of warnings."""
    from vggc.base.codes import CODES

    return _beginning(incomplete, ((code.name, code.title) for code in CODES.values() if code.name))


def figures(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    """The columns of a comparison, for the last word of a list."""
    from vggc.authoring.network_figures import FIGURES

    return _last_of_list(incomplete, ((key, figure.label) for key, figure in FIGURES.items()))


def varied(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    """What `vggc fit` can vary and is not in the list yet, for the last word of a list."""
    from vggc.authoring.variant_search import VARIED

    return _last_of_list(incomplete, ((word, "") for word in VARIED if word not in incomplete.split(",")[:-1]))


def _last_of_list(incomplete: str, words: Iterable[tuple[str, str]]) -> Items:
    """Completions of the last word of a list that is separated by commas."""
    before, comma = incomplete.rpartition(",")[:2]
    return _beginning(incomplete, ((f"{before}{comma}{word}", help) for word, help in words))


def _beginning(incomplete: str, words: Iterable[tuple[str, str]]) -> Items:
    from click.shell_completion import CompletionItem

    return [CompletionItem(word, help=help) for word, help in words if word.startswith(incomplete)]
