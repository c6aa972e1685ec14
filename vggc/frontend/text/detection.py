"""Which YAML files are meant as specs, told without reading them whole."""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path
from typing import Final

import yaml
from yaml import events

from vggc.frontend.text.document import MAX_BYTES

UTF_16: Final = (BOM_UTF16_LE, BOM_UTF16_BE)

# As nearly all specs say it, which is found a hundred times as fast as it is parsed.
_USUAL: Final = re.compile(r"^vggc:[ \t]+\d+[ \t]*(#.*)?\r?$", re.MULTILINE)
# The key on a line of its own, or at the very beginning: the sign of a spec in what is not YAML.
_LINE: Final = re.compile(r"""(^|\A(\s*(#.*|---.*)?\n)*\s*\{?\s*)(["']?)vggc\4\s*:""", re.MULTILINE)


def is_spec_file(path: Path) -> bool:
    """Whether a file is meant as a spec, or cannot be read, which is reported when it is checked."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES)
    except OSError:
        return True
    encoding = "utf-16" if content.startswith(UTF_16) else "utf-8-sig"
    return is_spec(content.decode(encoding, errors="replace"))


def is_spec(text: str) -> bool:
    """Whether a text is meant as a spec: a mapping with the key `vggc`, behind which stands a single value or nothing.

    A mapping or a list behind that key is of another tool. What is not YAML counts as a spec by the look of a line.
    """
    if "vggc" not in text:
        return False
    if _USUAL.search(text) is not None:
        return True
    try:
        return _says_version(text)
    except (yaml.YAMLError, UnicodeEncodeError):  # the second is half a character, which an editor may hold
        return _LINE.search(text) is not None


def _says_version(text: str) -> bool:
    """Whether the mapping at the root has the key, and a single value behind it."""
    depth, at_key, key = 0, True, None
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        opens, closes = isinstance(event, events.CollectionStartEvent), isinstance(event, events.CollectionEndEvent)
        if depth == 0 and isinstance(event, events.ScalarEvent | events.SequenceStartEvent):
            return False
        if depth == 1 and not closes:
            # A bracket may still turn out never to be closed.
            if not at_key and key == "vggc" and not (opens and getattr(event, "flow_style", False)):
                return not opens
            key = getattr(event, "value", None) if at_key else None
            at_key = not at_key
        depth += opens - closes
    return False
