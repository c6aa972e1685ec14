"""`extends` and `--set`: several documents become one, and every value keeps the place where it was written.

Mappings merge, lists and scalars replace. A mapping that picks a kind (`pool: {max_pool2d: 2}`) merges with one that
picks the same kind and replaces any other, so that a child never ends up with two kinds in one place. The rewrites of a
child are carried out behind those of its ancestors.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from vggc.base.diagnostics import Diagnostic, Note, Source, Span, SpecError
from vggc.base.words import quoted
from vggc.frontend.text.document import Document, Entry, Items, Leaf, Table, Value, read
from vggc.frontend.text.sources import find_spec, read_source, stock_names
from vggc.frontend.text.values import shown

MAX_ANCESTORS: Final = 16
_OWN: Final = ("vggc", "name", "extends")  # keys that speak of one file, and are not handed down

Keys = tuple[str, ...]  # from the root of a document to a value
Fetch = Callable[[Path, Span], Source]  # the text of a parent, and the `extends` that asks for it


def load(source: Source, fetch: Fetch = read_source) -> Document:
    """The document of a spec with its ancestors merged in.

    Args:
        source: the text of the spec.
        fetch: where the texts of the ancestors come from; an editor has some that are not saved yet.

    Raises:
        SpecError: a document cannot be read, or extends what it must not (E011).
    """
    chain = list(_lineage(source, fetch))
    merged = chain[-1].table
    for child in reversed(chain[:-1]):
        merged = merge(_heritable(merged), child.table)
    return Document(merged, _flaws(chain), frozenset().union(*(each.spoilt for each in chain)))


def files(source: Source) -> Iterator[Path]:
    """The files that a spec is read from: its own, and then its ancestors'.

    Raises:
        SpecError: as `load`, behind the files before the one that is wrong.
    """
    for document in _lineage(source, read_source):
        if (path := document.table.span.source.path) is not None:
            yield path


def _lineage(source: Source, fetch: Fetch) -> Iterator[Document]:
    """The document of a spec, and those of its ancestors, the nearest first."""
    chain = [read(source)]
    yield chain[-1]
    while "extends" in chain[-1].entries:
        try:
            chain.append(_parent(chain, fetch))
        except SpecError as error:
            raise SpecError([*_flaws(chain), *error.diagnostics]) from None
        yield chain[-1]


def _flaws(chain: Iterable[Document]) -> tuple[Diagnostic, ...]:
    return tuple(flaw for each in chain for flaw in each.flaws)


def _heritable(parent: Table) -> Table:
    return Table({key: entry for key, entry in parent.entries.items() if key not in _OWN}, parent.span)


# --- extends ---


def _parent(chain: list[Document], fetch: Fetch) -> Document:
    """The document that the last of the chain extends."""
    place, wanted = _wanted(chain[-1].entries["extends"].value)
    path = _beside(place.source, wanted)
    names = [each.table.span.source for each in chain]
    if os.path.realpath(path) in [_identity(each) for each in names]:
        way = " -> ".join([*(each.name for each in names), wanted])
        message = f"{quoted(wanted)} extends itself, directly or through others"
        raise SpecError([Diagnostic("E011", message, place, (Note("trace", way),))])
    if len(chain) > MAX_ANCESTORS:
        message = f"a spec has at most {MAX_ANCESTORS} ancestors, and this is one more"
        raise SpecError([Diagnostic("E009", message, place)])
    return read(fetch(path, place))


def _identity(source: Source) -> str:
    return os.path.realpath(source.path or source.name)


def _wanted(value: Value) -> tuple[Span, str]:
    """What stands behind `extends`, if it is a relative path or a name."""
    help = Note("help", "write a path relative to this file, or the name of a stock spec")
    wanted = value.value if isinstance(value, Leaf) else None
    if not isinstance(wanted, str) or not wanted.strip():
        message = f"`extends` must be one path, or the name of a stock spec; this is {shown(value)}"
        raise SpecError([Diagnostic("E102", message, value.span, (help,))])
    if not wanted.isprintable():
        help = Note("help", "inside double quotes a `\\` begins an escape: use `/`")
        message = f"the path {quoted(wanted)} holds a control character"
        raise SpecError([Diagnostic("E011", message, value.span, (help,))])
    if "://" in wanted:
        raise SpecError([Diagnostic("E011", "`extends` does not follow a URL", value.span, (help,))])
    if PurePosixPath(wanted).is_absolute() or PureWindowsPath(wanted).is_absolute():
        raise SpecError([Diagnostic("E011", "`extends` does not follow an absolute path", value.span, (help,))])
    return value.span, wanted


def _beside(source: Source, wanted: str) -> Path:
    """A file beside the child; a bare name that is no file there is a stock spec."""
    path = (source.path.parent if source.path else Path()) / wanted
    if not os.path.exists(path):
        path = Path(os.path.normpath(path))  # a spec that is not yet written may lie in a folder that is not yet there
    return path if os.path.exists(path) or wanted not in stock_names() else find_spec(wanted)


# --- merging ---


def merge(below: Table, above: Table, keys: Keys = ()) -> Table:
    """`above` laid over `below`; the result stands where `above` stands. `keys` lead to both from the root."""
    entries = dict(below.entries)
    for key, entry in above.entries.items():
        if key in entries:
            entry = Entry(entry.key, _laid_over(entries[key].value, entry.value, (*keys, key)))
        entries[key] = entry
    return Table(entries, above.span)


def _laid_over(below: Value, above: Value, keys: Keys) -> Value:
    if keys == ("rewrite",) and isinstance(below, Items) and isinstance(above, Items):
        return Items([*below.items, *above.items], above.span)
    if not isinstance(below, Table) or not isinstance(above, Table):
        return above
    if _picks(keys) and below.entries.keys() != above.entries.keys():
        return above
    return merge(below, above, keys)


def _picks(keys: Keys) -> bool:
    """Whether the mapping there picks one kind, rather than setting several keys."""
    match keys:
        case ("pool",) | ("init", _) | ("train", "optimizer" | "schedule") | ("defaults", _, _):
            return True
    return False


# --- overrides ---


def overridden(document: Document, overrides: Iterable[Table]) -> Document:
    """The document with overrides laid over it, the last on top.

    Raises:
        SpecError: E012, an override is for a key that cannot be overridden.
    """
    table = document.table
    for each in overrides:
        if (late := each.entries.get("extends")) is not None:
            note = Note("help", "write it into the spec, or name the other spec")
            raise SpecError([Diagnostic("E012", "`extends` cannot be overridden", late.key, (note,))])
        table = merge(table, each)
    return Document(Table(table.entries, document.table.span), document.flaws, document.spoilt)


def from_words(assignment: str) -> Table:
    """The document of one `--set key=value`; the key may be dotted, the value is YAML.

    Raises:
        SpecError: E012, it is no assignment.
    """
    key, equals, value = assignment.partition("=")
    if not equals or not all(part.strip() for part in key.split(".")):
        place = Span(Source("--set", assignment, elsewhere=True), 0, 0, 0, len(assignment))
        note = Note("help", "for example --set classes=10 or --set input=[3,64,64] or --set train.epochs=3")
        raise SpecError([Diagnostic("E012", f"{quoted(assignment)} is no assignment", place, (note,))])
    return _nested(read(Source("--set", f"{key.strip()}: {value}", elsewhere=True)).sound())


def from_mapping(overrides: Mapping[str, object]) -> Table:
    """The document of overrides given as Python values; keys may be dotted.

    Raises:
        SpecError: E012, a value is not of a kind that YAML has.
    """
    try:
        text = json.dumps(dict(overrides), allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise SpecError([Diagnostic("E012", f"the overrides cannot be written as YAML: {error}")]) from None
    return _nested(read(Source("overrides", text, elsewhere=True)).sound())


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
