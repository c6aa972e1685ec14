"""Dropout does nothing at inference, so it is never in a file."""

from dataclasses import replace
from typing import final

from vggc.ir.program import PassNote, Program, named
from vggc.passes.pass_definition import Pass


@final
class StripDropout(Pass):
    """Leave every kind of dropout out, and say which."""

    name = "strip_dropout"
    help = "Dropout does nothing at inference, and is never in a file."
    always = True

    def apply(self, program: Program) -> Program:
        dropped = [step for step in program.steps if step.layer.layer.group == "dropout"]
        if not dropped:
            return program
        note = PassNote(self.name, f"left out {named(dropped)}")
        return replace(program, steps=program.without(dropped)).noted(note)
