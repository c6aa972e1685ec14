"""A difference as data, for other programs."""

import json
from typing import Any

from vggc.authoring.diffing import Difference, LayerChange
from vggc.authoring.network_figures import file_of
from vggc.backends.text.network_json import described
from vggc.ir.network import Network


def emit(difference: Difference) -> str:
    """The text of one JSON object."""
    return json.dumps(data(difference), indent=1) + "\n"


def data(difference: Difference) -> dict[str, Any]:
    """The object; figures as in `vggc shapes --json`, and all layers, whether they differ or not."""
    return {
        "before": _network(difference.before),
        "after": _network(difference.after),
        "equal": difference.equal,
        "figures": {figure.key: {"before": before, "after": after} for figure, before, after in difference.figures},
        "keys": [key._asdict() for key in difference.keys],
        "layers": [_layer(change) for change in difference.layers],
    }


def _network(network: Network) -> dict[str, Any]:
    return {"name": network.name, "file": file_of(network)}


def _layer(change: LayerChange) -> dict[str, Any]:
    return {
        "state": change.state,
        "reshaped": change.reshaped,
        "before": None if change.before is None else described(change.before),
        "after": None if change.after is None else described(change.after),
        "options": {name: {"before": old, "after": new} for name, (old, new) in change.options.items()},
    }
