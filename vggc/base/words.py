"""Counts, sizes, shapes and lists in words."""

from collections.abc import Iterable, Sequence
from typing import Final

MAX_QUOTE: Final = 40  # characters of a quoted word
TIMES: Final = "\N{MULTIPLICATION SIGN}"
FACTORS: Final = {"T": 10**12, "G": 10**9, "M": 10**6, "K": 10**3}  # of the suffixes of a count


def plural(count: int, noun: str) -> str:
    """A count and its noun: `1 layer`, `1,200 layers`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def dimensions(shape: Iterable[int], sign: str = " x ") -> str:
    """A shape in words: `64 x 224 x 224`."""
    return sign.join(map(str, shape))


def compact(shape: Iterable[int]) -> str:
    """A shape in words without spaces: `64x224x224`."""
    return dimensions(shape, "x")


def typeset(shape: Iterable[int]) -> str:
    """A shape with a proper multiplication sign, for pictures and editors: `64×224×224`."""
    return dimensions(shape, TIMES)


def amount(count: int) -> str:
    """A count with the suffix that `expect` takes, in four digits: `20M`, `1.5G`."""
    suffix, factor = next((pair for pair in FACTORS.items() if count >= pair[1]), ("", 1))
    return f"{count / factor:.4g}{suffix}"


def in_bytes(size: int) -> str:
    """Bytes as GiB, or as a smaller unit where that reads better."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:,.2f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{size} B"


def joined(words: Sequence[str], last: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def printable(text: str) -> str:
    """The text on one line, with control characters escaped, so that a terminal acts upon none of it."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def quoted(word: str) -> str:
    """A word of the user's within a message: in backticks, cut after 40 characters."""
    short = word if len(word) <= MAX_QUOTE else f"{word[: MAX_QUOTE - 3]}..."
    return f"`{printable(short)}`"


def styled(style: str, text: str) -> str:
    """A text in a terminal's colour or weight, by the numbers of ANSI: `1;31` is bold red."""
    return f"\x1b[{style}m{text}\x1b[0m"
