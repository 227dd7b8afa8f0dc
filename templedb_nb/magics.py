"""The notebook front end: ``%templedb`` returns the value that it shows."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import field
from functools import partial
from importlib.util import find_spec
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands.context import Call, Followers, Output, Panels
from templedb_nb.commands.effects import understood
from templedb_nb.commands.tree import reserved, tree
from templedb_nb.errors import InternalError, TempleError, swallowed
from templedb_nb.model.dataclass import dataclass
from templedb_nb.notebook.cell_commands import CellRuns, Request, hear_dropped
from templedb_nb.notebook.display import add_looks, has_looks, mask_of, share_masker, show_beside
from templedb_nb.notebook.first_line import NAME, NOT_FIRST, lone_cell, not_first
from templedb_nb.notebook.live_output import pass_outputs
from templedb_nb.notebook.offers import (
    board,
    brief,
    echo,
    gate,
    interrupt,
    mask,
    pick,
    roll_back,
    unblock,
    without_secrets,
)

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from templedb_nb.app import Container
    from templedb_nb.engine.observe import ReadCache
    from templedb_nb.kernel_config import TempleDB
    from templedb_nb.model.plan import Preview
    from templedb_nb.notebook.runner_session import RunnerSession

PROGRAM = f"%{NAME}"
_ASSIGNED = re.compile(r"\s*+([^\W\d]\w*+)\s*+<<\s*+")
_UNDO = "_templedb_undo"


def load(shell: InteractiveShell) -> None:
    """Add the magic, its completion and the looks of plans and runs to *shell*."""
    unload(shell)
    from IPython.core.magic import no_var_expand

    from templedb_nb.kernel_config import TempleDB
    from templedb_nb.notebook import completion
    from templedb_nb.notebook.help import manual
    from templedb_nb.notebook.runner_channel import teller

    config = TempleDB(
        parent=shell,
        project=os.environ.get("TEMPLEDB_PROJECT", ""),
        target=os.environ.get("TEMPLEDB_TARGET", ""),
    )
    magic = Magic(shell, config)
    if there := teller():
        from templedb_nb.notebook.runner_session import RunnerSession

        magic.telling = RunnerSession(there)

    def templedb(line: str, cell: str | None = None) -> Any:
        return magic(line, cell)

    templedb.__doc__ = manual()
    unexpanded: Any = no_var_expand(templedb)
    misplaced: Any = not_first
    shell.register_magic_function(unexpanded, "line_cell", NAME)
    shell.register_magic_function(misplaced, "line", NOT_FIRST)
    matcher = completion.matcher(lambda: magic.call(None), shell.user_ns, lambda: magic.last)
    shell.Completer.custom_matchers.append(matcher)
    shell.input_transformers_cleanup.append(lone_cell)
    settings: list[Any] = shell.configurables
    settings.append(config)
    undo: list[Callable[[], None]] = [
        lambda: shell.Completer.custom_matchers.remove(matcher),
        lambda: shell.input_transformers_cleanup.remove(lone_cell),
        lambda: settings.remove(config),
        add_looks(shell),
        hear_dropped(getattr(shell, "kernel", None), magic.runs.dropped),
    ]
    shell.__dict__[_UNDO] = undo


def unload(shell: InteractiveShell) -> None:
    """Remove everything that `load` gave."""
    for step in shell.__dict__.pop(_UNDO, []):
        step()
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop(NAME, None)
        shell.magics_manager.magics[kind].pop(NOT_FIRST, None)


@dataclass
class Magic:
    """The command tree in one kernel; what is in use lives as long as the kernel does."""

    shell: InteractiveShell
    config: TempleDB
    telling: RunnerSession | None = None
    runs: CellRuns = field(default_factory=CellRuns)
    boards: list[Event] = field(default_factory=list)
    cache: ReadCache | None = None
    """What the cells of this kernel read, so that none reads it again."""
    last: str = ""
    """The command that ran before, for what completion offers first."""

    def __call__(self, line: str, cell: str | None) -> Any:
        """Run one command and return its value: a DataFrame where it is a table.

        ``name << command`` gives the value to a variable, as ``name = %templedb command`` does for
        a line; a ``;`` at the end shows nothing.
        """
        from IPython.core.error import UsageError

        from templedb_nb.views.format import masking

        pass_outputs()
        call = self.call(cell)
        name, line, silent = _parted(line)
        try:
            with masking(mask_of(self.shell)):
                value = self._told_run(call, line, quiet=bool(name) or silent)
        except click.exceptions.NoArgsIsHelpError as error:
            print(error.format_message())
        except click.UsageError as error:
            where = f"\n  try: {error.ctx.command_path} --help" if error.ctx else ""
            told = mask(call)(error.format_message())
            raise UsageError(f"{PROGRAM}: {told}{where}") from None
        except click.ClickException as error:
            raise UsageError(f"{PROGRAM}: {mask(call)(error.format_message())}") from None
        except click.Abort:
            raise KeyboardInterrupt from None
        except TempleError as error:
            raise self._told(self._masked(call, error)) from None
        except Exception as error:  # noqa: BLE001 - a defect of ours, told without its values
            raise swallowed(error) or self._told(self._defect(call, error)) from None
        else:
            if name:
                self.shell.push({name: value})
            return None if name or silent else value
        finally:
            call.over()
            call.followers.closing()
        return None

    def _told_run(self, call: Call, line: str, *, quiet: bool) -> Any:
        """Return the command's result, and report it to the runner of an unattended notebook."""

        def words() -> list[str]:
            call.words = self._words(line)
            return list(call.words)

        def work(given: Sequence[str]) -> Any:
            return self._run(call, given)

        def show(value: Any) -> Any:
            return self._returned(call, value, quiet=quiet)

        if self.telling is None:
            return show(work(words()))
        return self.telling.once(call, words, self._at(), work, show)

    def _request(self) -> dict[str, Any]:
        """Return what the front end asked with, if there is one."""
        kernel = getattr(self.shell, "kernel", None)
        return kernel.get_parent("shell") if kernel is not None else {}

    def _at(self) -> tuple[str, str]:
        """Return which cell asks, and which of its executions."""
        request = Request.of(self._request())
        return request.cell, request.execution

    def _words(self, line: str) -> list[str]:
        try:
            words = shlex.split(line, comments=False)
        except ValueError as error:
            raise click.UsageError(f"cannot read the line: {error}") from None
        return [self._word(each, last) for last, each in zip(["", *words], words, strict=False)]

    def _run(self, call: Call, given: Sequence[str]) -> Any:
        if call.cell is not None and call.cell.strip() and not understood(tree, given).takes_cell:
            raise click.UsageError("this command takes no cell body: leave it empty")
        from templedb_nb.exits import exit_code

        command = understood(tree, given).command
        self.last = f"{command} failed"
        value = tree.main(list(given), prog_name=PROGRAM, standalone_mode=False, obj=call)
        self.last = command if not exit_code(value) else self.last
        return value

    def _word(self, word: str, last: str) -> str:
        """Return the text of the Python variable that a whole word ``{name}`` names.

        Behind an option it may be the value of a pair: ``--param id={name}``.
        """
        pair = last.startswith("--") and not word.startswith("{")
        before, equals, whole = word.partition("=") if pair else ("", "", word)
        if not (whole.startswith("{") and whole.endswith("}")):
            return word
        name = whole[1:-1]
        if name not in self.shell.user_ns:
            raise click.UsageError(f"there is no Python variable {name!r} for {word}")
        return f"{before}{equals}{self.shell.user_ns[name]}"

    def call(self, cell: str | None) -> Call:
        """Return a use of the tree by this notebook, with the body of its cell."""
        call = Call(
            open_app=self._open,
            stdin=sys.stdin,
            ask_secret=_ask_secret,
            project=self.config.project or None,
            target=self.config.target or None,
            notebook=True,
            through="notebook",
            interactive=self._watched(),
            cell=cell,
            output=Output(tell=print, progress=print),
            followers=Followers(planned=brief),
            panels=Panels(use=self._use),
        )
        if call.interactive and find_spec("ipywidgets"):
            call.panels.gate = partial(gate, call)
            call.panels.board = partial(board, self.boards)
            call.panels.picker = partial(pick, call)
        if self.config.live:
            self._watch(call)
        if self.telling is not None:
            call.followers.observers = (*call.followers.observers, self.telling.teller)
        self._remember(call)
        return call

    def _remember(self, call: Call) -> None:
        """Let the cell show what a run of it came to whose end nobody saw, before a new one."""
        request = Request.of(self._request())
        call.unseen = lambda result: call.interactive and self.runs.unseen(result, request)
        self.runs.echo = partial(echo, call)
        watching, closing = self.runs.watching(request), call.followers.closing
        call.followers.observers = (*call.followers.observers, watching)

        def closed() -> None:
            closing()
            self.runs.over(request)

        call.followers.closing = closed

    def _watch(self, call: Call) -> None:
        """Let a run be seen as it goes on, with buttons where they may reach it."""
        from templedb_nb.notebook.progress import LiveProgress

        unblocks = partial(unblock, call) if call.panels.gate else None
        live = LiveProgress(interrupt, unblocks, partial(roll_back, call))
        call.output.tell = live.tell

        def planned(preview: Preview) -> None:
            brief(preview)
            live.planned(preview)

        call.followers.observers, call.followers.planned, call.followers.closing = (
            (live,),
            planned,
            live.close,
        )

    def _use(self, project: str | None, target: str | None) -> None:
        self.config.project, self.config.target = project or "", target or ""

    def _open(self) -> Container:
        from templedb_nb.app import Container
        from templedb_nb.engine.observe import ReadCache

        self.cache = self.cache or ReadCache()
        app = Container.open(self.config.state or None, cache=self.cache)
        app.reserved = reserved
        share_masker(self.shell, app)
        if self.telling is not None:
            self.telling.teller.listens(app)
        return app

    def _returned(self, call: Call, value: Any, *, quiet: bool) -> Any:
        if value is None or isinstance(value, int):  # click's own exit, after --help
            return None
        from templedb_nb.model.board import Board
        from templedb_nb.model.fleet import FleetPlan, FleetStatus
        from templedb_nb.model.health_history import HealthTries
        from templedb_nb.model.listings import Coded
        from templedb_nb.model.promotion import ReleaseTable
        from templedb_nb.model.slots import SlotsReport
        from templedb_nb.model.waiting import WaitingList
        from templedb_nb.views import ansi
        from templedb_nb.views.frames import frame
        from templedb_nb.views.text import text

        if call.output.json:
            from templedb_nb.views import json_value

            print(call.app.masker.mask(json_value.header() + "\n" + json_value.line(value)))
            return None
        from templedb_nb.exits import failure_of

        if failed := failure_of(value):
            self._show(value)
            failed.told = self._watched()
            raise failed
        plain_value = value.value if isinstance(value, Coded) else value
        if type(plain_value).__module__.split(".")[0] == "pandas":
            return plain_value
        table = frame(plain_value)
        fleets = FleetPlan | FleetStatus
        pictured = Board | HealthTries | ReleaseTable | SlotsReport | WaitingList | fleets
        if isinstance(plain_value, pictured) and not quiet:
            show_beside(self.shell, plain_value, table)
        if table is not None:
            if self.telling is not None:
                self.telling.widen()
            return table
        if has_looks(plain_value):
            return plain_value
        if not quiet:
            print(ansi.safe(call.app.masker.mask(text(plain_value)), progress=True))
        return None

    def _show(self, value: Any) -> None:
        from IPython.display import display

        display(value)

    def _told(self, error: TempleError) -> TempleError:
        """Show an error as a card where cards can be seen; one line of it is left for the cell."""
        from templedb_nb.views.html import bundle

        formatter = self.shell.display_formatter
        if formatter is not None and "text/html" in formatter.active_types and not error.told:
            from IPython.display import display

            display(bundle(error), raw=True)
            error.told = self._watched()
        return error

    def _watched(self) -> bool:
        """Return whether somebody sees what this cell displays, and not only its error.

        A notebook that a program runs sends its error into a log, where it has to say it all; such
        a program lets no cell ask for input.
        """
        return bool(self._request().get("content", {}).get("allow_stdin"))

    def _masked(self, call: Call, error: TempleError) -> TempleError:
        return without_secrets(error, mask(call))

    def _defect(self, call: Call, error: Exception) -> InternalError:
        import traceback

        told = "".join(traceback.format_exception(error)[-3:]).strip()
        message = f"a defect of templedb: {type(error).__name__}: {mask(call)(str(error))}"
        return InternalError(message, problems=mask(call)(told).splitlines())


def _parted(line: str) -> tuple[str, str, bool]:
    """Return the variable before a ``<<``, the command, and whether a ``;`` silences it."""
    found = _ASSIGNED.match(line)
    name, rest = (found[1], line[found.end() :]) if found else ("", line)
    stripped = rest.rstrip()
    silent = stripped.endswith(";")
    return name, stripped[:-1] if silent else rest, silent


def _ask_secret(name: str) -> str:
    import getpass

    return getpass.getpass(f"{name} (hidden): ")
