"""`--weights FILE` and how its keys are matched, for the commands that read weights."""

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vggc.cli.options import Command

if TYPE_CHECKING:
    from vggc.weights.key_matching import Matching

_OPTIONS = (
    click.option(
        "--weights", type=click.Path(path_type=Path), metavar="FILE", help="A .safetensors or torch file of weights."
    ),
    click.option(
        "--match", type=click.Choice(("name", "shape")), default="name", show_default=True,
        help="Match the tensors of the file by name, or by order and shape.",
    ),
    click.option(
        "--key-map", type=click.Path(path_type=Path), metavar="FILE",
        help='A YAML file of `key in the file: key in the network`, such as "module.*": "*".',
    ),
    click.option(
        "--allow-missing", multiple=True, metavar="PATTERN",
        help="Tensors that may be missing from the file, such as 'classifier.6.*'.",
    ),
    click.option(
        "--allow-left-over", multiple=True, metavar="PATTERN", help="Keys of the file that may be ignored."
    ),
)  # fmt: skip


def weights_file(command: Command) -> Command:
    """`--weights FILE`, as `weights`, and how its keys are matched, as `matching`."""

    @wraps(command)
    def with_matching(
        *arguments: Any,
        match: str,
        key_map: Path | None,
        allow_missing: tuple[str, ...],
        allow_left_over: tuple[str, ...],
        **others: Any,
    ) -> Any:
        matching = _matching(match, key_map, allow_missing, allow_left_over)
        if others["weights"] is None and (key_map is not None or match != "name" or allow_missing or allow_left_over):
            raise click.UsageError("--match, --key-map and --allow-... say how to read a file: name it with --weights")
        return command(*arguments, matching=matching, **others)

    for option in reversed(_OPTIONS):
        with_matching = option(with_matching)
    return with_matching  # type: ignore[return-value]  # as far as click is concerned


def _matching(
    match: str, key_map: Path | None, allow_missing: tuple[str, ...], allow_left_over: tuple[str, ...]
) -> "Matching":
    from vggc.weights.key_matching import Matching, read_key_map

    rules = read_key_map(key_map) if key_map is not None else {}
    return Matching("shape" if match == "shape" else "name", rules, allow_missing, allow_left_over, key_map)
