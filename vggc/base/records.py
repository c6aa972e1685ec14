"""A frozen dataclass whose methods are inherited instead of generated.

`dataclass(frozen=True)` compiles about six methods for each class, which takes half a millisecond each. The language
has about seventy such classes (layers, units, initialisers, optimizers), all of them needed for every spec. A `Record`
registers its fields with `dataclasses`, so that `fields()` and type checkers see a keyword-only frozen dataclass.
"""

import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields
from types import NoneType
from typing import Annotated, Any, ClassVar, NamedTuple, Never, TypeVar, dataclass_transform, get_args, get_origin

_MISSING = object()


class Limits(NamedTuple):
    """Metadata of a number: JSON Schema's keywords. A plain string beside it describes the field."""

    minimum: int | None = None
    exclusive_minimum: int | None = None
    maximum: int | None = None
    exclusive_maximum: int | None = None
    classes: bool = False  # the word `classes` may stand for the number

    def allow(self, number: float) -> bool:
        """Whether a number is within them; NaN is not."""
        return (
            (self.minimum is None or number >= self.minimum)
            and (self.exclusive_minimum is None or number > self.exclusive_minimum)
            and (self.maximum is None or number <= self.maximum)
            and (self.exclusive_maximum is None or number < self.exclusive_maximum)
        )


class OneOf(NamedTuple):
    """Metadata of a field whose value is a word of a vocabulary, by the name of its definition in the schema."""

    definition: str


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Record:
    """Base of immutable values that are described by their annotated fields; all arguments are keywords."""

    def __init_subclass__(cls) -> None:
        dataclass(init=False, repr=False, eq=False)(cls)
        cls._fields = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]  # since the line above
        cls._defaults = {
            name: _MISSING if field.default is MISSING else field.default for name, field in cls._fields.items()
        }

    _fields: dict[str, Field[Any]]
    _defaults: dict[str, object]

    def __init__(self, **values: object) -> None:
        cls = type(self)
        complete = {**cls._defaults, **values}
        if len(complete) != len(cls._defaults):
            unknown = next(name for name in values if name not in cls._defaults)
            raise TypeError(f"{cls.__name__}() has no field `{unknown}`")
        for name, value in complete.items():
            if value is _MISSING:
                raise TypeError(f"{cls.__name__}() needs `{name}`")
        self.__dict__.update(complete)

    def __setattr__(self, name: str, value: object) -> Never:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> Never:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def _values(self) -> tuple[object, ...]:
        return tuple(self.__dict__[name] for name in self._fields)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.changed().items())})"

    @classmethod
    def field_names(cls) -> list[str]:
        """The fields in the order of their declaration."""
        return list(cls._fields)

    @classmethod
    def required(cls) -> list[str]:
        """The fields without a default."""
        return [name for name, default in cls._defaults.items() if default is _MISSING]

    @classmethod
    def annotation(cls, name: str) -> Any:
        """The type of a field, metadata included."""
        return cls._fields[name].type

    def is_within_limits(self) -> bool:
        """Whether every number of a field that is not its default is within the limits of the field's type."""
        return all(
            limits.allow(number)
            for name, value in self.changed().items()
            for limits in _limits(self.annotation(name))
            for number in (value if isinstance(value, tuple) else (value,))
            if isinstance(number, int | float) and not isinstance(number, bool)
        )

    @classmethod
    def may_be_none(cls, name: str) -> bool:
        """Whether a field may be None, which is how an option is switched off."""
        annotation = cls.annotation(name)
        union = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
        return NoneType in get_args(union)

    @classmethod
    def default(cls, name: str) -> object:
        """The default of a field; None where it has none."""
        default = cls._defaults[name]
        return None if default is _MISSING else default

    def changed(self) -> dict[str, Any]:
        """The fields whose value is not the default, in the order of their declaration."""
        return {
            name: self.__dict__[name]
            for name, default in self._defaults.items()
            if default is _MISSING or self.__dict__[name] != default
        }


def _limits(annotation: Any) -> Iterator[Limits]:
    if isinstance(annotation, Limits):
        yield annotation
    for part in (*get_args(annotation), *getattr(annotation, "__metadata__", ())):
        yield from _limits(part)


class Named(Record):
    """A record that a spec names by its kind: `kind`, `kind: main-option` or `kind: {options}`."""

    kind: ClassVar[str]
    main: ClassVar[str | None] = None

    @classmethod
    def summary(cls) -> str:
        """What it is, in a line."""
        return (cls.__doc__ or "").split("\n")[0]


class NamedByClass(Named):
    """A record whose kind is the name of its class in snake case, unless it has one: `StepLR` is `step_lr`."""

    def __init_subclass__(cls) -> None:
        if "kind" not in vars(cls):
            cls.kind = re.sub("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()
        super().__init_subclass__()


N = TypeVar("N", bound=Named)


def by_kind(*classes: type[N]) -> dict[str, type[N]]:
    """The classes by their kinds."""
    return {cls.kind: cls for cls in classes}
