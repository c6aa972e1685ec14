"""What the package defines, read from its text: modules, classes, and every name that is bound."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from tests.imports import ROOT, module_name

FILES: Final = sorted((ROOT / "vggc").rglob("*.py"))


class Definition(NamedTuple):
    """A name, and the file and line where it is bound."""

    name: str
    place: str


def public_classes() -> Iterator[Definition]:
    """The classes at the top of every module whose names do not begin with an underscore."""
    for path in FILES:
        for node in _tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield Definition(node.name, module_name(path))


def bound_names() -> Iterator[Definition]:
    """Every variable, argument, attribute, function, class and imported name that the package binds."""
    for path in FILES:
        for node in ast.walk(_tree(path)):
            for name in _bound_by(node):
                yield Definition(name, f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")


def calls_of(function: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a function of that name, whatever it is an attribute of, with its place."""
    for path in FILES:
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == function:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _bound_by(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            return [name]
        case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.alias(asname=str(name)) | ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            return [name]
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return [name]
    return []
