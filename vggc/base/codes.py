"""Every code of a diagnostic: what it means, and what to do. `vggc explain CODE` prints it."""

from typing import Final, NamedTuple


class Code(NamedTuple):
    """The meaning of a code in a line and in a paragraph; a warning also has a name, by which it is switched off."""

    title: str
    explanation: str
    name: str | None = None


CODES: Final[dict[str, Code]] = {
    "E001": Code(
        "the file cannot be read",
        "There is no such file, it is a folder, or you may not read it. A word without a suffix, such as `vgg16`, "
        "names a stock spec if there is no file of that name; `vggc list` prints the stock specs.",
    ),
    "E002": Code(
        "this is not UTF-8 text",
        "A spec is UTF-8 text without control characters. This file has another encoding, or is not a text file.",
    ),
    "E003": Code(
        "the file is empty",
        "It contains only white space and comments. `vggc expand vgg16` prints a spec to start from.",
    ),
    "E004": Code(
        "this is not YAML",
        "For a bracket or a quote that is never closed, the place is where it begins. Otherwise it is where the parser "
        "stopped, which can be a line below the mistake: a tab, a missing space after a colon, a wrong indentation.",
    ),
    "E005": Code(
        "a duplicate key",
        "YAML parsers usually keep the last of two equal keys without a message, so the other has no effect. "
        "Remove one of them.",
    ),
    "E006": Code(
        "YAML that a spec does not use",
        "Tags (`!!int`), several documents in one file, and aliases inside their own anchor have no meaning in a spec. "
        "Anchors, aliases and merge keys (`<<`) work.",
    ),
    "E007": Code("a key is not a word", "Keys are words. Quote a key that looks like a number or like `true`."),
    "E008": Code(
        "a number is not finite", "`.nan`, `.inf` and numbers beyond the range of a float have no meaning here."
    ),
    "E009": Code(
        "a limit is exceeded",
        "A spec has at most 1 MiB of text, 64 levels, 200,000 values once its aliases are expanded, 10,000 layers "
        "once its repeats are unrolled, and 16 ancestors. Of more than a hundred errors, the first hundred are shown.",
    ),
    "E011": Code(
        "`extends` cannot be followed",
        "It takes a path relative to the file, or the name of a stock spec. URLs, absolute paths and cycles are "
        "refused, so a spec means the same on every machine.",
    ),
    "E012": Code(
        "an override is not an assignment",
        "`--set` takes `key=value`, where the key may be dotted and the value is YAML: `--set classes=10`, "
        "`--set input=[3,64,64]`, `--set train.epochs=3`.",
    ),
    "E101": Code(
        "an unknown word",
        "The schema is closed: a key, kind or option that it does not know is an error, because it would have no "
        "effect. `vggc schema` prints all of them.",
    ),
    "E102": Code(
        "a value of the wrong type",
        "For example a word in place of a number, or 64.0 in place of a whole number. Plain values mean what YAML "
        "1.2 says: `1e-3` is a number, `no` is a word.",
    ),
    "E103": Code(
        "a value out of its range", "The message names the bound, the possible words, or the number of values."
    ),
    "E104": Code("something is missing", "The key or option has no default and must be written."),
    "E105": Code(
        "an item names several kinds",
        "Each item of a list is one layer: a word, a number, or a mapping from one kind to its options. Put a `-` "
        "before each layer, and options inside the braces.",
    ),
    "E106": Code(
        "options contradict each other",
        "Each is legal alone, but not with the other: torch would refuse them, or one would have no effect.",
    ),
    "E107": Code(
        "a key without effect",
        "The key changes nothing in this spec. Remove it, or move it to a place where it has an effect.",
    ),
    "E108": Code(
        "`classes` is not known", "The word means the spec's number of classes, so the spec needs the key `classes`."
    ),
    "E109": Code(
        "a rewrite matches no layer",
        "No layer has the kind, the options and the stage that the rewrite names. `vggc expand` prints all layers.",
    ),
    "E201": Code(
        "a layer of the wrong rank",
        "Convolutions, pools and similar layers take images (channels, height, width); linear layers take vectors. A "
        "`flatten` turns an image into a vector; vggc inserts one before the classifier.",
    ),
    "E202": Code(
        "a written size is wrong",
        "`in_channels` and `in_features` are inferred and need not be written. If one is written, it must be right.",
    ),
    "E203": Code(
        "a window does not fit the map",
        "The map has become smaller than the window that should move over it, usually because of one pool too many or "
        "an input too small. The trace shows every size up to there; the help names the smallest input that works.",
    ),
    "E204": Code(
        "an adaptive pool would enlarge",
        "An adaptive pool of 7x7 on a 1x1 map makes 49 copies of each value: the next layer gets 49 times the weights, "
        "but no more information. Use a smaller size, a larger input, or no pool; `allow_enlarge: true` permits it.",
    ),
    "E205": Code(
        "channels do not divide",
        "Groups, and the block of pixel_shuffle, must divide the channels of the input evenly.",
    ),
    "E206": Code(
        "the network is too large",
        "No dimension may exceed 2^31 - 1, and the weights may not exceed --max-memory (8 GiB by default). "
        "Nothing has been allocated.",
    ),
    "E207": Code(
        "the output does not match the classes",
        "The last layer must have one output for each class: `linear: classes`.",
    ),
    "E301": Code("an expectation is not met", "`expect` says what must be true of the network, and this is not."),
    "E302": Code("no such layer", "`--until` takes an alias or a path from the table of `vggc shapes`."),
    "W401": Code(
        "a deep network with neither norm nor He initialisation",
        "Without batch norm, and without an initialisation that keeps the variance (kaiming, orthogonal), the signal "
        "fades in more than ten layers: the loss stays at ln(classes) and accuracy at chance. This affects every VGG.",
        "deep_without_norm",
    ),
    "W402": Code(
        "dropout before batch norm",
        "Dropout changes the variance in training and not at inference, so the running statistics of a norm after it "
        "are wrong at inference (Li et al., 2018, arXiv:1801.05134).",
        "dropout_before_norm",
    ),
    "W403": Code(
        "dropout before max pool",
        "If the maximum of a window is dropped, the next largest value takes its place. So the dropout has less effect "
        "than its probability suggests.",
        "dropout_before_pool",
    ),
    "W404": Code(
        "a bias that batch norm removes",
        "Batch norm subtracts the mean, and with it any bias of the convolution before it. Remove it (`bias: false`), "
        "or write `bias: true` if the weights file has one, as torchvision's files do.",
        "needless_bias",
    ),
    "W405": Code(
        "an adaptive pool that does not divide its map",
        "Its windows overlap and differ in size. vggc exports it exactly; other exporters refuse or approximate it, "
        "and on GPUs its gradient is not deterministic.",
        "uneven_pool",
    ),
    "W406": Code(
        "softmax before cross-entropy",
        "torch's cross-entropy takes logits and applies log-softmax itself. A softmax before it flattens the gradient.",
        "softmax_last",
    ),
    "W407": Code(
        "the output goes through an activation or dropout",
        "A bare number in `classifier` is an fc unit, with activation and dropout. The last layer must give the "
        "logits, so make it a linear: `{linear: classes}`.",
        "activation_last",
    ),
}

# The names of the warnings, by which `allow` and `--allow` switch them off.
WARNINGS: Final[tuple[str, ...]] = tuple(code.name for code in CODES.values() if code.name is not None)
