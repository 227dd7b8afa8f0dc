"""What is going on at a target, beside how it stands: for those who start their day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome
from templedb_nb.model.project import Slug
from templedb_nb.model.receiver import ReceiverRow
from templedb_nb.model.serialization import short
from templedb_nb.model.status import StatusTable, TargetStatus
from templedb_nb.model.target import TargetName
from templedb_nb.model.waiting import WaitingPlan

RUN_DIGITS = 13
_COMMAND = re.compile(r"templedb [^,;()\n]+")
_UNRESOLVED = re.compile(r"run (\S+) unresolved")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningNow:
    """A run of this state that goes on: `done` of its `steps` are over, `step` is the one now."""

    run: str
    started_by: str
    started_at: datetime | None
    done: int
    steps: int
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftGlance:
    """How many objects differed when it was last looked at, by the plan or run that did."""

    changes: int
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetNow:
    """What waits and what runs at a target; `drift` is None where nobody ever looked."""

    slug: Slug
    target: TargetName
    waiting: tuple[WaitingPlan, ...] = ()
    running: tuple[RunningNow, ...] = ()
    drift: DriftGlance | None = None

    @property
    def wants(self) -> bool:
        """Return whether somebody should look at it."""
        return bool(self.waiting or self.running or (self.drift and self.drift.changes))


def without_command(note: str) -> str:
    """Return a note without its command, which stands elsewhere."""
    *before, last = _COMMAND.split(note)
    return "".join([*(each.rstrip(" ").removesuffix(":") for each in before), last])


def next_command(row: TargetStatus, now: TargetNow) -> str:
    """Return what a person does next there, the most urgent first; nothing if all is well."""
    on = f"{row.slug} --target {row.target}"
    if now.running:
        return f"templedb run attach {now.running[0].run[:RUN_DIGITS]}"
    if told := _COMMAND.search(row.note):
        return told[0].strip()
    if lost := _UNRESOLVED.search(row.note):
        return f"templedb run resolve {row.slug} {lost[1][:RUN_DIGITS]} --reason WHY"
    if row.note.startswith("locked by"):
        return f"templedb lock show {on}"
    if row.attention:
        return f"templedb migration status {on}"
    if now.waiting:
        return f"templedb approve {short(now.waiting[0].plan)} --reason WHY"
    if row.last_outcome not in {None, Outcome.SUCCEEDED}:
        return f"templedb deploy show {row.last_run[:RUN_DIGITS]}"
    return _quiet(row, now, on)


def _quiet(row: TargetStatus, now: TargetNow, on: str) -> str:
    if row.pending or not row.last_run:
        return f"templedb deploy plan {on}"
    if row.pending is None and row.note:
        return f"templedb target test {row.slug} {row.target}"
    if now.drift and now.drift.changes:
        return f"templedb drift check {on}"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Projects on their targets, side by side; `receivers` are those that something is owed to.

    Also those that are paused or disabled, or have dead letters. `facts` say of each target what is
    going on there; `at` is when all was asked.
    """

    json_kind: ClassVar[str] = "Board"

    tables: tuple[StatusTable, ...]
    receivers: tuple[ReceiverRow, ...] = ()
    facts: tuple[TargetNow, ...] = ()
    at: datetime | None = None

    @property
    def rows(self) -> tuple[TargetStatus, ...]:
        """Return every target of every project."""
        return tuple(row for table in self.tables for row in table.rows)

    @property
    def running(self) -> frozenset[str]:
        """Return the runs that go on."""
        return frozenset(run.run for each in self.facts for run in each.running)

    def now(self, row: TargetStatus) -> TargetNow:
        """Return what is going on at a target."""
        empty = TargetNow(slug=row.slug, target=row.target)
        own = (each for each in self.facts if (each.slug, each.target) == (row.slug, row.target))
        return next(own, empty)

    def with_running(
        self, running: Mapping[tuple[str, str], tuple[RunningNow, ...]], at: datetime
    ) -> Board:
        """Return the board with the runs that go on at *at*, and the rest as it was."""
        facts = tuple(
            replace(each, running=running.get((each.slug, each.target), ())) for each in self.facts
        )
        return replace(self, facts=facts, at=at)

    def matching(self, words: str, *, wanting: bool) -> Board:
        """Return the targets whose project or name has every one of *words*.

        With *wanting*, those alone that wait for something: a pending migration, a look, an end.
        """
        wanted = words.lower().split()
        tables = [
            replace(table, rows=tuple(
                row for row in table.rows
                if all(word in f"{row.slug} {row.target}".lower() for word in wanted)
                and (row.wants or self.now(row).wants or not wanting)
            ))
            for table in self.tables
        ]  # fmt: skip
        found = tuple(each for each in tables if each.rows)
        return replace(self, tables=found)
