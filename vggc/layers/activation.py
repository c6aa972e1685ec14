"""What activations share: any shape -> the same shape."""

from typing import Annotated

from vggc.layers.layer import Layer

Inplace = Annotated[bool, "whether the input is overwritten, which saves memory in training"]


class Activation(Layer):
    """A function of every value by itself, unless its kind says otherwise."""

    group = "activation"
    elementwise = True


class InplaceActivation(Activation):
    """One whose only option is to overwrite its input."""

    inplace: Inplace = False
