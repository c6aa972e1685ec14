"""`extends` and `--set`: several documents are merged into one, in which every value keeps its span.

Mappings are merged, lists and scalars are replaced. A mapping that names a kind (`pool: {max_pool2d: 2}`) is merged
with one that names the same kind and replaces any other, so that no mapping ends up with two kinds. The rewrites of a
child are applied after those of its ancestors.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from vggc.base.diagnostics import Diagnostic, Note, Source, Span, SpecError
from vggc.base.words import quoted
from vggc.frontend.text.document import Document, Entry, Items, Leaf, Table, Value, describe
from vggc.frontend.text.parser import parse
from vggc.frontend.text.sources import find_spec, read_source, stock_names

MAX_ANCESTORS: Final = 16
_NOT_INHERITED: Final = ("vggc", "name", "extends")

Keys = tuple[str, ...]  # the path from the root of a document to a value
Fetch = Callable[[Path, Span], Source]  # reads the text of a parent; the span is the `extends` that names it


def load(source: Source, fetch: Fetch = read_source) -> Document:
    """The document of a spec with its ancestors merged in.

    Args:
        source: the text of the spec.
        fetch: reads the text of an ancestor; in an editor some are not saved yet.

    Raises:
        SpecError: a document cannot be read, or extends something that is not allowed (E011).
    """
    chain = list(_ancestry(source, fetch))
    merged = chain[-1].table
    for child in reversed(chain[:-1]):
        merged = merge(_inherited(merged), child.table)
    return Document(merged, _diagnostics(chain), frozenset().union(*(document.suppressed for document in chain)))


def files_of(source: Source) -> Iterator[Path]:
    """The file of a spec, then those of its ancestors.

    Raises:
        SpecError: as `load`, after the files before the one that is wrong.
    """
    for document in _ancestry(source, read_source):
        if (path := document.table.span.source.path) is not None:
            yield path


def _ancestry(source: Source, fetch: Fetch) -> Iterator[Document]:
    """The document of a spec, then those of its ancestors, the nearest first."""
    chain = [parse(source)]
    yield chain[-1]
    while "extends" in chain[-1].entries:
        try:
            chain.append(_parent(chain, fetch))
        except SpecError as error:
            raise SpecError([*_diagnostics(chain), *error.diagnostics]) from None
        yield chain[-1]


def _diagnostics(chain: Iterable[Document]) -> tuple[Diagnostic, ...]:
    return tuple(diagnostic for document in chain for diagnostic in document.diagnostics)


def _inherited(parent: Table) -> Table:
    return Table({key: entry for key, entry in parent.entries.items() if key not in _NOT_INHERITED}, parent.span)


def _parent(chain: list[Document], fetch: Fetch) -> Document:
    span, parent = _parent_name(chain[-1].entries["extends"].value)
    path = _find_parent(span.source, parent)
    sources = [document.table.span.source for document in chain]
    if os.path.realpath(path) in [os.path.realpath(source.path or source.name) for source in sources]:
        cycle = " -> ".join([*(source.name for source in sources), parent])
        message = f"{quoted(parent)} extends itself, directly or through others"
        raise SpecError([Diagnostic("E011", message, span, (Note("trace", cycle),))])
    if len(chain) > MAX_ANCESTORS:
        message = f"a spec has at most {MAX_ANCESTORS} ancestors, and this is one more"
        raise SpecError([Diagnostic("E009", message, span)])
    return parse(fetch(path, span))


def _parent_name(value: Value) -> tuple[Span, str]:
    """The value of `extends`, which must be a relative path or a name."""
    help = Note("help", "write a path relative to this file, or the name of a stock spec")
    name = value.value if isinstance(value, Leaf) else None
    if not isinstance(name, str) or not name.strip():
        message = f"`extends` must be one path, or the name of a stock spec; this is {describe(value)}"
        raise SpecError([Diagnostic("E102", message, value.span, (help,))])
    if not name.isprintable():
        help = Note("help", "inside double quotes a `\\` begins an escape: use `/`")
        message = f"the path {quoted(name)} contains a control character"
    elif "://" in name:
        message = "`extends` does not follow a URL"
    elif PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute():
        message = "`extends` does not follow an absolute path"
    else:
        return value.span, name
    raise SpecError([Diagnostic("E011", message, value.span, (help,))])


def _find_parent(child: Source, name: str) -> Path:
    """A file relative to the child's folder; a bare name that is no file there is a stock spec."""
    path = (child.path.parent if child.path else Path()) / name
    if not os.path.exists(path):
        path = Path(os.path.normpath(path))  # the folder of the child may not exist yet
    return path if os.path.exists(path) or name not in stock_names() else find_spec(name)


def merge(below: Table, above: Table, keys: Keys = ()) -> Table:
    """`below` with the values of `above` merged into it, at the span of `above`; `keys` is the path to both."""
    entries = dict(below.entries)
    for key, entry in above.entries.items():
        if key in entries:
            entry = Entry(entry.key, _merge_values(entries[key].value, entry.value, (*keys, key)))
        entries[key] = entry
    return Table(entries, above.span)


def _merge_values(below: Value, above: Value, keys: Keys) -> Value:
    if keys == ("rewrite",) and isinstance(below, Items) and isinstance(above, Items):
        return Items([*below.items, *above.items], above.span)
    if not isinstance(below, Table) or not isinstance(above, Table):
        return above
    if _names_a_kind(keys) and below.entries.keys() != above.entries.keys():
        return above
    return merge(below, above, keys)


def _names_a_kind(keys: Keys) -> bool:
    """Whether the mapping there names one kind, instead of setting several keys."""
    match keys:
        case ("pool",) | ("init", _) | ("train", "optimizer" | "schedule") | ("defaults", _, _):
            return True
    return False


def override(document: Document, overrides: Iterable[Table]) -> Document:
    """The document with overrides merged into it, in order.

    Raises:
        SpecError: E012, an override is for a key that cannot be overridden.
    """
    table = document.table
    for changes in overrides:
        if (extends := changes.entries.get("extends")) is not None:
            note = Note("help", "write it into the spec, or name the other spec")
            raise SpecError([Diagnostic("E012", "`extends` cannot be overridden", extends.key, (note,))])
        table = merge(table, changes)
    return replace(document, table=Table(table.entries, document.table.span))


def parse_assignment(assignment: str) -> Table:
    """The overrides of one `--set key=value`; the key may be dotted, the value is YAML.

    Raises:
        SpecError: E012, it is not an assignment.
    """
    key, equals, value = assignment.partition("=")
    if not equals or not all(part.strip() for part in key.split(".")):
        place = Span(Source("--set", assignment, elsewhere=True), 0, 0, 0, len(assignment))
        note = Note("help", "for example --set classes=10 or --set input=[3,64,64] or --set train.epochs=3")
        raise SpecError([Diagnostic("E012", f"{quoted(assignment)} is not an assignment", place, (note,))])
    return _nested(parse(Source("--set", f"{key.strip()}: {value}", elsewhere=True)).valid_table())


def from_mapping(overrides: Mapping[str, object]) -> Table:
    """Overrides from Python values; keys may be dotted.

    Raises:
        SpecError: E012, a value has no form in YAML.
    """
    try:
        text = json.dumps(dict(overrides), allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise SpecError([Diagnostic("E012", f"the overrides cannot be written as YAML: {error}")]) from None
    return _nested(parse(Source("overrides", text, elsewhere=True)).valid_table())


def _nested(table: Table) -> Table:
    """Dotted keys become mappings inside mappings."""
    result = Table({}, table.span)
    for key, entry in table.entries.items():
        first, *rest = reversed(key.split("."))
        inner = Table({first: entry}, entry.value.span)
        for name in rest:
            inner = Table({name: Entry(entry.key, inner)}, entry.value.span)
        result = merge(result, inner)
    return result
