"""Layers whose window moves over each channel of an image: (C, H, W) -> (C, H', W')."""

from vggc.layers.answers import Shape
from vggc.layers.checks import image, slide
from vggc.layers.extent import Axis
from vggc.layers.layer import Layer


class SlidingWindow(Layer):
    """What all of them share: the channels stay, and `axes` says what happens to height and width."""

    def axes(self) -> tuple[Axis, Axis]:
        raise NotImplementedError(self.kind)

    def shape(self, x: Shape) -> Shape:
        channels, _, _ = image(x, self.kind)
        return slide(self, x, channels, self.axes())
