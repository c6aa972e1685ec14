"""What only some commands need: imported when it is there, and named with the way to get it when it is not."""

from importlib import import_module
from types import ModuleType
from typing import Final

from vggc.base.errors import ProductError

# What a package is called where it is installed from, where that is not the name that one imports.
_DISTRIBUTIONS: Final = {"PIL": "pillow", "sklearn": "scikit-learn", "vl_convert": "vl-convert-python"}


def require(module: str, *, extra: str | None, by: str | None = None) -> ModuleType:
    """Import a module that is no dependency of the compiler.

    Args:
        module: what to import, such as `lightning` or `PIL.Image`.
        extra: the extra of vggc that it belongs to; None where the package alone is the shorter way.
        by: what needs it, such as `vggc predict`; the command of the extra's name if left out.

    Raises:
        ProductError: it is not installed, or does not import; the message says what to do.
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
