"""Network -> its shape table as an object: in a shell the text of `vggc shapes`, in a notebook HTML."""

from dataclasses import dataclass

from vggc.backends.text import text_summary
from vggc.drawing import notebook_html
from vggc.ir.network import Network


@dataclass(frozen=True, repr=False)
class ShapeTable:
    """A line a layer and the totals, without the picture; what shows it decides how."""

    network: Network

    def __repr__(self) -> str:
        return text_summary.emit(self.network).removesuffix("\n")  # print() adds it again

    def _repr_html_(self) -> str:
        return notebook_html.emit(self.network, picture=False)
