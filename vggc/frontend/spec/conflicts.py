"""`preprocess` and `train`: what the schema allows and what cannot be meant together, each at its place."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from vggc.base.diagnostics import Diagnostic, Note, Span
from vggc.base.words import compact, plural
from vggc.frontend.spec.records_from_values import only
from vggc.frontend.text.document import Entry, Items, Table, Value
from vggc.layers.layer import pair
from vggc.recipe.recipe import Preprocess, RandomCrop, Train
from vggc.recipe.schedules import OneCycleLR, ReduceLROnPlateau

if TYPE_CHECKING:
    from vggc.ir.header import Header


def check(header: "Header", preprocess: Table, train: Table) -> Iterator[Diagnostic]:
    """What contradicts itself in the tables from which `header.preprocess` and `header.train` were made."""
    if header.preprocess is not None:
        places = {name: entry.value.span for name, entry in preprocess.entries.items()}
        yield from _values_for_channels(header, header.preprocess, places)
        yield from _sizes(header, header.preprocess, places)
    if header.train is not None:
        yield from _optimizer(header.train, train.entries)
        yield from _length(header.train, train.entries)
        yield from _validation(header.train, train.entries)
        yield from _crops(header, header.train, train.entries)


def _conflict(message: str, place: Span, help: str | None = None) -> Diagnostic:
    return Diagnostic("E106", message, place, (Note("help", help),) if help else ())


# --- preprocess ---


def _values_for_channels(header: "Header", preprocess: Preprocess, places: Mapping[str, Span]) -> Iterator[Diagnostic]:
    for name, values in (("mean", preprocess.mean), ("std", preprocess.std)):
        if values is not None and len(values) != header.input[0]:
            message = f"{name} has {plural(len(values), 'value')}, and the input {plural(header.input[0], 'channel')}"
            yield _conflict(message, places[name])


def _sizes(header: "Header", preprocess: Preprocess, places: Mapping[str, Span]) -> Iterator[Diagnostic]:
    """The last step makes the input, and a crop is cut out of something that is as large."""
    resize, crop = (None if size is None else pair(size) for size in (preprocess.resize, preprocess.crop))
    last, size = ("crop", crop) if crop is not None else ("resize", resize)
    height, width = header.input[1:]
    if size is not None and size != (height, width):
        message = f"{last} makes images of {compact(size)}, and the input is {compact((height, width))}"
        help = f"write `{last}: {_written((height, width))}`, or change `input`"
        yield _conflict(message, places[last], help)
    elif resize is not None and crop is not None and (crop[0] > resize[0] or crop[1] > resize[1]):
        yield _conflict(
            f"a crop of {compact(crop)} does not fit into images resized to {compact(resize)}", places["crop"]
        )


# --- train ---


def _optimizer(train: Train, entries: Mapping[str, Entry]) -> Iterator[Diagnostic]:
    if conflict := train.optimizer.conflict():
        option, message = conflict
        yield _conflict(f"{train.optimizer.kind}: {message}", _inside(entries["optimizer"].value, option))


def _length(train: Train, entries: Mapping[str, Entry]) -> Iterator[Diagnostic]:
    """A warm-up and the schedule behind it."""
    schedule = train.schedule
    if train.warmup and isinstance(schedule, OneCycleLR):
        message = "one_cycle_lr rises from a low rate by itself, so a `warmup` before it has no place"
        yield _conflict(message, entries["warmup"].value.span, "remove it; `pct_start` says how long the rise takes")
    elif train.warmup > train.epochs:
        message = f"a warm-up of {train.warmup} epochs does not fit into a run of {plural(train.epochs, 'epoch')}"
        yield _conflict(message, entries["warmup"].value.span)
    fields = train.optimizer.field_names()
    if isinstance(schedule, OneCycleLR) and schedule.cycle_momentum and not {"momentum", "betas"} & set(fields):
        message = f"one_cycle_lr moves the momentum, and {train.optimizer.kind} has none"
        help = f"write `one_cycle_lr: {{max_lr: {schedule.max_lr}, cycle_momentum: false}}`"
        yield _conflict(message, _inside(entries["schedule"].value, "cycle_momentum"), help)


def _validation(train: Train, entries: Mapping[str, Entry]) -> Iterator[Diagnostic]:
    """What watches validation accuracy needs images to validate on."""
    if train.validation > 0:
        return
    help = "hold some images out: `validation: 0.1`"
    if train.early_stop is not None:
        message = "early_stop waits for validation accuracy, and `validation` is 0"
        yield _conflict(message, entries["early_stop"].value.span, help)
    if isinstance(train.schedule, ReduceLROnPlateau):
        message = "reduce_lr_on_plateau watches validation accuracy, and `validation` is 0"
        yield _conflict(message, entries["schedule"].value.span, help)


def _crops(header: "Header", train: Train, entries: Mapping[str, Entry]) -> Iterator[Diagnostic]:
    """A random crop makes the input, out of what `resize` makes."""
    height, width = header.input[1:]
    crops = [(crop, place) for crop, place in _augmentations(train, entries) if isinstance(crop, RandomCrop)]
    for crop, place in crops[:1]:
        size = pair(crop.size)
        if size != (height, width):
            message = f"random_crop makes images of {compact(size)}, and the input is {compact((height, width))}"
            yield _conflict(message, place, f"write `random_crop: {_written((height, width))}`, or change `input`")
        elif header.preprocess is not None and header.preprocess.resize is not None:
            yield from _fits(crop, pair(header.preprocess.resize), place)
    for _, place in crops[1:]:
        yield _conflict("an image is cropped once, and this is another random_crop", place)


def _fits(crop: RandomCrop, resize: tuple[int, int], place: Span) -> Iterator[Diagnostic]:
    """Whether a crop of the right size can be cut out of the resized image and its border."""
    size, padded = pair(crop.size), tuple(each + 2 * crop.padding for each in resize)
    if size[0] > padded[0] or size[1] > padded[1]:
        border = f" with a border of {crop.padding}" if crop.padding else ""
        yield _conflict(
            f"a crop of {compact(size)} does not fit into images resized to {compact(resize)}{border}", place
        )


def _augmentations(train: Train, entries: Mapping[str, Entry]) -> Iterator[tuple[object, Span]]:
    """Every augmentation and where it stands."""
    if "augment" in entries:
        written = entries["augment"].value
        assert isinstance(written, Items)
        yield from zip(train.augment, (each.span for each in written.items), strict=True)


def _inside(value: Value, option: str) -> Span:
    """Where an option of something picked by its kind stands; where it is left open, the kind."""
    if not isinstance(value, Table):
        return value.span
    _, entry = only(value)
    options = entry.value
    return options.entries[option].value.span if isinstance(options, Table) and option in options.entries else entry.key


def _written(size: tuple[int, int]) -> str:
    return str(size[0] if size[0] == size[1] else list(size))
