"""What the terminal front end writes, and what it does where nobody takes it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from templedb_nb.exit_code import ExitCode

if TYPE_CHECKING:
    from templedb_nb.workflow import Workflow


def github_job() -> Workflow | None:
    """Return the job of GitHub Actions that this process is part of, if it is."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return None
    from templedb_nb.workflow import Workflow

    return Workflow(os.environ)


if TYPE_CHECKING:
    from templedb_nb.app.container import Container


def echo(text: str, *, err: bool = False, progress: bool = False) -> None:
    """Write a text, with colours where they are wanted, and nothing else that a terminal obeys.

    With *progress*, lines may be written over, as their command wrote them.
    """
    from templedb_nb.views import ansi, colour

    text = ansi.safe(text, progress=progress)
    stream = sys.stderr if err else sys.stdout
    if (workflow := github_job()) is not None:
        text = workflow.guarded(text)
    if colour.wanted(os.environ, terminal=stream.isatty()):
        click.echo(colour.painted(text), err=err, color=True)
    else:
        click.echo(text, err=err)


def echo_json(line: str) -> None:
    """Write a line of JSON, in which a job of GitHub sees no command."""
    from templedb_nb.views.github import guarded_json

    click.echo(guarded_json(line) if github_job() is not None else line)


@contextmanager
def going_on() -> Iterator[None]:
    """Let a run go on where standard output takes nothing any more."""
    try:
        yield
    except OSError as error:
        if not unheard(error):
            raise
        unwritten(error)


def unheard(error: OSError) -> bool:
    """Return whether it is the writing of output that failed."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code is click.echo.__code__


def unwritten(error: OSError) -> int:
    """Say why standard output cannot be written; a reader that left needs no word."""
    into_nothing()
    if not isinstance(error, BrokenPipeError):
        echo(f"error: cannot write standard output: {error.strerror}", err=True)
    return ExitCode.CONFIG


def into_nothing() -> None:
    """Throw away what is written from now on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def screen(opening: Callable[[], Container]) -> None:
    """Show the screen to stay in, over applications of *opening*, until somebody leaves it."""
    from templedb_nb.tui.start import start

    start(opening)
