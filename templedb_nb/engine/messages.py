"""Server messages of one step's statements, reported as they come, and limited in number.

A loop may raise a million notices: of each rank the first ones become events, the rest is counted.
What a transaction said that was rolled back, to be tried again, does not count.
"""

from __future__ import annotations

from collections import Counter

from templedb_nb.model.event import (
    MessageReceived,
    MessagesOmitted,
    StepRecorded,
    TransactionRetried,
)
from templedb_nb.model.server_message import MessageLevel, ServerMessage
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.run import Emit
from templedb_nb.ports.target import StatementCallbacks

_WARNINGS, _NOTICES, _DETAILS = "warnings", "notices", "details"
KEPT = {_WARNINGS: 100, _NOTICES: 100, _DETAILS: 20}
"""How many messages of a step become events."""
_RANKS = {
    MessageLevel.WARNING: _WARNINGS,
    MessageLevel.NOTICE: _NOTICES,
    MessageLevel.INFO: _NOTICES,
    MessageLevel.LOG: _DETAILS,
    MessageLevel.DEBUG: _DETAILS,
}


class Messages:
    """Listens for one step."""

    def __init__(self, step: int, emit: Emit, database: DatabaseName) -> None:
        """Tell what comes of *step*, in *database*, by *emit*."""
        self._step = step
        self._database = database
        self._emit = emit
        self._kept: Counter[tuple[int, str]] = Counter()
        self._omitted: Counter[tuple[int, str]] = Counter()
        self._rows: dict[int, int] = {}
        self.told = StatementCallbacks(
            said=self._said, gave=self._gave, again=self._again, recorded=self._recorded
        )

    @property
    def rows(self) -> int | None:
        """Return how many rows queries gave, or None if there was none."""
        return sum(self._rows.values()) if self._rows else None

    def close(self) -> None:
        """Tell how many messages there were that are not kept."""
        warnings = _of(self._omitted, _WARNINGS)
        others = self._omitted.total() - warnings
        if warnings or others:
            self._emit(MessagesOmitted(step=self._step, warnings=warnings, others=others))

    def _said(self, said: ServerMessage) -> None:
        rank = _RANKS[said.level]
        place = (said.statement, rank)
        if _of(self._kept, rank) >= KEPT[rank]:
            self._omitted[place] += 1
            return
        self._kept[place] += 1
        self._emit(
            MessageReceived(
                step=self._step,
                level=said.level,
                message=said.message,
                sqlstate=said.sqlstate,
                detail=said.detail,
                hint=said.hint,
                statement=said.statement + 1 if said.statement >= 0 else None,
                line=said.line or None,
                in_output=said.in_output,
            )
        )

    def _recorded(self) -> None:
        self._emit(StepRecorded(step=self._step, database=self._database))

    def _gave(self, statement: int, rows: int) -> None:
        self._rows[statement] = rows

    def _again(self, first: int, message: str, sqlstate: str | None) -> None:
        for counter in (self._kept, self._omitted):
            for place in [each for each in counter if not 0 <= each[0] < first]:
                del counter[place]
        self._rows = {at: rows for at, rows in self._rows.items() if at < first}
        self._emit(
            TransactionRetried(
                step=self._step, statement=first + 1, message=message, sqlstate=sqlstate
            )
        )


def _of(counter: Counter[tuple[int, str]], rank: str) -> int:
    return sum(count for (_, each), count in counter.items() if each == rank)
