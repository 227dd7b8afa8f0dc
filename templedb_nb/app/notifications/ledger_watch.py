"""What ledgers say that no record of this state has: runs that died elsewhere, stolen locks.

It is looked for whenever a target is opened anyway, and kept until it is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Protocol

from templedb_nb.app.environment import Environment
from templedb_nb.core.notifications.filters import wanted_kinds
from templedb_nb.core.notifications.of_targets import dead_runs, stolen_locks
from templedb_nb.errors import TempleError
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.notification import Notification
from templedb_nb.model.notification import NotificationKind as Kind
from templedb_nb.model.project import Project
from templedb_nb.model.receiver import Receiver
from templedb_nb.model.target import DatabaseName, TargetName
from templedb_nb.ports.notifications import NotificationStore
from templedb_nb.ports.records import RunHistory
from templedb_nb.ports.target import HistoryReader, LedgerReader

_AHEAD = timedelta(days=1)
"""A server's clock may be before ours."""


class LedgerWitness(LedgerReader, HistoryReader, Protocol):
    """What a ledger says now, and of the past."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerWatch:
    """Keeps what people are to be told of ledgers, if anybody is."""

    store: NotificationStore
    runs: RunHistory
    journals: Path
    system: Environment

    def look(
        self,
        project: Project,
        target: TargetName,
        sessions: Mapping[DatabaseName, LedgerWitness],
        ledgers: Mapping[DatabaseName, Ledger],
    ) -> None:
        """Look at what was just read; whatever goes wrong here is none of the reader's business."""
        try:
            receivers = self.store.receivers()
            if receivers:
                self._keep(receivers, project, target, sessions, ledgers)
        except Exception:  # noqa: BLE001 - it is looked for again at the next opportunity
            return

    def _keep(
        self,
        receivers: Sequence[Receiver],
        project: Project,
        target: TargetName,
        sessions: Mapping[DatabaseName, LedgerWitness],
        ledgers: Mapping[DatabaseName, Ledger],
    ) -> None:
        kinds = frozenset().union(*(wanted_kinds(each.filter) for each in receivers))
        now = self.system.clock.now()
        seen: list[Notification] = []
        if Kind.RUN_UNKNOWN in kinds:
            seen += self._dead(project, target, sessions, ledgers, now)
        if Kind.LOCK_STOLEN in kinds:
            since = min(each.since for each in receivers)
            seen += self._stolen(project, target, sessions, since, now)
        self.store.keep_observations(seen, now)

    def _dead(
        self,
        project: Project,
        target: TargetName,
        sessions: Mapping[DatabaseName, LedgerWitness],
        ledgers: Mapping[DatabaseName, Ledger],
        now: datetime,
    ) -> list[Notification]:
        """Return the runs that nobody carries on, and of which this state knows nothing.

        A ledger is read a moment before its lock: a run that ends just then looks dead. So what
        looks so is read once more.
        """
        open_runs = {
            run.run for ledger in ledgers.values() for run in ledger.runs if not run.outcome
        }
        known = {run for run in open_runs if self._knows(run)}
        if not [*dead_runs(project.slug, target, ledgers.values(), known, now)]:
            return []
        again = [sessions[name].ledger(project.known_as) for name in ledgers]
        return [*dead_runs(project.slug, target, again, known, now)]

    def _stolen(
        self,
        project: Project,
        target: TargetName,
        sessions: Mapping[DatabaseName, LedgerWitness],
        since: datetime,
        now: datetime,
    ) -> list[Notification]:
        found = (
            stolen_locks(
                project.slug, target, name, session.events(project.known_as, (since, now + _AHEAD))
            )
            for name, session in sessions.items()
        )
        return list(chain.from_iterable(found))

    def _knows(self, run: str) -> bool:
        """Return whether this state has the history of a run, or its journal: it tells its end."""
        if (self.journals / f"{run}.jsonl").exists():
            return True
        try:
            self.runs.run(run)
        except TempleError:
            return False
        return True
