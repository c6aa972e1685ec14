"""vggc compiles YAML specs of convolutional networks into PyTorch modules and verified ONNX files.

Reading order, which is the way of the data:

    text -document-> Document -schema-> (diagnostics) -spec-> Spec -ir-> Graph -shapes-> Network -backends-> artefact
    -verify-> report

`pipeline.compile` shows the first half in one function; `backends` lists the products.
"""

__version__ = "0.1.0"
