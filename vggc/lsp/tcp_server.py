"""The server on a TCP port of this machine, for an editor that does not start the server itself."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from threading import Event
from typing import Final

from pygls.io_ import run_async
from pygls.lsp.server import LanguageServer

from vggc.base.errors import ProductError

HOST: Final = "127.0.0.1"


def listen(server: LanguageServer, port: int, ready: Callable[[int], object]) -> None:
    """Serve the first editor that connects, until it disconnects; the port is closed to others.

    Args:
        server: the server.
        port: 0 for any free port.
        ready: called with the port once an editor can connect.

    Raises:
        ProductError: the port is not available.
    """
    with _listening(port) as listening:
        asyncio.run(_serve(server, listening, ready))


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise ProductError(
            f"cannot listen on {HOST}:{port}: {reason}; take another port, or 0 for a free one"
        ) from error


async def _serve(server: LanguageServer, listening: socket.socket, ready: Callable[[int], object]) -> None:
    listening.setblocking(False)
    ready(listening.getsockname()[1])
    connection, _ = await asyncio.get_running_loop().sock_accept(listening)
    listening.close()
    reader, writer = await asyncio.open_connection(sock=connection)
    server.protocol.set_writer(writer)
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):  # an editor may disconnect without notice
        await run_async(Event(), reader, server.protocol, error_handler=server.report_server_error)
