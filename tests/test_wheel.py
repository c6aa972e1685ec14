"""The wheel: it holds the stock specs and the types, and works from any folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

from vggc.base.version import __version__
from vggc.frontend.text.sources import stock_names

ROOT = Path(__file__).parents[1]


def test_the_wheel_works_where_it_is_unpacked(tmp_path: Path) -> None:
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(built) as wheel:
        wheel.extractall(tmp_path / "site")
        names = wheel.namelist()
    assert {"vggc/py.typed", "vggc/specs/vggc.schema.json", f"vggc-{__version__}.dist-info/licenses/LICENSE"} <= set(
        names
    )
    code = (
        "import vggc; from vggc.frontend.text.sources import stock_names; print(vggc.__file__); print(*stock_names())"
    )
    # Standing above the package does not make its specs the author's, as where .venv lies in the working folder.
    code += "; print(vggc.compile('vgg16_bn').layers[0].node.span)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    home, stock, place = run.stdout.splitlines()
    assert home == str(tmp_path / "site" / "vggc" / "__init__.py")
    assert stock.split() == stock_names()
    assert place.startswith("stock vgg16:7:")
