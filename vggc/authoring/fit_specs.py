"""The variants within a budget as specs: compiled in the ordinary way, and their figures compared with the counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vggc.analysis import shapes
from vggc.authoring.adapting import Changes, restated
from vggc.authoring.budget import Budget, Variant
from vggc.authoring.child_text import keys
from vggc.authoring.network_figures import FIGURES
from vggc.authoring.variant_search import VARIED, Search
from vggc.base.diagnostics import Source
from vggc.base.errors import InternalError, ProductError
from vggc.base.words import FACTORS, amount, joined
from vggc.ir.network import Network
from vggc.pipeline import compile_source, read_graph

# The names of the limits on the command line and in `expect`, by the figure that they limit.
OPTIONS: Final = {
    "params": "--max-params",
    "macs": "--max-macs",
    "weight_bytes": "--max-memory",
    "peak_activation_bytes": "--max-peak",
}
EXPECT: Final = {"params": "max_params", "macs": "max_macs"}


@dataclass(frozen=True)
class FittedSpec:
    """A spec of a few lines, and the network that it compiles to."""

    name: str
    text: str
    network: Network


def head(name: str, extends: str, overrides: Changes) -> Changes:
    """The keys of every variant: its parent, and the overrides of the command line."""
    return {"vggc": 1, "name": name, "extends": extends, **overrides}


def source(values: Changes, folder: Path) -> Source:
    """A spec as if it had been read from a file in the folder."""
    path = folder / f"{values['name']}.yaml"
    return Source(str(path), keys(values), path=path)


def fitted_specs(variants: Sequence[Variant], base: Changes, folder: Path, budget: Budget) -> list[FittedSpec]:
    """The specs of variants, named after their base and numbered.

    Raises:
        InternalError: one does not have the figures that were counted.
    """
    return [
        _fitted_spec(variant, {**base, "name": f"{base['name']}{number}"}, folder, budget)
        for number, variant in enumerate(variants, 1)
    ]


def _fitted_spec(variant: Variant, base: Changes, folder: Path, budget: Budget) -> FittedSpec:
    values = _merged(base, variant.changes)
    expect = {EXPECT[key]: amount(most) if _exact(most) else most for key, most in budget.items() if key in EXPECT}
    values["expect"] = values.get("expect", {}) | expect
    if not values["expect"]:
        del values["expect"]
    network = shapes.infer(read_graph(source(values, folder)))
    values = _merged(values, restated(network))
    spec = source(values, folder)
    network = compile_source(spec)
    if any(FIGURES[key].of(network) != value for key, value in variant.counts._asdict().items()):
        raise InternalError(f"{values['name']} does not have the figures that were counted: {variant.counts}")
    return FittedSpec(values["name"], f"# {values['name']}: {_shares(network, budget)}\n{spec.text}", network)


def _merged(below: Changes, above: Changes) -> Changes:
    """One spec laid over another; mappings are merged, except `pool`, which names a kind."""
    sections = [key for key in ("preprocess", "train", "expect") if key in below and key in above]
    return {**below, **above, **{key: {**below[key], **above[key]} for key in sections}}


def _exact(most: int) -> bool:
    """Whether the amount is the same number when it is written with a suffix."""
    text = amount(most)
    return text[-1].isalpha() and float(text[:-1]) * FACTORS[text[-1]] == most


def _shares(network: Network, budget: Budget) -> str:
    """The limited figures, and their shares of the limits."""
    parts = []
    for key, most in budget.items():
        figure, value = FIGURES[key], FIGURES[key].of(network)
        assert isinstance(value, int)
        parts.append(f"{figure.text(value)} {figure.label} ({100 * value / most:.1f} % of {figure.text(most)})")
    return ", ".join(parts)


def impossible(search: Search, name: str, budget: Budget, vary: Sequence[str]) -> ProductError:
    """The error for a budget that no variant meets: the limits that are too low, and the least possible figures."""
    varied, rest = joined(list(vary), "and"), [name for name in VARIED if name not in vary]
    if search.least is None:
        return ProductError(f"no variant of {name} compiles; vary something other than {varied}")
    least = search.least._asdict()
    missed = [key for key, most in budget.items() if least[key] > most]
    parts = [
        f"{FIGURES[key].text(budget[key])} {FIGURES[key].label}: the least is {FIGURES[key].text(least[key])}"
        for key in missed
    ]
    remedies = [f"raise {joined([OPTIONS[key] for key in missed], 'and')}"] if missed else ["raise a limit"]
    if rest:
        remedies.append(f"vary {joined(rest, 'and')} as well")
    reached = "; ".join(parts) or "all limits together, though each of them alone"
    return ProductError(f"varying {varied}, no variant of {name} keeps to {reached}; {' or '.join(remedies)}")
