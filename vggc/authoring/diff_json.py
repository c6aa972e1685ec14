"""A difference as data, for other programs."""

import json
from typing import Any

from vggc.authoring.diffing import Difference, Pair
from vggc.authoring.network_figures import file_of
from vggc.backends.text.network_json import described
from vggc.ir.network import Network


def emit(difference: Difference) -> str:
    """The text of one JSON object."""
    return json.dumps(data(difference), indent=1) + "\n"


def data(difference: Difference) -> dict[str, Any]:
    """The object; figures as in `vggc shapes --json`, and all layers, those that are as before among them."""
    return {
        "before": _network(difference.before),
        "after": _network(difference.after),
        "equal": difference.equal,
        "figures": {each.figure.key: {"before": each.before, "after": each.after} for each in difference.figures},
        "keys": [each._asdict() for each in difference.keys],
        "layers": [_pair(pair) for pair in difference.layers],
    }


def _network(network: Network) -> dict[str, Any]:
    return {"name": network.name, "file": file_of(network)}


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "state": pair.state,
        "reshaped": pair.reshaped,
        "before": None if pair.before is None else described(pair.before),
        "after": None if pair.after is None else described(pair.after),
        "options": {name: {"before": old, "after": new} for name, (old, new) in pair.options.items()},
    }
