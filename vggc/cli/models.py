"""What belongs to an ONNX model, for the commands that read one."""

from collections.abc import Iterator
from pathlib import Path


def files_of_model(path: Path) -> Iterator[Path]:
    """An ONNX file, and then those beside it that hold its weights.

    Raises:
        ProductError: it cannot be read.
    """
    yield path
    from vggc.verify.model_file import data_files, read_model

    yield from data_files(path, read_model(path))
