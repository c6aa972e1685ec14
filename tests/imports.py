"""Which file of the package imports which, read from its text: at the top and inside functions, but not for types."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]


def module_name(path: Path) -> str:
    """`vggc.ir.walk` for vggc/ir/walk.py, `vggc.ir` for vggc/ir/__init__.py."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def import_graph() -> dict[str, set[str]]:
    """For every file of the package, the files that it imports when it runs."""
    files = {module_name(path): path for path in sorted((ROOT / "vggc").rglob("*.py"))}
    return {
        name: set(_imported(ast.parse(path.read_text(encoding="utf-8")), set(files))) - {name}
        for name, path in files.items()
    }


def _imported(tree: ast.AST, files: set[str]) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield from (name for name in ([inner] if inner in files else [node.module]) if name in files)
        yield from _imported(node, files)


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The sets of files that import each other, directly or through others."""
    reachable = {name: _reachable(name, graph) for name in graph}
    groups = {tuple(sorted(b for b in reachable[a] if a in reachable[b])) for a in graph if a in reachable[a]}
    return [list(group) for group in sorted(groups)]


def _reachable(start: str, graph: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    pending = [*graph[start]]
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending += graph[name]
    return seen
