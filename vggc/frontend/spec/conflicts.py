"""Contradictions in `preprocess` and `train`, which the schema cannot express, with their places."""

from collections.abc import Iterator, Mapping

from vggc.base.diagnostics import Diagnostic, Note, Span
from vggc.base.words import compact, plural
from vggc.frontend.spec.records_from_values import single_entry
from vggc.frontend.text.document import Entry, Items, Table, Value
from vggc.ir.header import Header
from vggc.layers.option_types import pair
from vggc.recipe.recipe import Preprocess, RandomCrop, Train
from vggc.recipe.schedules import OneCycleLR, ReduceLROnPlateau

Entries = Mapping[str, Entry]


def check(header: Header, preprocess: Table, train: Table) -> Iterator[Diagnostic]:
    """The contradictions in the tables from which `header.preprocess` and `header.train` were read."""
    if header.preprocess is not None:
        yield from _channels(header, header.preprocess, preprocess.entries)
        yield from _sizes(header, header.preprocess, preprocess.entries)
    if header.train is not None:
        yield from _optimizer(header.train, train.entries)
        yield from _length(header.train, train.entries)
        yield from _validation(header.train, train.entries)
        yield from _crops(header, header.train, train.entries)


def _conflict(message: str, place: Span, help: str | None = None) -> Diagnostic:
    return Diagnostic("E106", message, place, (Note("help", help),) if help else ())


def _channels(header: Header, preprocess: Preprocess, entries: Entries) -> Iterator[Diagnostic]:
    """The mean and the standard deviation have one value for each channel."""
    channels = header.input[0]
    for name, values in (("mean", preprocess.mean), ("std", preprocess.std)):
        if values is not None and len(values) != channels:
            message = f"{name} has {plural(len(values), 'value')}, and the input {plural(channels, 'channel')}"
            yield _conflict(message, entries[name].value.span)


def _sizes(header: Header, preprocess: Preprocess, entries: Entries) -> Iterator[Diagnostic]:
    """The last step gives images of the input's size, and a crop is not larger than the resized image."""
    resize, crop = (None if size is None else pair(size) for size in (preprocess.resize, preprocess.crop))
    last, size = ("crop", crop) if crop is not None else ("resize", resize)
    if size is not None and size != header.input[1:]:
        yield _wrong_size(header, last, size, entries[last].value.span)
    elif resize is not None and crop is not None:
        yield from _fits(crop, 0, resize, entries["crop"].value.span)


def _wrong_size(header: Header, option: str, size: tuple[int, int], place: Span) -> Diagnostic:
    height, width = header.input[1:]
    expected = height if height == width else [height, width]
    message = f"{option} gives images of {compact(size)}, and the input is {compact((height, width))}"
    return _conflict(message, place, f"write `{option}: {expected}`, or change `input`")


def _optimizer(train: Train, entries: Entries) -> Iterator[Diagnostic]:
    if conflict := train.optimizer.conflict():
        option, message = conflict
        yield _conflict(f"{train.optimizer.kind}: {message}", _place_of(entries["optimizer"].value, option))


def _length(train: Train, entries: Entries) -> Iterator[Diagnostic]:
    """A warm-up fits into the run, and into its schedule."""
    schedule = train.schedule
    if train.warmup and isinstance(schedule, OneCycleLR):
        message = "one_cycle_lr starts with a low learning rate itself, so it cannot follow a `warmup`"
        yield _conflict(message, entries["warmup"].value.span, "remove it; `pct_start` sets the length of the rise")
    elif train.warmup > train.epochs:
        message = f"a warm-up of {train.warmup} epochs does not fit into a run of {plural(train.epochs, 'epoch')}"
        yield _conflict(message, entries["warmup"].value.span)
    fields = train.optimizer.field_names()
    if isinstance(schedule, OneCycleLR) and schedule.cycle_momentum and not {"momentum", "betas"} & set(fields):
        message = f"one_cycle_lr changes the momentum, and {train.optimizer.kind} has none"
        help = f"write `one_cycle_lr: {{max_lr: {schedule.max_lr}, cycle_momentum: false}}`"
        yield _conflict(message, _place_of(entries["schedule"].value, "cycle_momentum"), help)


def _validation(train: Train, entries: Entries) -> Iterator[Diagnostic]:
    """What depends on validation accuracy needs images to validate on."""
    users = {"early_stop": train.early_stop is not None, "schedule": isinstance(train.schedule, ReduceLROnPlateau)}
    for key, name in (("early_stop", "early_stop"), ("schedule", "reduce_lr_on_plateau")):
        if train.validation == 0 and users[key]:
            message = f"{name} needs the validation accuracy, and `validation` is 0"
            yield _conflict(message, entries[key].value.span, "set some images apart: `validation: 0.1`")


def _crops(header: Header, train: Train, entries: Entries) -> Iterator[Diagnostic]:
    """One random crop at most, which gives images of the input's size and fits into the resized image."""
    if "augment" not in entries:
        return
    value = entries["augment"].value
    assert isinstance(value, Items)
    steps = zip(train.augment, value.items, strict=True)
    crops = [(step, item.span) for step, item in steps if isinstance(step, RandomCrop)]
    for crop, place in crops[:1]:
        if pair(crop.size) != header.input[1:]:
            yield _wrong_size(header, "random_crop", pair(crop.size), place)
        elif header.preprocess is not None and header.preprocess.resize is not None:
            yield from _fits(pair(crop.size), crop.padding, pair(header.preprocess.resize), place)
    for _, place in crops[1:]:
        yield _conflict("an image is cropped once, and this is another random_crop", place)


def _fits(size: tuple[int, int], border: int, resize: tuple[int, int], place: Span) -> Iterator[Diagnostic]:
    if any(cropped > resized + 2 * border for cropped, resized in zip(size, resize, strict=True)):
        padded = f" with a border of {border}" if border else ""
        message = f"a crop of {compact(size)} does not fit into images resized to {compact(resize)}{padded}"
        yield _conflict(message, place)


def _place_of(value: Value, option: str) -> Span:
    """Where an option of a named record is written; where it is left out, the kind."""
    if not isinstance(value, Table):
        return value.span
    _, entry = single_entry(value)
    options = entry.value
    return options.entries[option].value.span if isinstance(options, Table) and option in options.entries else entry.key
