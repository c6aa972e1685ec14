"""Numbers with their units, for people."""


def in_bytes(size: int) -> str:
    """Bytes as GiB, or as a smaller unit where that reads better."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:,.2f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{size} B"
