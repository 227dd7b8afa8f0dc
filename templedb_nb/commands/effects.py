"""What the words of a line mean, without carrying them out."""

from __future__ import annotations

from collections.abc import Sequence

import click

from templedb_nb.commands.options import Command, Effect, NounGroup
from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of words as the tree understands it: its command's path, and what it would do."""

    command: str
    effect: Effect = Effect.NONE
    takes_cell: bool = False
    repeatable: bool = False

    @property
    def deploys(self) -> bool:
        """Return whether the line carries out a plan on a target."""
        return self.effect is Effect.DEPLOYS

    @property
    def mutates(self) -> bool:
        """Return whether something may not be as it was after the line."""
        return self.effect is not Effect.NONE


def understood(root: click.Command, words: Sequence[str]) -> Line:
    """Return what *words* ask for: of ``deploy shop``, the command ``deploy run``."""
    command: click.Command | None = root
    named: list[str] = []
    for word in [*words, ""]:
        if not isinstance(command, NounGroup):
            break
        verb = word if word in command.commands else command.default or ""
        command = command.commands.get(verb)
        named += [verb] if command else []
    path = " ".join(named)
    if not isinstance(command, Command):
        return Line(command=path)
    return Line(
        command=path,
        effect=command.effect_of(words),
        takes_cell=command.takes_cell,
        repeatable=command.repeatable,
    )
