"""The terminal front end: text out, exit code back."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.tree import reserved, tree
from templedb_nb.errors import TempleError, raising, shortened, swallowed
from templedb_nb.exit_code import ExitCode
from templedb_nb.terminal import (
    echo,
    echo_json,
    github_job,
    going_on,
    into_nothing,
    screen,
    unheard,
    unwritten,
)
from templedb_nb.ticker import Ticker

if TYPE_CHECKING:
    from templedb_nb.app import Container
    from templedb_nb.model.event import Stamped
    from templedb_nb.model.lint import LintReport
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.runbook import RunbookEvent
    from templedb_nb.views.cell_lines import CellLines
    from templedb_nb.workflow import Workflow


class Interrupted(KeyboardInterrupt):
    """SIGINT: where Python's own class leaves an `exec`, Python ends itself by the signal."""

    exit_code = ExitCode.INTERRUPTED


class Terminated(KeyboardInterrupt):
    """SIGTERM: the run inside is cancelled as by an interrupt, and the process ends with 143."""

    exit_code = ExitCode.TERMINATED


def main() -> NoReturn:
    """Run one command and leave with its exit code."""
    atexit.register(_deafen)
    try:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, _interrupt)
        signal.signal(signal.SIGTERM, _terminate)
        code = run(sys.argv[1:])
        signal.signal(signal.SIGTERM, _leave)  # its word is given: nothing is left to break off
        signal.signal(signal.SIGINT, _leave)
    except KeyboardInterrupt as stop:
        code = int(getattr(stop, "exit_code", ExitCode.INTERRUPTED))
    sys.exit(code)


def run(words: Sequence[str]) -> int:
    """Run one command, show what it returned, and return the exit code."""
    call = _call()
    call.words = tuple(words)
    ticker = _ticker(call)
    with ticker.running(), _fitted():
        try:
            return _run(call, words)
        finally:
            call.over()


def _run(call: Call, words: Sequence[str]) -> int:
    try:
        value = tree.main(list(words), prog_name="templedb", obj=call, standalone_mode=False)
        if call.output.verbose and "app" in call.__dict__:
            echo(f"state: {call.app.state.path}", err=True)
        return _shown(call, value)
    except click.exceptions.NoArgsIsHelpError as error:
        echo(error.format_message())
        return ExitCode.USAGE
    except click.ClickException as error:
        _usage(call, error)
        return ExitCode.USAGE
    except TempleError as error:
        _complain(call, error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        cause = error if isinstance(error, KeyboardInterrupt) else error.__context__
        echo("cancelled", err=True)
        return int(getattr(cause, "exit_code", ExitCode.INTERRUPTED))
    except BrokenPipeError:
        into_nothing()
        return 0
    except Exception as error:  # noqa: BLE001 - a defect of ours, told without its values
        if stop := swallowed(error):
            echo("cancelled", err=True)
            return int(getattr(stop, "exit_code", ExitCode.INTERRUPTED))
        if isinstance(error, OSError) and unheard(error):
            return unwritten(error)
        return _defect(call, error)


def _shown(call: Call, value: Any) -> int:
    """Show what a command returned; what a run came to holds whether or not it can be read."""
    if isinstance(value, int):  # after --help, or after a screen that was shown
        return value
    from templedb_nb.exits import OUTCOMES, exit_code

    try:
        return _show(call, value)
    except OSError as error:
        if not unheard(error):
            raise
        code = unwritten(error)
        asked = isinstance(error, BrokenPipeError) or isinstance(value, OUTCOMES)
        return exit_code(value) if asked else code


def _call() -> Call:
    workflow = github_job()
    return Call(
        open_app=partial(_open, workflow),
        workflow=workflow,
        stdin=sys.stdin,
        ask_secret=_ask_secret,
        ask=_ask,
        project=os.environ.get("TEMPLEDB_PROJECT") or None,
        target=os.environ.get("TEMPLEDB_TARGET") or None,
    )


def _ticker(call: Call) -> Ticker:
    """Give *call* what shows that something goes on."""
    ticker = Ticker(sys.stderr, terminal=sys.stderr.isatty())
    watch = _TerminalWatch(call, ticker)
    call.followers.observers, call.followers.planned = (watch,), watch.planned

    @contextmanager
    def working(what: str) -> Iterator[None]:
        began = time.monotonic_ns()
        with ticker.working(what):
            yield
        if call.output.verbose:
            from templedb_nb.views.format import duration

            echo(f"{what}: {duration((time.monotonic_ns() - began) // 1_000_000)}", err=True)

    call.output.working = working
    call.followers.cells = watch.cell
    call.interactive = sys.stdin.isatty()
    call.panels.screen = partial(screen, call.open_app)
    call.output.tell = _tell
    call.output.progress = partial(_progress, call)
    return ticker


def _fitted() -> AbstractContextManager[None]:
    if not sys.stdout.isatty():
        return nullcontext()
    import shutil

    from templedb_nb.views.format import fitted

    return fitted(shutil.get_terminal_size().columns)


def _usage(call: Call, error: click.ClickException) -> None:
    """Say what is wrong with the words, and where the right ones are."""
    lines = [f"error: {call.masked(error.format_message())}"]
    if isinstance(error, click.UsageError) and error.ctx is not None:
        lines.append(f"hint: {error.ctx.command_path} --help")
    echo("\n".join(lines), err=True)


def _open(workflow: Workflow | None) -> Container:
    from templedb_nb.app import Container

    app = Container.open()
    app.reserved = reserved
    if workflow is not None:
        app.masker.heard = workflow.secret
    return app


class _TerminalWatch:
    """Shows a run as it goes on: lines for people, JSON for programs."""

    def __init__(self, call: Call, ticker: Ticker) -> None:
        self._call = call
        self._ticker = ticker
        self._lines: Any = None
        self._cells: CellLines | None = None

    @going_on()
    def __call__(self, entry: Stamped) -> None:
        if self._call.output.json:
            self._header()
            echo_json(_plain_line(entry))
            return
        from templedb_nb.views.run_log import RunLog

        self._lines = self._lines or RunLog(self._write)
        self._lines(entry)
        self._ticker.say(self._lines.now)

    def _header(self) -> None:
        if self._lines is None:
            from templedb_nb.views import json_value

            click.echo(json_value.header())
            self._lines = True

    def _write(self, line: str) -> None:
        if not self._call.output.quiet:
            self._ticker.clear()
            echo(line)

    @going_on()
    def cell(self, event: RunbookEvent) -> None:
        """Show how a runbook goes on."""
        if self._call.output.json:
            self._header()
            self._ticker.clear()
            echo_json(_plain_line(event))
            return
        from templedb_nb.views.cell_lines import CellLines

        self._cells = self._cells or CellLines(self._write)
        self._cells(event)
        self._ticker.say(self._cells.now)

    @going_on()
    def planned(self, preview: Preview) -> None:
        """Show what a reader must know just before the run."""
        from templedb_nb.views.text import briefing

        silent = self._call.output.json or self._call.output.quiet
        if not silent and (told := briefing(preview)):
            self._ticker.clear()
            echo(self._call.cleaned(told))

    @property
    def began(self) -> bool:
        """Return whether anything was shown."""
        return self._lines is not None


def _plain_line(value: Any) -> str:
    from templedb_nb.views import json_value

    return json_value.line(value)


def _show(call: Call, value: Any) -> int:
    from templedb_nb.exits import exit_code
    from templedb_nb.model.history import StepLogs
    from templedb_nb.model.lint import LintReport
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.result import Result
    from templedb_nb.views import json_value
    from templedb_nb.views.text import closing, text
    from templedb_nb.views.text.base import reasons, without_next

    began = any(
        isinstance(each, _TerminalWatch) and each.began for each in call.followers.observers
    )
    if call.output.json:
        told = (
            json_value.line(value) if began else f"{json_value.header()}\n{json_value.line(value)}"
        )
    else:
        told = closing(value) if began and isinstance(value, Result) else text(value)
    if call.output.json:
        echo_json(call.cleaned(told))
        for each in reasons(value):  # whoever reads a log sees no JSON
            echo(shortened(call.cleaned(f"error: {each}")), err=True)
    elif not (call.output.quiet and began and not exit_code(value)):
        told = call.cleaned(without_next(told) if call.output.quiet else told)
        if isinstance(value, Preview | LintReport | Result):
            told = "\n".join(map(shortened, told.split("\n")))
        echo(told, progress=isinstance(value, StepLogs))
    _conclude(call, value)
    return exit_code(value)


def _conclude(call: Call, value: Any) -> None:
    """Tell the job's page what came to pass."""
    from templedb_nb.model.lint import LintReport
    from templedb_nb.model.result import Result
    from templedb_nb.model.runbook import RunbookResult

    if isinstance(value, LintReport):
        _annotate(call, value)
    if call.workflow is None or not isinstance(value, Result | RunbookResult):
        return
    if isinstance(value, RunbookResult):
        roots = value.roots
    else:
        roots = {each.slug: each.root or "" for each in call.app.projects.all()}
    call.workflow.ended(value, roots)


def _annotate(call: Call, value: LintReport) -> None:
    """Give GitHub's annotations in its jobs, and wherever they are asked for."""
    if call.output.json or (call.workflow is None and value.format != "github"):
        return
    project = next(each for each in call.app.projects.all() if each.slug == value.slug)
    from templedb_nb.workflow import Workflow

    workflow = call.workflow or Workflow(os.environ)
    workflow.risky(value, project.root or "")


def _complain(call: Call, error: TempleError) -> None:
    lines = error.lines(call.masked)
    if call.output.json:
        import json

        body = {
            "kind": type(error).__name__,
            "message": call.masked(error.message),
            "exit_code": error.exit_code,
        }
        body |= {"problems": [call.masked(each) for each in error.problems]}
        echo_json(json.dumps({**body, "mend": call.masked(error.hint)}))
    echo("\n".join(["error: " + lines[0], *lines[1:]]), err=True)
    if call.workflow is not None:
        call.workflow.failed(type(error).__name__, "\n".join(lines))


def _defect(call: Call, error: Exception) -> int:
    import traceback

    told = "".join(traceback.format_exception(error))
    echo(call.masked(told), err=True)
    click.echo("error: this is a defect of templedb, not a mistake of yours", err=True)
    return ExitCode.INTERNAL


def _ask_secret(name: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    import getpass

    try:
        return getpass.getpass(f"{name} (hidden): ")
    except EOFError:
        raise click.Abort from None


def _ask(question: str, default: str) -> str:
    return str(click.prompt(question, default=default or None, err=True)).strip()


def _tell(text: str) -> None:
    """Say something from within a signal's handler, where a buffered stream may be in use."""
    from templedb_nb.views import ansi

    os.write(2, f"\n{ansi.safe(text)}\n".encode())


def _progress(call: Call, line: str) -> None:
    """Say on standard error what goes on."""
    if not call.output.quiet:
        echo(line, err=True)


def _leave(number: int, frame: FrameType | None) -> None:
    del frame
    os._exit(128 + number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise raising(Interrupted())


def _deafen() -> None:
    """Ignore signals while the interpreter ends: it would give them back their default, death."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise raising(Terminated())
