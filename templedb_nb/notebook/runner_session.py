"""Tell a runbook's runner how each command of a cell ends, and do none of them twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.effects import Line, understood
from templedb_nb.commands.tree import tree
from templedb_nb.errors import TempleError
from templedb_nb.exit_code import ExitCode
from templedb_nb.exits import exit_code
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome
from templedb_nb.model.result import Result
from templedb_nb.notebook.cell_commands import CellCommands

if TYPE_CHECKING:
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.runbook import Done
    from templedb_nb.notebook.cell_commands import Step
    from templedb_nb.notebook.runner_channel import RunnerChannel

WIDE = 240
"""Characters of a line of a table."""

Words = Callable[[], list[str]]
"""Returns the words of a command, or raises what is wrong with them."""

Work = Callable[[Sequence[str]], Any]
Show = Callable[[Any], Any]


class RunnerSession:
    """What a kernel that a runner started does around each command."""

    def __init__(self, teller: RunnerChannel) -> None:
        """Tell *teller*."""
        self.teller = teller
        self._steps = CellCommands(teller)

    def once(self, call: Call, words: Words, at: tuple[str, str], work: Work, show: Show) -> Any:
        """Show what *work* returns, or what it came to before; tell how it ends.

        *at* is the cell's id, and its execution's. The steps of a plan tell by their run how far
        they came; other commands are done, or are not.
        """
        call.runner.approvals = tuple(map(Path, self.teller.approvals))
        call.runner.approval_wait = self.teller.approval_wait
        told = _Told(self.teller, call)
        with told.ending():
            given = words()
            told.line = line = understood(tree, given)
            if not line.mutates or line.repeatable:
                return show(work(given))
            step = self._steps.step(at, line.command, given, call.cell or "")
            return show(self._once(call, step, lambda: work(given)))

    def widen(self) -> None:
        """Let tables be as wide in a log as they are: it has no HTML, and scrolls."""
        import pandas as pd

        pd.set_option("display.width", WIDE, "display.max_columns", None)

    def _once(self, call: Call, step: Step, work: Callable[[], Any]) -> Any:
        app = call.app
        call.followers.observers = (*call.followers.observers, step.listens(app))
        call.followers.planned = _both(step.planned, call.followers.planned)
        found = step.found(app)
        if found is not None and step.command not in RESUMES:
            over, value = self._recalled(call, found)
            if over:
                return value
        call.runner.found = found
        value = work()
        if found is not None and isinstance(value, Result) and value.run == found.run:
            self.teller.recalled(value)
            return value
        if exit_code(value) == 0:
            step.over(app)
        return value

    def _recalled(self, call: Call, found: Done) -> tuple[bool, Any]:
        from templedb_nb.views.text import text

        if not found.run:
            call.output.tell(text(found))
            return True, None
        result = call.app.history.result(found.run)
        if result.outcome is not Outcome.SUCCEEDED:
            return False, None
        call.output.tell(text(found))
        self.teller.recalled(result)
        return True, result


RESUMES = ("deploy run", "promote")
"""Commands that go on with the run that broke off; others are done, or are carried out anew."""


@dataclass
class _Told:
    """A command on its way, and how it ends."""

    teller: RunnerChannel
    call: Call
    line: Line = field(default_factory=lambda: Line(command=""))

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Tell how the block ends."""
        try:
            yield
        except BaseException as error:
            code, said = _ending(error)
            opened = self.call.__dict__.get("app")
            message = opened.masker.mask(said) if opened is not None else said
            self._tell(code, type(error).__name__, message)
            raise
        self._tell(0, "", "")

    def _tell(self, code: int, error: str, message: str) -> None:
        self.teller.ended(
            self.line.command,
            mutates=self.line.deploys,
            exit_code=code,
            error=error,
            message=message,
        )


def _both(
    first: Callable[[Preview], None], second: Callable[[Preview], None] | None
) -> Callable[[Preview], None]:
    def planned(preview: Preview) -> None:
        first(preview)
        if second is not None:
            second(preview)

    return planned


def _ending(error: BaseException) -> tuple[int, str]:
    match error:
        case click.exceptions.NoArgsIsHelpError():
            return ExitCode.OK, ""
        case click.ClickException():
            return ExitCode.USAGE, error.format_message()
        case TempleError():
            return error.exit_code, error.message
        case click.Abort() | KeyboardInterrupt():
            return ExitCode.INTERRUPTED, "interrupted"
        case _:
            return ExitCode.INTERNAL, str(error)
