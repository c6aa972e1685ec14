"""The commands for the eye: what an editor asks, and pictures. None of them imports torch or onnx."""

from importlib.util import find_spec

import click

from vggc.errors import ProductError


@click.command(short_help="Answer an editor over the Language Server Protocol.")
@click.option("--tcp", type=click.IntRange(0, 65535), metavar="PORT", help="Listen on this port of 127.0.0.1 instead.")
def lsp(tcp: int | None) -> None:
    """Answer an editor over standard input and output, in the Language Server Protocol.

    The editor starts this command by itself; docs/editors.md says how to set that up.
    """
    if find_spec("pygls") is None:
        raise ProductError("`vggc lsp` needs pygls; run: pip install 'vggc[editor]'")
    from vggc.lsp.server import create

    if tcp is None:
        create().start_io()
    else:
        click.echo(f"listening on 127.0.0.1:{tcp}", err=True)
        create().start_tcp("127.0.0.1", tcp)
