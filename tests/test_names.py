"""The names of the package say something, and modules are looked up by names that a type checker can follow."""

import ast
from typing import Final

from tests.definitions import bound_names, calls_of

SAYS_NOTHING: Final = {"found", "each", "held", "telling"}


def test_names_say_something() -> None:
    assert [definition for definition in bound_names() if definition.name in SAYS_NOTHING] == []


def test_modules_are_not_looked_up_by_a_built_name() -> None:
    """A table of modules can be checked by mypy and import-linter; a name that is put together cannot."""
    assert [place for place, call in calls_of("import_module") if isinstance(call.args[0], ast.JoinedStr)] == []
