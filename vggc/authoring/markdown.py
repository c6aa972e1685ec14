"""GitHub's Markdown: tables and code."""

import re
from collections.abc import Iterable, Iterator


def table(heading: Iterable[str], rows: Iterable[Iterable[str]], alignment: str = "") -> Iterator[str]:
    """A table; `alignment` has an `r` for every column that is aligned to the right."""
    names = list(heading)
    yield f"| {' | '.join(names)} |"
    yield f"|{'|'.join('---:' if alignment[i : i + 1] == 'r' else '---' for i in range(len(names)))}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def code(text: str) -> str:
    """A text of the user's as code, which cannot contain markup; it may be in a table."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text.replace('|', chr(92) + '|')}{space}{fence}"
