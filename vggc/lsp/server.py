"""The server: messages of the protocol -> what `documents` knows -> answers.

A text is read again behind the keystrokes, as late as its last reading took: a spec of usual size at once, one of ten
thousand layers when the typing pauses. Texts come whole with every change, because a spec is small, and because pygls
ends lines where Python does, which is not where the protocol does.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from vggc.base.diagnostics import Source
from vggc.base.version import __version__
from vggc.lsp import completion, fixes, hints, symbols
from vggc.lsp.analysis import Analysis
from vggc.lsp.definition import definition
from vggc.lsp.documents import Documents
from vggc.lsp.findings import findings, location_of, own_place
from vggc.lsp.hover import hover
from vggc.lsp.positions import Positions

WATCHED: Final = "**/*.{yaml,yml}"
BEGINNING: Final = "vggc: 1"
LONGEST_WAIT: Final = 0.5  # seconds


class SpecServer(LanguageServer):
    """What an editor talks to."""

    def __init__(self) -> None:
        super().__init__("vggc", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self.documents = Documents()
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._published: set[str] = set()

    @property
    def positions(self) -> Positions:
        """In the units that the editor has asked for."""
        encoding = self.workspace.position_encoding
        return Positions(str(getattr(encoding, "value", encoding)))

    def place(self, uri: str, position: types.Position) -> tuple[Analysis, int, int] | None:
        """What is known of a spec, and the line and column of a position in it."""
        analysis = self.documents.analysis(uri)
        return None if analysis is None else (analysis, *self.positions.place(analysis.source.lines, position))

    # --- diagnostics ---

    def check_soon(self, uri: str, heirs: Iterable[str] = ()) -> None:
        """Publish the diagnostics of a text and of the specs that extend it; once for all changes until then."""
        self._wait(uri, inherited=False)
        for heir in heirs:
            self._wait(heir, inherited=True)

    def check_heirs(self, path: Path | None) -> None:
        """Read the specs again that extend a file, which has changed on the disk."""
        for heir in self.documents.forget(path):
            self._wait(heir, inherited=True)

    def _wait(self, uri: str, inherited: bool) -> None:
        if uri in self._waiting:
            self._waiting.pop(uri).cancel()
        seconds = min(self.documents.seconds(uri), LONGEST_WAIT)
        self._waiting[uri] = asyncio.get_running_loop().call_later(seconds, self._publish, uri, inherited)

    def _publish(self, uri: str, inherited: bool) -> None:
        """Publish what is wrong with a text; nothing for one that is no spec, and was none."""
        self._waiting.pop(uri, None)
        analysis = self.documents.analysis(uri)
        if analysis is None and uri not in self._published:
            return
        found = [] if analysis is None else findings(analysis, uri, self.positions)
        if analysis is None:
            self._published.discard(uri)
        else:
            self._published.add(uri)
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, found, version=self.documents.version(uri))
        )
        if inherited:
            self._refresh_hints()

    def _refresh_hints(self) -> None:
        """Ask the editor to ask again, which it does by itself only for a text that was typed in."""
        workspace = self.client_capabilities.workspace
        if workspace is not None and workspace.inlay_hint is not None and workspace.inlay_hint.refresh_support:
            self.workspace_inlay_hint_refresh(None)


def _path(uri: str) -> Path | None:
    path = to_fs_path(uri) if uri.startswith("file:") else None
    return Path(path) if path and "\0" not in path else None


# --- texts ---


def _opened(ls: SpecServer, params: types.DidOpenTextDocumentParams) -> None:
    _put(ls, params.text_document.uri, params.text_document.text, params.text_document.version)


def _changed(ls: SpecServer, params: types.DidChangeTextDocumentParams) -> None:
    for change in params.content_changes:
        _put(ls, params.text_document.uri, change.text, params.text_document.version)


def _put(ls: SpecServer, uri: str, text: str, version: int | None) -> None:
    ls.check_soon(uri, ls.documents.put(uri, _path(uri), text, version))


def _saved(ls: SpecServer, params: types.DidSaveTextDocumentParams) -> None:
    ls.check_heirs(_path(params.text_document.uri))


def _closed(ls: SpecServer, params: types.DidCloseTextDocumentParams) -> None:
    ls.check_soon(params.text_document.uri, ls.documents.close(params.text_document.uri))


def _files_changed(ls: SpecServer, params: types.DidChangeWatchedFilesParams) -> None:
    for change in params.changes:
        ls.check_heirs(_path(change.uri))


def _initialized(ls: SpecServer, _: types.InitializedParams) -> None:
    """Ask to be told of files that change on the disk, where the editor can."""
    workspace = ls.client_capabilities.workspace
    watching = workspace.did_change_watched_files if workspace is not None else None
    if watching is None or not watching.dynamic_registration:
        return
    options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(WATCHED)])
    registration = types.Registration("specs", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
    ls.client_register_capability(types.RegistrationParams([registration]))


# --- questions ---


def _hover(ls: SpecServer, params: types.HoverParams) -> types.Hover | None:
    place = ls.place(params.text_document.uri, params.position)
    found = hover(*place) if place is not None else None
    if place is None or found is None:
        return None
    cursor, text = found
    lines = place[0].source.lines
    return types.Hover(
        types.MarkupContent(types.MarkupKind.Markdown, text),
        ls.positions.stretch(lines, cursor.line, cursor.start, cursor.end),
    )


def _completion(ls: SpecServer, params: types.CompletionParams) -> list[types.CompletionItem]:
    uri = params.text_document.uri
    place = ls.place(uri, params.position)
    if place is None:
        return _first_line(ls, uri)
    analysis, line, column = place
    return completion.complete(
        analysis.source, line, column, ls.documents.sound(uri), ls.positions, _takes_snippets(ls.client_capabilities)
    )


def _takes_snippets(editor: types.ClientCapabilities) -> bool:
    completion = editor.text_document.completion if editor.text_document is not None else None
    item = completion.completion_item if completion is not None else None
    return bool(item is not None and item.snippet_support)


def _first_line(ls: SpecServer, uri: str) -> list[types.CompletionItem]:
    """In a text that is empty, or no more than its beginning: the line that makes it a spec."""
    if not BEGINNING.startswith((ls.documents.text(uri) or "").strip()):
        return []
    return [types.CompletionItem(BEGINNING, kind=types.CompletionItemKind.Snippet, detail="begin a spec")]


def _definition(ls: SpecServer, params: types.DefinitionParams) -> list[types.Location]:
    place = ls.place(params.text_document.uri, params.position)
    if place is None:
        return []
    found = [location_of(span, place[0], params.text_document.uri, ls.positions) for span in definition(*place)]
    return [location for location in found if location is not None]


def _hints(ls: SpecServer, params: types.InlayHintParams) -> list[types.InlayHint]:
    analysis = ls.documents.analysis(params.text_document.uri)
    if analysis is None:
        return []
    lines = analysis.source.lines
    found = hints.hints(
        analysis, ls.documents.sound(params.text_document.uri), params.range.start.line, params.range.end.line
    )
    return [
        types.InlayHint(ls.positions.position(lines, each.line, len(lines[each.line])), each.text, padding_left=True)
        for each in found
    ]


def _symbols(ls: SpecServer, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
    analysis = ls.documents.analysis(params.text_document.uri)
    return [] if analysis is None else symbols.symbols(analysis, ls.positions)


def _actions(ls: SpecServer, params: types.CodeActionParams) -> list[types.CodeAction]:
    uri = params.text_document.uri
    analysis = ls.documents.analysis(uri)
    if analysis is None:
        return []
    published = findings(analysis, uri, ls.positions)
    return [
        _action(fix, uri, analysis.source, finding, ls.positions)
        for diagnostic, finding in zip(analysis.diagnostics, published, strict=True)
        if own_place(diagnostic, analysis).line in range(params.range.start.line, params.range.end.line + 1)
        for fix in fixes.fixes(analysis, diagnostic)
    ]


def _action(
    fix: fixes.Fix, uri: str, source: Source, finding: types.Diagnostic, positions: Positions
) -> types.CodeAction:
    start, end = (positions.position(source.lines, *place) for place in (fix.start, fix.end))
    edit = types.WorkspaceEdit(changes={uri: [types.TextEdit(types.Range(start, end), fix.text)]})
    return types.CodeAction(fix.title, types.CodeActionKind.QuickFix, diagnostics=[finding], edit=edit)


FEATURES: Final[Sequence[tuple[str, Callable[..., Any], Any]]] = (
    (types.INITIALIZED, _initialized, None),
    (types.TEXT_DOCUMENT_DID_OPEN, _opened, None),
    (types.TEXT_DOCUMENT_DID_CHANGE, _changed, None),
    (types.TEXT_DOCUMENT_DID_SAVE, _saved, None),
    (types.TEXT_DOCUMENT_DID_CLOSE, _closed, None),
    (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, _files_changed, None),
    (types.TEXT_DOCUMENT_HOVER, _hover, None),
    (types.TEXT_DOCUMENT_COMPLETION, _completion, types.CompletionOptions(trigger_characters=[" ", "[", "{", "/"])),
    (types.TEXT_DOCUMENT_DEFINITION, _definition, None),
    (types.TEXT_DOCUMENT_INLAY_HINT, _hints, None),
    (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, _symbols, None),
    (types.TEXT_DOCUMENT_CODE_ACTION, _actions, types.CodeActionOptions([types.CodeActionKind.QuickFix])),
)


def create() -> SpecServer:
    """A server that answers everything in `FEATURES`."""
    server = SpecServer()
    for method, answer, options in FEATURES:
        server.feature(method, options)(answer)
    return server
