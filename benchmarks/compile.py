"""Text -> Network in a warm process, and how that grows with the text."""

from collections.abc import Iterator
from random import Random

from benchmarks import peers
from benchmarks.measure import ROOT, Plan, in_fresh_process, in_turn, once, ratios, warm
from benchmarks.row import Row
from vggc import pipeline
from vggc.analysis import shapes
from vggc.base.diagnostics import Source
from vggc.ir.graph import Graph
from vggc.ir.network import Network

LAYERS = (1_000, 10_000)
PLAIN = "libyaml + jsonschema"
STANDARD = f"where PyYAML reads vgg16 in {1000 * peers.YARDSTICK_SECONDS:.2f} ms"


def rows(plan: Plan) -> Iterator[Row]:
    """VGG16 relative to the limits and to peers; the largest spec relative to a tenth of it; many specs."""
    plain = peers.yaml_and_jsonschema()
    text = (ROOT / "specs" / "vgg16.yaml").read_text("utf-8")
    ours, theirs, standard = in_turn(
        "compile", plan.rounds(15), warm(lambda: _compile(text)), warm(lambda: plain(text)), warm(peers.yardstick)
    )
    yield Row("text -> Network", "the limit, 5 ms", 1.0, _of_limit(5e-3, ours, standard), note=STANDARD)
    yield Row("text -> Network", PLAIN, None, ratios(ours, theirs), note="which infer nothing and give no places")

    ours, theirs, standard = in_fresh_process(_inference, plan)  # torch in a process slows down its garbage collection
    yield Row("inference alone", "the limit, 0.3 ms", 1.0, _of_limit(0.3e-3, ours, standard), note=STANDARD)
    yield Row("inference alone", "torch's meta device", None, ratios(ours, theirs), note="a forward pass")

    short, long = (_chain(layers) for layers in LAYERS)
    few, many = in_turn("10,000 layers", plan.rounds(9), warm(lambda: _compile(short)), once(lambda: _compile(long)))
    growth = LAYERS[1] / LAYERS[0]
    yield Row("a layer of 10,000", "a layer of 1,000", 1.5, tuple(ratio / growth for ratio in ratios(many, few)))

    texts = [_generated(seed) for seed in range(100 if plan.quick else 1000)]
    ours, theirs = in_turn(
        f"{len(texts)} specs",
        plan.rounds(5),
        once(lambda: [_compile(text) for text in texts]),
        once(lambda: [plain(text) for text in texts]),
    )
    yield Row(
        f"{len(texts):,} specs", PLAIN, None, ratios(ours, theirs), note=f"{len(texts) / min(ours):,.0f} a second"
    )


def _graph(text: str) -> Graph:
    return pipeline.read_graph(Source("benchmark.yaml", text))


def _compile(text: str) -> Network:
    return pipeline.compile_source(Source("benchmark.yaml", text))


def _inference(plan: Plan) -> list[list[float]]:
    import torch

    from vggc.backends.torch import torch_module

    graph = _graph((ROOT / "specs" / "vgg16.yaml").read_text("utf-8"))
    network = shapes.infer(graph)
    module = torch_module.build(network).eval()
    x = torch.empty(1, *network.input, device="meta")
    with torch.no_grad():
        return in_turn(
            "inference",
            plan.rounds(15),
            warm(lambda: shapes.infer(graph)),
            warm(lambda: module(x)),
            warm(peers.yardstick),
        )


def _of_limit(limit: float, ours: list[float], standard: list[float]) -> tuple[float, ...]:
    """Seconds as a share of a limit, which grows as the machine is slower, or busier, than the standard one."""
    return tuple(part * peers.YARDSTICK_SECONDS / limit for part in ratios(ours, standard))


def _chain(layers: int) -> str:
    """A spec of convolutions, each with an activation."""
    features = ", ".join(["8"] * (layers // 2))
    return f"vggc: 1\nname: chain\ninput: [3, 32, 32]\nfeatures: [{features}]\nclassifier: none\n"


def _generated(seed: int) -> str:
    """A spec like a VGG: two to five stages, some with a norm, a dropout or another activation."""
    random = Random(seed)
    features: list[str] = []
    for stage in range(random.randint(2, 5)):
        features += [str(16 << stage)] * random.randint(1, 4)
        features += [*random.choice([[], ["dropout2d: 0.1"]]), "M"]
    unit = f"norm: {random.choice(['none', 'batch_norm'])}, activation: {random.choice(['relu', 'silu', 'mish'])}"
    hidden = [str(random.choice([64, 128, 256]))] * random.randint(0, 2)
    lines = [
        "vggc: 1",
        f"name: generated_{seed}",
        f"input: [3, {32 * random.randint(1, 7)}, {32 * random.randint(1, 7)}]",
        f"classes: {random.randint(2, 1000)}",
        f"defaults: {{conv: {{{unit}}}}}",
        "features:",
        *(f"  - {item}" for item in features),
        "pool: 1",
        f"classifier: [{', '.join([*hidden, '{linear: classes}'])}]",
    ]
    return "\n".join(lines) + "\n"
