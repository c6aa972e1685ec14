"""The server: messages of the protocol -> the features.

A text is analysed after the keystrokes with a delay as long as its last analysis took: a usual spec at once, one of ten
thousand layers when typing pauses. Texts are sent whole with every change, because a spec is small, and because pygls
ends lines where Python does, which is not where the protocol does.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from vggc.base.version import __version__
from vggc.lsp.code_actions import edits
from vggc.lsp.completion_items import complete
from vggc.lsp.document_symbols import document_symbols
from vggc.lsp.documents import Documents
from vggc.lsp.hover import definition, hover
from vggc.lsp.inlay_hints import inlay_hints
from vggc.lsp.positions import Positions
from vggc.lsp.publish_diagnostics import location_of, lsp_diagnostics, place_in_text
from vggc.lsp.spec_analysis import Analysis

WATCHED: Final = "**/*.{yaml,yml}"
FIRST_LINE: Final = "vggc: 1"
MAX_DELAY: Final = 0.5  # seconds


class SpecServer(LanguageServer):
    """A language server for specs."""

    def __init__(self) -> None:
        super().__init__("vggc", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self.documents = Documents()
        self._scheduled: dict[str, asyncio.TimerHandle] = {}
        self._published: set[str] = set()

    @property
    def positions(self) -> Positions:
        """In the units that the editor has asked for."""
        encoding = self.workspace.position_encoding
        return Positions(str(getattr(encoding, "value", encoding)))

    def locate(self, uri: str, position: types.Position) -> tuple[Analysis, int, int] | None:
        """The analysis of a spec, and the line and column of a position in it; None if it is not a spec."""
        analysis = self.documents.analysis(uri)
        return None if analysis is None else (analysis, *self.positions.place(analysis.source.lines, position))

    # --- diagnostics ---

    def schedule(self, uri: str, children: Iterable[str] = ()) -> None:
        """Publish the diagnostics of a text, and of the specs that extend it, once for all changes until then."""
        self._schedule(uri, inherited=False)
        for child in children:
            self._schedule(child, inherited=True)

    def file_changed(self, path: Path | None) -> None:
        """Analyse the specs again that extend a file, which has changed on the disk."""
        for child in self.documents.invalidate(path):
            self._schedule(child, inherited=True)

    def _schedule(self, uri: str, inherited: bool) -> None:
        if uri in self._scheduled:
            self._scheduled.pop(uri).cancel()
        delay = min(self.documents.get(uri).seconds, MAX_DELAY)
        self._scheduled[uri] = asyncio.get_running_loop().call_later(delay, self._publish, uri, inherited)

    def _publish(self, uri: str, inherited: bool) -> None:
        """Publish the diagnostics of a text; none for one that is no longer a spec."""
        self._scheduled.pop(uri, None)
        analysis = self.documents.analysis(uri)
        if analysis is None and uri not in self._published:
            return
        (self._published.discard if analysis is None else self._published.add)(uri)
        diagnostics = [] if analysis is None else lsp_diagnostics(analysis, uri, self.positions)
        version = self.documents.get(uri).version
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, diagnostics, version=version))
        if inherited:
            self._refresh_hints()

    def _refresh_hints(self) -> None:
        """Have the editor request the hints again, which it does by itself only for a text that was edited."""
        workspace = self.client_capabilities.workspace
        if workspace is not None and workspace.inlay_hint is not None and workspace.inlay_hint.refresh_support:
            self.workspace_inlay_hint_refresh(None)


def _path(uri: str) -> Path | None:
    path = to_fs_path(uri) if uri.startswith("file:") else None
    return Path(path) if path and "\0" not in path else None


# --- notifications ---


def _opened(ls: SpecServer, params: types.DidOpenTextDocumentParams) -> None:
    _put(ls, params.text_document.uri, params.text_document.text, params.text_document.version)


def _changed(ls: SpecServer, params: types.DidChangeTextDocumentParams) -> None:
    for change in params.content_changes:
        _put(ls, params.text_document.uri, change.text, params.text_document.version)


def _put(ls: SpecServer, uri: str, text: str, version: int | None) -> None:
    ls.schedule(uri, ls.documents.put(uri, _path(uri), text, version))


def _saved(ls: SpecServer, params: types.DidSaveTextDocumentParams) -> None:
    ls.file_changed(_path(params.text_document.uri))


def _closed(ls: SpecServer, params: types.DidCloseTextDocumentParams) -> None:
    ls.schedule(params.text_document.uri, ls.documents.close(params.text_document.uri))


def _files_changed(ls: SpecServer, params: types.DidChangeWatchedFilesParams) -> None:
    for change in params.changes:
        ls.file_changed(_path(change.uri))


def _initialized(ls: SpecServer, _: types.InitializedParams) -> None:
    """Ask the editor to report files that change on the disk, if it can."""
    workspace = ls.client_capabilities.workspace
    watching = workspace.did_change_watched_files if workspace is not None else None
    if watching is None or not watching.dynamic_registration:
        return
    options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(WATCHED)])
    registration = types.Registration("specs", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
    ls.client_register_capability(types.RegistrationParams([registration]))


# --- requests ---


def _hover(ls: SpecServer, params: types.HoverParams) -> types.Hover | None:
    location = ls.locate(params.text_document.uri, params.position)
    if location is None or (result := hover(*location)) is None:
        return None
    cursor, text = result
    range = ls.positions.columns(location[0].source.lines, cursor.line, cursor.start, cursor.end)
    return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text), range)


def _completion(ls: SpecServer, params: types.CompletionParams) -> list[types.CompletionItem]:
    uri = params.text_document.uri
    location = ls.locate(uri, params.position)
    if location is None:
        return _first_line(ls, uri)
    analysis, line, column = location
    snippets = _supports_snippets(ls.client_capabilities)
    return complete(analysis.source, line, column, ls.documents.get(uri).last_valid, ls.positions, snippets)


def _supports_snippets(editor: types.ClientCapabilities) -> bool:
    completion = editor.text_document.completion if editor.text_document is not None else None
    item = completion.completion_item if completion is not None else None
    return bool(item is not None and item.snippet_support)


def _first_line(ls: SpecServer, uri: str) -> list[types.CompletionItem]:
    """In a text that is empty or has only the beginning of this line: the line that makes it a spec."""
    if not FIRST_LINE.startswith(ls.documents.get(uri).text.strip()):
        return []
    return [types.CompletionItem(FIRST_LINE, kind=types.CompletionItemKind.Snippet, detail="begin a spec")]


def _definition(ls: SpecServer, params: types.DefinitionParams) -> list[types.Location]:
    location = ls.locate(params.text_document.uri, params.position)
    if location is None:
        return []
    spans = definition(*location)
    targets = [location_of(span, location[0], params.text_document.uri, ls.positions) for span in spans]
    return [target for target in targets if target is not None]


def _inlay_hints(ls: SpecServer, params: types.InlayHintParams) -> list[types.InlayHint]:
    uri, range = params.text_document.uri, params.range
    analysis = ls.documents.analysis(uri)
    if analysis is None:
        return []
    lines, positions = analysis.source.lines, ls.positions
    hints = inlay_hints(analysis, ls.documents.get(uri).last_valid, range.start.line, range.end.line)
    return [
        types.InlayHint(positions.position(lines, line, len(lines[line])), text, padding_left=True)
        for line, text in hints.items()
    ]


def _document_symbols(ls: SpecServer, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
    analysis = ls.documents.analysis(params.text_document.uri)
    return [] if analysis is None else document_symbols(analysis, ls.positions)


def _code_actions(ls: SpecServer, params: types.CodeActionParams) -> list[types.CodeAction]:
    uri, range, positions = params.text_document.uri, params.range, ls.positions
    analysis = ls.documents.analysis(uri)
    if analysis is None:
        return []
    lines, actions = analysis.source.lines, []
    published = lsp_diagnostics(analysis, uri, positions)
    for diagnostic, reported in zip(analysis.diagnostics, published, strict=True):
        if not range.start.line <= place_in_text(diagnostic, analysis).line <= range.end.line:
            continue
        for edit in edits(analysis, diagnostic):
            replaced = types.Range(positions.position(lines, *edit.start), positions.position(lines, *edit.end))
            change = types.WorkspaceEdit(changes={uri: [types.TextEdit(replaced, edit.text)]})
            kind = types.CodeActionKind.QuickFix
            actions.append(types.CodeAction(edit.title, kind, diagnostics=[reported], edit=change))
    return actions


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
    (types.TEXT_DOCUMENT_INLAY_HINT, _inlay_hints, None),
    (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, _document_symbols, None),
    (types.TEXT_DOCUMENT_CODE_ACTION, _code_actions, types.CodeActionOptions([types.CodeActionKind.QuickFix])),
)


def create() -> SpecServer:
    """A server with all `FEATURES`."""
    server = SpecServer()
    for method, feature, options in FEATURES:
        server.feature(method, options)(feature)
    return server
