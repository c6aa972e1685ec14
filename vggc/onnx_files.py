"""ONNX files as they are opened: nothing in them is executed, and their weights lie in their own folder."""

from pathlib import Path
from typing import TYPE_CHECKING

from vggc.errors import ProductError

if TYPE_CHECKING:
    import onnx


def read_model(file: Path) -> "onnx.ModelProto":
    """The model in a file, with the weights that stand beside it.

    Raises:
        ProductError: the file cannot be read, is no ONNX, or names weights outside its own folder.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(str(file))
    except OSError as error:
        raise ProductError(f"{file} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise ProductError(f"{file} is no ONNX file: {str(error).splitlines()[0]}") from error
