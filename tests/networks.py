"""Small networks that the tests share: one of each shape of the whole, and fast."""

from collections.abc import Iterable
from typing import Final

from vggc import pipeline
from vggc.analysis.shapes import MAX_MEMORY
from vggc.base.diagnostics import Source
from vggc.frontend.text.document import Table
from vggc.model import Network

SMALL: Final = """\
vggc: 1
name: small
input: [3, 16, 16]
classes: [ant, bee, cow, dog, eel]
defaults: {conv: {norm: batch_norm}}
features: [8, M, 16, M]
pool: 2
classifier: [12, {linear: classes}]
init: {conv2d: {kaiming_normal: {mode: fan_out, nonlinearity: relu}}, linear: {normal: 0.05}, bias: zeros}
preprocess: {resize: 20, crop: 16, mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2]}
allow: [needless_bias]
"""

PLAIN: Final = """\
vggc: 1
name: plain
input: [1, 12, 20]
classes: 4
features: [4, M, {conv: {out_channels: 6, kernel_size: [3, 5], stride: [1, 2], padding: [1, 2]}}, 6]
classifier: [{linear: classes}]
"""

HEADLESS: Final = """\
vggc: 1
name: headless
input: [3, 9, 9]
features: [4, relu6, {max_pool2d: {kernel_size: 3, stride: 2, ceil_mode: true}}]
classifier: none
"""

ALL: Final = {"small": SMALL, "plain": PLAIN, "headless": HEADLESS}


def compile_source(
    source: Source, overrides: Iterable[Table] = (), until: str | None = None, max_memory: int = MAX_MEMORY
) -> Network:
    """Compile a source to the network of the public interface."""
    compiled = pipeline.compile_source(source, overrides, until=until, max_memory=max_memory)
    return Network(compiled.graph, compiled.layers)


def network(text: str, until: str | None = None) -> Network:
    """Compile a text."""
    return compile_source(Source("test.yaml", text), until=until)
