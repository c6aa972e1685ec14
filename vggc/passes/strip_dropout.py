"""Dropout does nothing at inference, so it is never in a file."""

from dataclasses import replace

from vggc.passes.program import Note, Program, named


def strip_dropout(program: Program) -> Program:
    """Leave every kind of dropout out, and say which."""
    dropped = [step for step in program.steps if step.layer.layer.group == "dropout"]
    if not dropped:
        return program
    return replace(program, steps=program.without(dropped)).noted(Note("strip_dropout", f"left out {named(dropped)}"))
