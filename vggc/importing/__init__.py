"""The way back: an ONNX file or a torch model -> a short spec, its weights, and a report that says they are the same.

    file -prepare-> model -folding-> steps -spelling-> operations -chain-> Chain -recovery-> layers -sections-> Graph
    -idiom-> text -pipeline-> Network -checking-> report

`onnx_import.import_onnx` shows the whole way in one class, `torch_import.import_torch` that from a torch model.

    embedded, interface     the spec in a file of ours; what a file takes and gives
    preparing, folding      a model at inference in float32; constants computed, shapes known
    spelling                one spelling for all opsets and exporters: windows, arithmetic, normalizing, moving
    layouts                 channels first, and nothing moved without need (`arrangements`)
    chain                   the places where all paths meet
    ways, matching          what a layer might be; layers held against operations by lowering them (and `spellings`)
    recovery                layers with their tensors, or every node in the way
    torch_modules           the same from torch modules, class by class (`torch_classes`)
    sections, idiom         split and worded as a person would: units, defaults, repeats
    checking, result        beside the original (`reweighing`: with other weights); text, network, weights and report
"""
