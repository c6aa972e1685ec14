"""An editor, as far as the server can tell: starts `vggc lsp` and speaks JSON-RPC with it over stdio."""

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

TIMEOUT: Final = 60.0

Json = dict[str, Any]


class Client:
    """Texts are opened and changed by URI; `diagnostics` waits for what the server publishes of one."""

    def __init__(self, folder: Path, capabilities: Json | None = None) -> None:
        command = [sys.executable, "-m", "vggc", "lsp"]
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.folder = folder
        self.version = 0
        self.requests: list[Json] = []
        self._number = 0
        self._answers: queue.Queue[Json] = queue.Queue()
        self._published: dict[str, queue.Queue[list[Json]]] = {}
        self._sending = threading.Lock()  # requests of the server are answered while others are under way
        threading.Thread(target=self._read, daemon=True).start()
        self.initialized = self.ask(
            "initialize",
            {"processId": None, "rootUri": folder.as_uri(), "capabilities": capabilities or {}},
        )
        self.tell("initialized", {})

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.process.kill()
        else:
            self.ask("shutdown", None)
            self.tell("exit", None)
        _, complaints = self.process.communicate(timeout=TIMEOUT)
        if kind is None:
            assert self.process.returncode == 0
            assert complaints == b"", complaints.decode()

    # --- the wire ---

    def _send(self, message: Json) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        with self._sending:
            self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
            self.process.stdin.flush()

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while (message := _message(stream)) is not None:
            if message.get("method") == "textDocument/publishDiagnostics":
                self._of_text(message["params"]["uri"]).put(message["params"]["diagnostics"])
            elif "method" in message:
                self.requests.append(message)
                if "id" in message:
                    self._send({"id": message["id"], "result": None})
            else:
                self._answers.put(message)

    def _of_text(self, uri: str) -> "queue.Queue[list[Json]]":
        """What is published of a text; one queue, whichever thread asks first."""
        return self._published.setdefault(uri, queue.Queue())

    def ask(self, method: str, params: object) -> Any:
        """A request; its answer."""
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        answer = self._answers.get(timeout=TIMEOUT)
        assert answer["id"] == self._number
        assert "error" not in answer, answer
        return answer["result"]

    def tell(self, method: str, params: object) -> None:
        """A notification."""
        self._send({"method": method, "params": params})

    # --- texts ---

    def uri(self, name: str) -> str:
        """Of a file of the folder, which need not exist."""
        return name if ":" in name else (self.folder / name).as_uri()

    def open(self, name: str, text: str) -> None:
        document = {"uri": self.uri(name), "languageId": "yaml", "version": 0, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})

    def change(self, name: str, text: str) -> None:
        self.version += 1
        document = {"uri": self.uri(name), "version": self.version}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})

    def close(self, name: str) -> None:
        self.tell("textDocument/didClose", {"textDocument": {"uri": self.uri(name)}})

    def diagnostics(self, name: str) -> list[Json]:
        """The next that are published of a text, whatever is published of others meanwhile."""
        return self._of_text(self.uri(name)).get(timeout=TIMEOUT)

    def silent(self, name: str) -> bool:
        """Whether nothing is published of a text that has not been asked for by `diagnostics`."""
        return self._of_text(self.uri(name)).empty()

    def asked(self, method: str) -> Json:
        """The first request of the server of that name, which may be under way."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            for each in tuple(self.requests):
                if each["method"] == method:
                    return each
            time.sleep(0.01)
        raise AssertionError(f"the server never asked for {method}")

    def at(self, method: str, name: str, line: int, character: int) -> Any:
        """What the server says of a position."""
        place = {"textDocument": {"uri": self.uri(name)}, "position": {"line": line, "character": character}}
        return self.ask(f"textDocument/{method}", place)

    def of(self, method: str, name: str, **more: object) -> Any:
        """What the server says of a text."""
        return self.ask(f"textDocument/{method}", {"textDocument": {"uri": self.uri(name)}, **more})


def _message(stream: IO[bytes]) -> Json | None:
    length = 0
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    content = stream.read(length)
    return json.loads(content) if content else None
