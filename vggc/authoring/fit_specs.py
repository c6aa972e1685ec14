"""The variants that fit, as specs that can be pasted: compiled the ordinary way, and held against the budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vggc.analysis import shapes
from vggc.authoring.adapting import Changes, restated
from vggc.authoring.budget import Budget, Variant
from vggc.authoring.child_text import keys
from vggc.authoring.fitting import Search
from vggc.authoring.network_figures import FIGURES
from vggc.base.diagnostics import Source
from vggc.base.errors import InternalError, ProductError
from vggc.base.words import joined
from vggc.drawing.axes import amount
from vggc.ir.network import Network
from vggc.pipeline import compile_source, read_graph

# The limits by the figure that they limit: as the command line calls them, and as `expect` does.
OPTIONS: Final = {
    "params": "--max-params",
    "macs": "--max-macs",
    "weight_bytes": "--max-memory",
    "peak_activation_bytes": "--max-peak",
}
EXPECT: Final = {"params": "max_params", "macs": "max_macs"}


@dataclass(frozen=True)
class Ready:
    """A spec of a few lines, and the network that it compiles to."""

    name: str
    text: str
    network: Network


def head(name: str, extends: str, said: Changes) -> Changes:
    """What every variant says: whose child it is, and what the command line set."""
    return {"vggc": 1, "name": name, "extends": extends, **said}


def source(values: Changes, folder: Path) -> Source:
    """A spec in a folder, as it would be read from there."""
    path = folder / f"{values['name']}.yaml"
    return Source(str(path), keys(values), path=path)


def ready(variants: Sequence[Variant], base: Changes, folder: Path, budget: Budget) -> list[Ready]:
    """The specs of variants, named after their base and numbered.

    Raises:
        InternalError: one does not have the figures that were promised.
    """
    return [
        _ready(variant, {**base, "name": f"{base['name']}{number}"}, folder, budget)
        for number, variant in enumerate(variants, 1)
    ]


def _ready(variant: Variant, base: Changes, folder: Path, budget: Budget) -> Ready:
    values = _merged(base, variant.changes)
    expect = {EXPECT[key]: amount(most) if _exact(most) else most for key, most in budget.items() if key in EXPECT}
    values["expect"] = values.get("expect", {}) | expect
    if not values["expect"]:
        del values["expect"]
    network = shapes.infer(read_graph(source(values, folder)))
    values = _merged(values, restated(network))
    written = source(values, folder)
    network = compile_source(written)
    if any(FIGURES[key].of(network) != value for key, value in variant.counts._asdict().items()):
        raise InternalError(f"{values['name']} has not the figures that it was found by: {variant.counts}")
    return Ready(values["name"], f"# {values['name']}: {_shares(network, budget)}\n{written.text}", network)


def _merged(below: Changes, above: Changes) -> Changes:
    """Mappings merge, as where a spec extends another."""
    both = {key: {**below[key], **value} for key, value in above.items() if _mappings(below.get(key), value)}
    return {**below, **above, **both}


def _mappings(below: Any, above: Any) -> bool:
    return isinstance(below, dict) and isinstance(above, dict) and "adaptive_avg_pool2d" not in above


def _exact(most: int) -> bool:
    """Whether the amount with a suffix says the same number."""
    text = amount(most)
    return text[-1].isalpha() and float(text[:-1]) * {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[text[-1]] == most


def _shares(network: Network, budget: Budget) -> str:
    """The figures that are limited, and how much of the limit they take."""
    parts = []
    for key, most in budget.items():
        figure, value = FIGURES[key], FIGURES[key].of(network)
        assert isinstance(value, int)
        parts.append(f"{figure.shown(value)} {figure.label} ({100 * value / most:.1f} % of {figure.shown(most)})")
    return ", ".join(parts)


def impossible(search: Search, name: str, budget: Budget, vary: Sequence[str]) -> ProductError:
    """The error of a budget that no variant meets: the limits that are out of reach, and the least that is in it."""
    varied, rest = joined(list(vary), "and"), [each for each in ("width", "depth", "input") if each not in vary]
    if search.least is None:
        return ProductError(f"no variant of {name} compiles; vary something else than {varied}")
    least = search.least._asdict()
    missed = [key for key, most in budget.items() if least[key] > most]
    parts = [
        f"{FIGURES[key].shown(budget[key])} {FIGURES[key].label}: the least is {FIGURES[key].shown(least[key])}"
        for key in missed
    ]
    ways = [f"raise {joined([OPTIONS[key] for key in missed], 'and')}"] if missed else ["raise a limit"]
    if rest:
        ways.append(f"vary {joined(rest, 'and')} as well")
    reached = "; ".join(parts) or "all limits together, though each of them alone"
    return ProductError(f"varying {varied}, no variant of {name} keeps to {reached}; {' or '.join(ways)}")
