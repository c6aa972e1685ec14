"""`vggc lsp`: the language server for editors."""

from importlib.util import find_spec

import click

from vggc.base.errors import ProductError


@click.command(short_help="Serve an editor over the Language Server Protocol.")
def lsp() -> None:
    """Serve an editor over standard input and output, in the Language Server Protocol.

    The editor starts this command itself; docs/editors.md says how to set that up.
    """
    if find_spec("pygls") is None:
        raise ProductError("`vggc lsp` needs pygls; run: pip install 'vggc[editor]'")
    from vggc.lsp.server import create

    create().start_io()
