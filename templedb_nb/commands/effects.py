"""What the words of a line mean, without carrying them out."""

from __future__ import annotations

from collections.abc import Sequence

import click

from templedb_nb.commands.context import Group

DEPLOYS = frozenset({"deploy run", "deploy resume", "migration down", "runbook run"})
"""Commands that carry out a plan on a target."""

CHANGES = (
    DEPLOYS
    | frozenset(
        f"{noun} {verb}".strip()
        for noun, verbs in {
            "project": "import sync remove",
            "deploy": "init",
            "config": "set",
            "migration": (
                "new mark-applied baseline mark-reverted resolve import accept-checksum rename"
                " restore-ledger"
            ),
            "target": "add update remove rebind",
            "env": "set unset import",
            "run": "cancel unblock resolve",
            "lock": "acquire release steal",
            "state": "backup init",
        }.items()
        for verb in verbs.split()
    )
    | {"approve", "reject"}
)
"""Commands after which something is not as it was."""

_ONLY_SHOWS = {"--dry-run", "--help", "-h", "--check"}


def command_of(root: click.Command, words: Sequence[str]) -> str:
    """Return the command that the words begin with: ``deploy run`` for ``deploy shop``."""
    command: click.Command | None = root
    named: list[str] = []
    for word in [*words, ""]:
        if not isinstance(command, Group):
            break
        verb = word if word in command.commands else command.default or ""
        command = command.commands.get(verb)
        named += [verb] if command else []
    return " ".join(named)


def deploys(command: str, words: Sequence[str]) -> bool:
    """Return whether the line carries out a plan."""
    return command in DEPLOYS and not _ONLY_SHOWS.intersection(words)


def mutates(command: str, words: Sequence[str]) -> bool:
    """Return whether something may not be as it was after the line."""
    if command == "deploy config":
        return any(word.startswith("--set") for word in words)
    return command in CHANGES and not _ONLY_SHOWS.intersection(words)
