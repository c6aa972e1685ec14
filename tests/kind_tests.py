"""Finds the places outside `vggc/layers` that ask for a concrete kind of layer instead of asking the layer."""

import ast
from collections.abc import Iterator
from typing import Final

from tests.imports import ROOT
from vggc.layers import KINDS

CLASSES: Final = {cls.__name__ for cls in KINDS.values()}


def questions_about_kinds() -> list[str]:
    """`file:line` of every such place."""
    return [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / "vggc").rglob("*.py"))
        if (ROOT / "vggc/layers") not in path.parents
        for line in lines_with_questions(path.read_text(encoding="utf-8"))
    ]


def lines_with_questions(source: str) -> list[int]:
    """The lines with an isinstance, issubclass, `is` or `==` of a kind's class, or a `.kind` beside a kind's name."""
    return sorted({node.lineno for node in ast.walk(ast.parse(source)) if _asks(node)})


def _asks(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "issubclass"):
        return any(name in CLASSES for argument in node.args[1:] for name in _names(argument))
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        of_kind = any(isinstance(side, ast.Attribute) and side.attr == "kind" for side in sides)
        return any(_is_class(side) for side in sides) or (of_kind and any(word in KINDS for word in _words(sides)))
    return False


def _is_class(side: ast.expr) -> bool:
    return isinstance(side, ast.Name | ast.Attribute) and next(_names(side), None) in CLASSES


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def _words(sides: list[ast.expr]) -> Iterator[object]:
    for side in sides:
        yield from (node.value for node in ast.walk(side) if isinstance(node, ast.Constant))
