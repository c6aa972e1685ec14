"""Values as they are quoted in messages."""

import re

from vggc.base.words import MAX_QUOTE, printable, quoted
from vggc.frontend.text.document import Items, Leaf, Value


def describe(value: Value) -> str:
    """A value as it is written, shortened."""
    if isinstance(value, Leaf):
        return _scalar(value)
    what, count = ("list", len(value.items)) if isinstance(value, Items) else ("mapping", len(value.entries))
    return f"a {what} of {count}" if count else f"an empty {what}"


def to_flow(value: object) -> str:
    """A Python value, such as an example in the schema, as YAML in flow style."""
    if isinstance(value, list):
        return f"[{', '.join(map(to_flow, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {to_flow(item)}' for key, item in value.items())}}}"
    return str(value)


def _scalar(leaf: Leaf) -> str:
    if isinstance(leaf.value, str):
        return quoted(leaf.value) if leaf.value else "an empty word"
    return _written(leaf) or "nothing"


def _written(leaf: Leaf) -> str:
    """The text of a scalar without its anchor."""
    span = leaf.span
    text = span.source.lines[span.line][span.column : span.end_column]
    text = re.sub(r"&\S+\s*", "", text)
    return printable(text if len(text) <= MAX_QUOTE else f"{text[: MAX_QUOTE - 3]}...")
