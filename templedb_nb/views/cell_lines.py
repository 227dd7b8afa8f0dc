"""A runbook as it goes on, a line for each thing, for terminals and for logs."""

from __future__ import annotations

from collections.abc import Callable

from templedb_nb.model.runbook import (
    CellFinished,
    CellStarted,
    CellState,
    CellWrote,
    RunbookEvent,
    RunbookStarted,
)
from templedb_nb.views import ansi
from templedb_nb.views.format import duration, many, shown

LIMIT = 2000
"""Of what a cell writes, so many lines are shown as they come; the notebook has more."""


BAR = 10
"""So wide is the bar of a terminal's last line."""


class CellLines:
    """Writes lines; what a cell writes stands behind a bar, so that no log takes it for its own."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """Write each line with *write*."""
        self._write = write
        self._partial = ""
        self._count = 0
        self.now = ""

    def __call__(self, event: RunbookEvent) -> None:
        """Write what *event* says."""
        match event:
            case RunbookStarted():
                given = ", ".join(f"{n}={v}" for n, v in event.parameters.items())
                about = f" with {shown(given)}" if given else ""
                code = f"{event.code} of code"
                self._write(f"runbook {event.notebook}: {many(event.cells, 'cell')}, {code}{about}")
                if event.resumes:
                    self._write(f"resumes {event.resumes[:13]}")
                elif event.resume:
                    self._write("nothing to resume: starting from the beginning")
            case CellStarted():
                self._count = 0
                told = f"cell {event.cell} of {event.of}: {shown(event.title)}"
                self._write(told)
                full = round(BAR * (event.cell - 1) / event.of)
                self.now = f"{'▰' * full}{'▱' * (BAR - full)} {told}"
            case CellWrote():
                self._wrote(event.text)
            case CellFinished():
                self._flush()
                self._ended(event)

    def _ended(self, event: CellFinished) -> None:
        self.now = ""
        match event.state:
            case CellState.FAILED:
                took = duration(event.took_ms)
                self._write(f"  FAILED cell {event.cell}: {shown(event.message)}  ({took})")
            case CellState.SKIPPED:
                self._write(f"  skip   cell {event.cell}")
            case _:
                pass

    def _wrote(self, text: str) -> None:
        *whole, self._partial = (self._partial + text).split("\n")
        for line in whole:
            self._line(line)
        if len(self._partial) > LIMIT:
            self._flush()

    def _line(self, line: str) -> None:
        self._count += 1
        if self._count == LIMIT:
            self._write("  | … there is more in the notebook")
        elif self._count < LIMIT:
            self._write(f"  | {ansi.plain(line)}")

    def _flush(self) -> None:
        if self._partial:
            self._line(self._partial)
        self._partial = ""
