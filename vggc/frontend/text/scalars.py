"""Plain scalars as YAML 1.2 reads them: `1e-3` is a number; `no`, `010` and `12:30` are what they look like."""

import math
import re
from collections.abc import Mapping
from typing import Final

Scalar = str | int | float | bool | None

# A whole number of more digits is beyond every float, in decimal and in hexadecimal, and refused like an infinite one.
MAX_DIGITS: Final = 250

_INTEGER = re.compile(r"[-+]?[0-9]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITIES = {sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")}
_WORDS: Final[Mapping[str, Scalar]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".nan": math.nan, ".NaN": math.nan, ".NAN": math.nan, **_INFINITIES,
}  # fmt: skip


def resolve(text: str) -> Scalar:
    """What a plain scalar means in the core schema of YAML 1.2.2, section 10.3.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) < MAX_DIGITS else math.inf
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 0) if len(text) < MAX_DIGITS else math.inf
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
