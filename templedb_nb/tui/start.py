"""Begins the terminal: what it needs, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from templedb_nb.app.environment import Environment
from templedb_nb.errors import ConfigError, UsageProblem

if TYPE_CHECKING:
    from templedb_nb.app.container import Container

INSTALL = "pip install 'templedb-nb[tui]'"
ENDS_S = 1.0
"""So long a question that is still open is waited for when somebody leaves."""


def start(opening: Callable[[], Container]) -> None:
    """Show the terminal until somebody leaves it."""
    if find_spec("textual") is None:
        message = "the terminal screen needs textual, and it is not installed"
        raise ConfigError(message, hint=INSTALL)
    system = Environment()
    able = all(each.isatty() for each in (sys.stdin, sys.stdout))
    if not able or system.environ.get("TERM") == "dumb":
        message = "this is no terminal: the screen needs one for keys and pictures"
        raise UsageProblem(message, hint="templedb board shows the targets as text")
    from templedb_nb.tui.app import SIGNALS, TerminalApp

    app = TerminalApp(opening, system)
    app.hears_signals = True
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        app.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        idle = app.desk.end(ENDS_S)
    stop = next((own for number, own in before.items() if number == app.stopped_by), None)
    if callable(stop):
        stop(app.stopped_by, None)
    if app.failure is not None:
        raise app.failure
    if not idle:
        # A thread still waits for a server, maybe for minutes. Python would end it within DuckDB's
        # or libpq's own code, and die by that. It only reads, or a transaction is rolled back.
        sys.stdout.flush()
        os._exit(0)
