"""Values of a document within a message."""

import re

from vggc.base.words import MAX_QUOTE, printable, quoted
from vggc.frontend.text.document import Items, Leaf, Value


def shown(value: Value) -> str:
    """A value as it is written, shortened."""
    if isinstance(value, Leaf):
        return _scalar(value)
    what, count = ("list", len(value.items)) if isinstance(value, Items) else ("mapping", len(value.entries))
    return f"a {what} of {count}" if count else f"an empty {what}"


def in_flow(value: object) -> str:
    """A plain value, such as an example of the schema, as YAML between brackets."""
    if isinstance(value, list):
        return f"[{', '.join(map(in_flow, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {in_flow(each)}' for key, each in value.items())}}}"
    return str(value)


def _scalar(leaf: Leaf) -> str:
    if isinstance(leaf.value, str):
        return quoted(leaf.value) if leaf.value else "an empty word"
    return _written(leaf) or "nothing"


def _written(leaf: Leaf) -> str:
    """The characters of a number or of another plain scalar, without its anchor; they say more than its value."""
    span = leaf.span
    text = span.source.lines[span.line][span.column : span.end_column]
    text = re.sub(r"&\S+\s*", "", text)
    return printable(text if len(text) <= MAX_QUOTE else f"{text[: MAX_QUOTE - 3]}...")
