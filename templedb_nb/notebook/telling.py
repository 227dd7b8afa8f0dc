"""Tell a runbook's runner how each command of a cell ends."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from templedb_nb.commands.base import Call
from templedb_nb.commands.lines import command_of, deploys
from templedb_nb.commands.tree import tree
from templedb_nb.errors import TempleError

if TYPE_CHECKING:
    from templedb_nb.notebook.teller import Teller

USAGE, INTERRUPTED, INTERNAL = 64, 130, 1


@contextmanager
def telling(teller: Teller | None, call: Call, line: str) -> Iterator[None]:
    """Tell *teller* how the block ends, if there is one."""
    if teller is None:
        yield
        return
    try:
        yield
    except BaseException as error:
        code, said = _ending(error)
        opened = call.__dict__.get("app")
        message = opened.masker.mask(said) if opened is not None else said
        _tell(teller, line, code, type(error).__name__, message)
        raise
    _tell(teller, line, 0, "", "")


def _tell(teller: Teller, line: str, code: int, error: str, message: str) -> None:
    try:
        words = shlex.split(line, comments=False)
    except ValueError:
        words = []
    command = command_of(tree, words)
    teller.ended(
        command, mutates=deploys(command, words), exit_code=code, error=error, message=message
    )


def _ending(error: BaseException) -> tuple[int, str]:
    match error:
        case click.exceptions.NoArgsIsHelpError():
            return 0, ""
        case click.ClickException():
            return USAGE, error.format_message()
        case TempleError():
            return error.exit_code, error.message
        case click.Abort() | KeyboardInterrupt():
            return INTERRUPTED, "interrupted"
        case _:
            return INTERNAL, str(error)
