"""What a notebook offers its commands: the gate, the board, the picker."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING

from templedb_nb.commands.context import Call
from templedb_nb.errors import TempleError

if TYPE_CHECKING:
    from templedb_nb.model.board import Board
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.status import Choices
    from templedb_nb.notebook.button_events import PageEcho


def brief(preview: Preview) -> None:
    """Print what a reader must know just before the run."""
    from templedb_nb.views import ansi
    from templedb_nb.views.format import masked
    from templedb_nb.views.text import briefing

    if told := briefing(preview):
        print(ansi.safe(masked(told)))


def gate(call: Call, waits: bool, preview: Preview) -> None:  # noqa: FBT001 - as the tree calls it
    """Show the plan with its buttons; where it *waits*, return once it may run."""
    from templedb_nb.notebook.approval_gate import Gate

    gate = Gate(call.app.approvals, preview)
    if waits:
        gate.wait()
    else:
        gate.leave()


def board(shown: list[Event], board: Board, load: Callable[[Board | None], Board]) -> None:
    """Show the board with its filter and its refresh; ends the watch of those *shown*."""
    from templedb_nb.notebook.panels import BoardPanel

    for each in shown:
        each.set()
    shown[:] = [Event()]
    BoardPanel(board, load).show(shown[0])


def echo(call: Call) -> PageEcho | None:
    """Return what asks the pages of a run that is shown live, if they can be asked."""
    from templedb_nb.notebook.button_events import PageEcho

    if not (call.interactive and call.panels.gate):
        return None
    try:
        return PageEcho()
    except Exception:  # noqa: BLE001 - a run does not fail because its page cannot be asked
        return None


def interrupt() -> None:
    """Interrupt what this process does, as Ctrl+C would."""
    os.kill(os.getpid(), signal.SIGINT)


def unblock(call: Call, slug: str, target: str, pid: int, ends: bool) -> None:  # noqa: FBT001 - as Live calls it
    """Cancel, or end, the session that keeps a run waiting."""
    from templedb_nb.model.selection import Selection

    app = call.open_app()
    try:
        project, found = app.selections.named(Selection(project=slug, target=target))
        if found is not None:
            app.locks.unblock(project, found, pid, "in the way of a run", terminate=ends)
    except TempleError as error:
        raise without_secrets(error, app.masker.mask) from None


def roll_back(call: Call, run: str) -> None:
    """Cancel a run that goes on here, and let the rollback follow that its plan names."""
    app = call.open_app()
    try:
        app.locks.cancel(run, None, "Roll back now", back=True)
    except TempleError as error:
        raise without_secrets(error, app.masker.mask) from None


def pick(call: Call, choices: Choices) -> None:
    """Show what a deployment may be made of, and plan what is picked."""
    from templedb_nb.core.plan.situation import PlanOptions
    from templedb_nb.model.selection import Selection
    from templedb_nb.notebook.panels import Picker

    def plan(target: str, release: int | None, skip: tuple[str, ...]) -> Preview:
        choice = Selection(project=choices.slug, target=target)
        app = call.open_app()
        try:
            return app.deployments.plan(choice, PlanOptions(skip_groups=skip), release=release)
        except TempleError as error:
            raise without_secrets(error, app.masker.mask) from None

    Picker(choices, plan).show()


def mask(call: Call) -> Callable[[str], str]:
    """Return what takes secrets out of a text, and what a terminal would obey."""
    from templedb_nb.views import ansi

    return lambda text: ansi.safe(call.masked(text))


def without_secrets(error: TempleError, mask: Callable[[str], str]) -> TempleError:
    """Return *error* without secrets in its texts."""
    error.message, error.hint = mask(error.message), mask(error.hint)
    error.problems = tuple(mask(each) for each in error.problems)
    error.args = (error.message,)
    return error
