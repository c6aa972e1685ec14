"""How long work reports its progress."""

from collections.abc import Callable

# Called with the work in words, how much of it is done, and the total; in bytes, layers or passes.
Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""
