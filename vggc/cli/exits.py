"""The exit codes."""

from enum import IntEnum


class Exit(IntEnum):
    """What the exit code of a command says."""

    FINE = 0
    SPEC = 1
    USAGE = 2
    FAILED = 3
    MISMATCH = 4
    INCONCLUSIVE = 5
