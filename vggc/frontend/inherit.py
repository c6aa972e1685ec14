"""`extends` and `--set`: several documents become one, and every value keeps the place where it was written.

Mappings merge, lists and scalars replace. A mapping that picks a kind (`pool: {max_pool2d: 2}`) merges with one that
picks the same kind and replaces any other, so that a child never ends up with two kinds in one place.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from vggc.diagnostics import Diagnostic, Note, Source, SpecError
from vggc.frontend import recipe
from vggc.frontend.document import Entry, Items, Leaf, Table, Value, read
from vggc.frontend.initializers import INITIALIZERS
from vggc.frontend.sources import find_spec, read_source, stock_names
from vggc.frontend.units import UNITS
from vggc.layers import KINDS

MAX_ANCESTORS: Final = 16
_OWN: Final = ("vggc", "extends")  # keys that speak of one file, and are not handed down
_PICKING: Final = (
    set(KINDS) | set(UNITS) | set(INITIALIZERS) | set(recipe.OPTIMIZERS) | set(recipe.SCHEDULES)
)  # fmt: skip


def load(source: Source) -> Table:
    """The document of a spec with its ancestors merged in.

    Raises:
        SpecError: a document cannot be read, is no mapping, or extends what it must not (E011).
    """
    document = _mapping(read(source))
    chain = {_file(source).resolve()}
    ancestors = [document]
    while "extends" in ancestors[-1].entries:
        ancestors.append(_parent(ancestors[-1], chain))
    merged = ancestors.pop()
    while ancestors:
        child = ancestors.pop()
        merged = merge(_heritable(merged), child)
    return merged


def _mapping(value: Value) -> Table:
    if isinstance(value, Table):
        return value
    what = "a list" if isinstance(value, Items) else "a single value"
    note = Note("help", "start one with `vggc new NAME`, or see `vggc expand vgg16`")
    raise SpecError(
        [Diagnostic("E102", f"a spec is a mapping of keys to values, and this is {what}", value.span, (note,))]
    )


def _heritable(parent: Table) -> Table:
    return Table({key: entry for key, entry in parent.entries.items() if key not in _OWN}, parent.span)


def _file(source: Source) -> Path:
    """The file of a source; a text without one is taken to lie in the working folder."""
    return source.path or Path(source.name)


def _parent(child: Table, chain: set[Path]) -> Table:
    value = child.entries["extends"].value
    if not isinstance(value, Leaf) or not isinstance(value.value, str):
        raise SpecError(
            [Diagnostic("E102", "`extends` must be the path of a spec or the name of a stock spec", value.span)]
        )
    wanted = value.value
    if "://" in wanted or PurePosixPath(wanted).is_absolute() or PureWindowsPath(wanted).is_absolute():
        what = "a URL" if "://" in wanted else "an absolute path"
        note = Note("help", "write a path relative to this file, or the name of a stock spec")
        raise SpecError([Diagnostic("E011", f"`extends` does not follow {what}", value.span, (note,))])
    path = _beside(value.span.source, wanted)
    if path.resolve() in chain:
        raise SpecError([Diagnostic("E011", f"`{wanted}` extends itself, directly or through others", value.span)])
    if len(chain) >= MAX_ANCESTORS:
        raise SpecError(
            [Diagnostic("E009", f"the chain of `extends` is longer than {MAX_ANCESTORS} specs", value.span)]
        )
    chain.add(path.resolve())
    return _mapping(read(read_source(path, included_from=value.span)))


def _beside(source: Source, wanted: str) -> Path:
    """A file beside the child; a bare name that is no file there is a stock spec."""
    path = _file(source).parent / wanted
    return find_spec(wanted) if wanted in stock_names() and not path.exists() else path


def merge(below: Table, above: Table) -> Table:
    """`above` laid over `below`; the result stands where `above` stands."""
    entries = dict(below.entries)
    for key, entry in above.entries.items():
        entries[key] = Entry(entry.key, _laid_over(entries[key].value, entry.value)) if key in entries else entry
    return Table(entries, above.span)


def _laid_over(below: Value, above: Value) -> Value:
    if not isinstance(below, Table) or not isinstance(above, Table):
        return above
    if _picks(below) and _picks(above) and below.entries.keys() != above.entries.keys():
        return above
    return merge(below, above)


def _picks(table: Table) -> bool:
    return len(table.entries) == 1 and not table.entries.keys().isdisjoint(_PICKING)


def overridden(document: Table, overrides: Iterable[Table]) -> Table:
    """The document with overrides laid over it, the last on top."""
    for each in overrides:
        document = merge(document, each)
    return document


def from_words(assignment: str) -> Table:
    """The document of one `--set key=value`; the key may be dotted, the value is YAML.

    Raises:
        SpecError: E012, it is no assignment.
    """
    key, equals, value = assignment.partition("=")
    source = Source("--set", f"{key.strip()}: {value}")
    if not equals or not all(part.strip() for part in key.split(".")):
        span = read(Source("--set", json.dumps(assignment))).span
        note = Note("help", "for example --set classes=10 or --set input=[3,64,64] or --set train.epochs=3")
        raise SpecError([Diagnostic("E012", f"`{assignment}` is no assignment", span, (note,))])
    return _nested(_mapping(read(source)))


def from_mapping(overrides: Mapping[str, object]) -> Table:
    """The document of overrides given as Python values; keys may be dotted.

    Raises:
        SpecError: E012, a value is not of a kind that YAML has.
    """
    try:
        text = json.dumps(dict(overrides), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SpecError([Diagnostic("E012", f"the overrides cannot be written as YAML: {error}")]) from None
    return _nested(_mapping(read(Source("overrides", text))))


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
