"""`vggc lsp`: the language server for editors."""

from importlib.util import find_spec

import click

from vggc.base.errors import ProductError


@click.command(short_help="Serve an editor over the Language Server Protocol.")
@click.option(
    "--tcp", type=click.IntRange(0, 65535), metavar="PORT",
    help="Listen on this port of 127.0.0.1 instead; 0 chooses a free one.",
)  # fmt: skip
def lsp(tcp: int | None) -> None:
    """Serve an editor over standard input and output, in the Language Server Protocol.

    The editor starts this command itself; docs/editors.md says how to set that up.
    """
    if find_spec("pygls") is None:
        raise ProductError("`vggc lsp` needs pygls; run: pip install 'vggc[editor]'")
    from vggc.lsp.server import create
    from vggc.lsp.tcp_server import HOST, listen

    if tcp is None:
        create().start_io()
    else:
        listen(create(), tcp, lambda port: click.echo(f"listening on {HOST}:{port}", err=True))
