"""The keys of a spec as YAML: a line each; a list that does not fit into a line becomes a block."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vggc.backends.text.yaml_spec import value_text

WIDTH: Final = 120  # of a line


def key_lines(key: str, value: Any) -> Iterator[str]:
    """A key and its value."""
    line = f"{key}: {value_text(value)}"
    if len(line) <= WIDTH or not isinstance(value, list):
        yield line
        return
    yield f"{key}:"
    yield from (f"  - {_item(item)}" for item in value)


def keys(values: Mapping[str, Any]) -> str:
    """All keys."""
    return "".join(f"{line}\n" for key, value in values.items() for line in key_lines(key, value))


def _item(item: object) -> str:
    """An item of a list, without the braces of a mapping of one key."""
    text = value_text(item)
    return text[1:-1] if isinstance(item, dict) and len(item) == 1 else text
