"""Packages that only some commands need, and that may not be installed."""

from importlib import import_module
from types import ModuleType
from typing import Final

from vggc.base.errors import ProductError

# The names under which packages are installed, if they differ from those under which they are imported.
_DISTRIBUTIONS: Final = {"PIL": "pillow", "sklearn": "scikit-learn", "vl_convert": "vl-convert-python"}


def require(module: str, *, extra: str | None, by: str | None = None) -> ModuleType:
    """Import a module that the compiler itself does not depend on.

    Args:
        module: the module, such as `lightning` or `PIL.Image`.
        extra: the extra of vggc that it belongs to; None if the package is installed on its own.
        by: what needs it, such as `vggc predict`; by default the command with the name of the extra.

    Raises:
        ProductError: it is not installed, or importing it fails; the message says what to do.
    """
    package = module.partition(".")[0]
    name = _DISTRIBUTIONS.get(package, package)
    needs = f"{by or f'`vggc {extra}`'} needs {name}"
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise ProductError(f"{needs}, which is there and does not import: {error}") from error
        wanted = f"'vggc[{extra}]'" if extra is not None else name
        raise ProductError(f"{needs}; install it with: pip install {wanted}") from None
    except ImportError as error:
        raise ProductError(f"{needs}, which is there and does not import: {error}") from error
