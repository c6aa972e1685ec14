"""Which YAML files are specs: recognised by the key `vggc`, without parsing the whole file."""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path
from typing import Final

import yaml
from yaml import events

from vggc.frontend.text.parser import MAX_BYTES

UTF_16: Final = (BOM_UTF16_LE, BOM_UTF16_BE)

# The usual form, which this finds a hundred times faster than the parser.
_USUAL: Final = re.compile(r"^vggc:[ \t]+\d+[ \t]*(#.*)?\r?$", re.MULTILINE)
# The key at the beginning of a line or of the text: how a spec that is not valid YAML is recognised.
_LINE: Final = re.compile(r"""(^|\A(\s*(#.*|---.*)?\n)*\s*\{?\s*)(["']?)vggc\4\s*:""", re.MULTILINE)


def is_spec_file(path: Path) -> bool:
    """Whether a file is a spec, or cannot be read, which is reported when it is checked."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES)
    except OSError:
        return True
    encoding = "utf-16" if content.startswith(UTF_16) else "utf-8-sig"
    return is_spec(content.decode(encoding, errors="replace"))


def is_spec(text: str) -> bool:
    """Whether a text is a spec: a mapping whose key `vggc` has a scalar value, or none.

    A file in which that value is a mapping or a list belongs to another tool. A text that is not YAML is a spec if one
    of its lines begins with the key.
    """
    if "vggc" not in text:
        return False
    if _USUAL.search(text) is not None:
        return True
    try:
        return _has_version(text)
    except (yaml.YAMLError, UnicodeEncodeError):  # the second: an editor may send half of a UTF-16 pair
        return _LINE.search(text) is not None


def _has_version(text: str) -> bool:
    """Whether the mapping at the root has the key, with a scalar value."""
    depth, at_key, key = 0, True, None
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        opens, closes = isinstance(event, events.CollectionStartEvent), isinstance(event, events.CollectionEndEvent)
        if depth == 0 and isinstance(event, events.ScalarEvent | events.SequenceStartEvent):
            return False
        if depth == 1 and not closes:
            # A bracket may never be closed.
            if not at_key and key == "vggc" and not (opens and getattr(event, "flow_style", False)):
                return not opens
            key = getattr(event, "value", None) if at_key else None
            at_key = not at_key
        depth += opens - closes
    return False
