"""An ONNX file with its data and its report, moved into place so that the model is complete at every moment.

No file system moves two files in one step. So the data's name holds a digest of its bytes, the new data is beside the
old, and the one step that counts is the move of the model, which refers to the one or to the other.
"""

import os
import re
from pathlib import Path
from typing import Final

from vggc.base.errors import ProductError
from vggc.base.scratch import exclusively
from vggc.base.signals import uninterrupted
from vggc.base.staging import final, move_into_place

_DIGITS: Final = 12


def report_path(target: Path) -> Path:
    """The path of a file's report: beside it, and where the target is a link, beside the file itself."""
    file = final(target)
    return file.with_name(file.name + ".json")


def data_name(target: str, sha256: str) -> str:
    """The name of the file with a model's weights, by the digest of its bytes: `NAME.onnx.DIGEST.data`."""
    return f"{target}.{sha256[:_DIGITS]}.data"


def check_target(target: Path, *, external_data: bool) -> None:
    """Raise ProductError for a target that a model and its report cannot take; before anything is computed."""
    if external_data and target.is_symlink():
        raise ProductError(
            f"{target} is a link, and weights in a file of their own would be beside only one end of it; "
            f"name the file itself: {final(target)}"
        )
    if os.path.isdir(report_path(target)):
        raise ProductError(f"{report_path(target)}, the place of the report, is a folder; write elsewhere")


def publish(staged: Path, target: Path, data: Path | None = None) -> None:
    """Make a finished model the target, with its report, which is beside it, and its data.

    Where the target is a link, all of that is done to the file that it leads to; the link stays.

    1. The data gets its own name, which nothing refers to yet.
    2. The old report is set aside: no report is better than that of another file.
    3. The model gets its name: before this step everything is as it was, after it the new model is complete.
    4. The report gets its name.
    5. Data that the new model does not refer to is removed, also what a killed process may have left there.

    Two processes that write the same target do this one after the other; where the file system has no locks, step 5 is
    left out. A signal ends this process before the first step or after the last.
    """
    target = final(target)
    report, aside = report_path(target), staged.with_name("old report")
    with exclusively(target.parent) as alone, uninterrupted():
        placed = target.with_name(data.name) if data is not None else None
        added = placed if placed is not None and not placed.exists() else None
        try:
            if data is not None and placed is not None:
                move_into_place(data, placed)
            if report.is_file():
                os.replace(report, aside)
            move_into_place(staged, target)
        finally:
            if staged.exists():  # the model could not be moved, so everything is still the old one's
                _take_back(added, aside, report)
        move_into_place(report_path(staged), report)
        if alone:
            _remove_other_data(target, placed)


def _take_back(added: Path | None, aside: Path, report: Path) -> None:
    if added is not None:
        added.unlink(missing_ok=True)
    if aside.exists():
        os.replace(aside, report)


def _remove_other_data(target: Path, kept: Path | None) -> None:
    named = re.compile(rf"{re.escape(target.name)}\.[0-9a-f]{{{_DIGITS}}}\.data")
    for path in target.parent.iterdir():
        if named.fullmatch(path.name) and path != kept:
            path.unlink(missing_ok=True)
