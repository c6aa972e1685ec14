"""The command line: its commands, and the exit code and message of every failure."""

import sys
from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Final

import click

from vggc.base.diagnostics import SpecError, help_word
from vggc.base.errors import ProductError, VerificationError
from vggc.base.signals import signals_as_exceptions
from vggc.base.version import __version__
from vggc.base.words import quoted
from vggc.cli.exits import Exit

# The commands in the order of `vggc --help`; the module of a command is imported only when the command is used.
COMMANDS: Final = {
    "check": "vggc.cli.check_command:check",
    "shapes": "vggc.cli.print_commands:shapes",
    "expand": "vggc.cli.print_commands:expand",
    "new": "vggc.cli.new_command:new",
    "diff": "vggc.cli.diff_command:diff",
    "compare": "vggc.cli.compare_command:compare",
    "fit": "vggc.cli.fit_command:fit",
    "draw": "vggc.cli.draw_command:draw",
    "build": "vggc.cli.build_command:build",
    "train": "vggc.cli.training:train",
    "eval": "vggc.cli.training:evaluate",
    "export": "vggc.cli.exporting:export",
    "verify": "vggc.cli.exporting:verify",
    "stats": "vggc.cli.images:stats",
    "predict": "vggc.cli.images:predict",
    "bench": "vggc.cli.benching:bench",
    "import": "vggc.cli.importing:import_",
    "list": "vggc.cli.print_commands:list_stock",
    "schema": "vggc.cli.print_commands:schema",
    "explain": "vggc.cli.print_commands:explain",
    "completion": "vggc.cli.shell_completion:completion",
    "lsp": "vggc.cli.lsp_command:lsp",
}


class _Commands(click.Group):
    """A group whose commands are imported from the table when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = resolve_name(COMMANDS[cmd_name])
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            help = help_word(args[0], list(COMMANDS), "there are").text
            raise click.UsageError(f"there is no command {quoted(args[0])}; {help}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vggc")
def cli() -> None:
    """Compile YAML specs of convolutional networks into PyTorch and verified ONNX.

    SPEC is the path of a spec, the name of a stock spec such as vgg16, or a dash for standard input.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every failure ends with a message and an exit code, never with a traceback."""
    try:
        with signals_as_exceptions():
            cli.main(arguments, prog_name="vggc", standalone_mode=False)
    except SpecError as error:
        from vggc.cli.output import report

        report(error.diagnostics)
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
    except OSError as error:
        click.echo(f"error: {(error.strerror or str(error)).lower()}", err=True)
        sys.exit(Exit.FAILED)
    except Exception as error:
        _internal(error)
        sys.exit(Exit.FAILED)


def _internal(error: Exception) -> None:
    """Report a bug in vggc: the error on the screen, and the traceback in a file that the user can attach."""
    import platform
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="vggc-", suffix=".log", delete=False) as log:
        print(f"vggc {__version__}, Python {platform.python_version()}, {platform.platform()}", file=log)
        print(f"arguments: {sys.argv[1:]}", file=log)
        traceback.print_exception(error, file=log)
    click.echo(f"internal error: {type(error).__name__}: {error}", err=True)
    click.echo(f"This is a bug in vggc, not in your spec. Please report it with {log.name} attached.", err=True)
