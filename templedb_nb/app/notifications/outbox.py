"""What is owed: read from the records, and divided among the receivers that want it.

The records are the outbox. What is kept beside them is how far they were looked at, and what waits
for whom: both are written in one transaction, and both can be derived again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta

from templedb_nb.app.environment import Environment
from templedb_nb.core.notifications.filters import CLOCKS, wanted_kinds, wants
from templedb_nb.core.notifications.of_plans import (
    KINDS_OF_PLANS,
    KINDS_OF_WORDS,
    of_approval,
    of_plan,
    of_superseded,
)
from templedb_nb.core.notifications.of_runs import NEEDED, of_run
from templedb_nb.core.notifications.turns import in_order, ready
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.notification import Notification
from templedb_nb.model.notification import NotificationKind as Kind
from templedb_nb.model.notified_record import RunRecord
from templedb_nb.model.receiver import Delivery, Receiver
from templedb_nb.ports.notifications import NotificationStore
from templedb_nb.ports.store import Transactions

_OF_A_JOB = timedelta(hours=6)
"""A run that ended longer ago belongs to an earlier job of CI than this one."""
_LOOKED_AT = 50
"""So many deliveries of each receiver are looked at, to see whether one is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What was read of records, what they said, and what of it is new to which receiver."""

    told: tuple[Notification, ...] = ()
    marks: Mapping[str, str] = field(default_factory=dict)
    owed: tuple[Delivery, ...] = ()


NOTHING = Collected()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """Reads what is to be told from the records of the state."""

    state: Transactions
    store: NotificationStore
    system: Environment
    link: str = ""
    """Where the report of this process's runs is, or will be."""

    def collect(self, receivers: Sequence[Receiver]) -> Collected:
        """Return what each receiver is owed by records that were not looked at.

        Nothing is written: until somebody does, the records tell it again.
        """
        if not receivers:
            return NOTHING
        with self.state.transaction():
            found = self._new(receivers)
            owed = self._owed(receivers, found.told)
            known = self.store.known_deliveries({each.event for each in owed})
        fresh = tuple(each for each in owed if (each.receiver, each.event) not in known)
        return replace(found, owed=fresh)

    def keep(self, found: Collected, deliveries: Iterable[Delivery]) -> None:
        """Record how far deliveries have come, and that records were looked at; all or nothing."""
        with self.state.transaction():
            self.store.settle_deliveries(deliveries)
            self.store.mark_collected(found.marks)

    def begin_at(self, moment: datetime) -> None:
        """Let a receiver that is new, or wants something else, begin at a moment.

        What the others are owed is kept before that; what is over by then tells nobody any more.
        So a receiver's place is what was looked at, also if the clock is set back later.
        """
        with self.state.transaction():
            found = self.collect(self.store.receivers())
            self.keep(found, found.owed)
            self.store.mark_past(moment)

    def waits(self, receivers: Sequence[Receiver]) -> bool:
        """Return whether anything is to be sent now; nothing is written."""
        if not receivers:
            return False
        owed = in_order(self.store.owed(_LOOKED_AT))
        if ready(owed, self.system.clock.now(), due=True):
            return True
        found = self.collect(receivers)
        return any(each.record in found.marks for each in found.owed)  # of runs that go on, later

    def _new(self, receivers: Sequence[Receiver]) -> Collected:
        kinds = frozenset().union(*(wanted_kinds(each.filter) for each in receivers))
        since = min(each.since for each in receivers) - CLOCKS
        told: list[Notification] = []
        marks: dict[str, str] = {}
        for run in self.store.new_runs(since, NEEDED):
            told += of_run(run)
            marks |= _mark(run)
        if kinds & KINDS_OF_PLANS or Kind.PLAN_SUPERSEDED in kinds:
            self._plans(since, kinds, told, marks)
        if kinds & KINDS_OF_WORDS:
            for word in self.store.new_approvals(since):
                told.append(of_approval(word))
                marks[f"approval:{word.approval.id}"] = ""
        if Kind.APPROVAL_EXPIRED in kinds:
            for word in self.store.expired_approvals(since, self.system.clock.now()):
                told.append(of_approval(word))
                marks[f"expiry:{word.approval.id}"] = ""
        for seen in self.store.new_observations():
            told.append(seen)
            marks[f"seen:{seen.id}"] = ""
        return Collected(told=tuple(told), marks=marks)

    def _plans(
        self,
        since: datetime,
        kinds: frozenset[Kind],
        told: list[Notification],
        marks: dict[str, str],
    ) -> None:
        plans = self.store.new_plans(since)
        for plan in plans:
            told += of_plan(plan)
            marks[f"plan:{plan.plan}"] = ""
        if Kind.PLAN_SUPERSEDED in kinds and plans:
            replaced = self.store.superseded_plans([each.plan for each in plans])
            told += (of_superseded(each) for each in replaced)

    def _owed(self, receivers: Sequence[Receiver], told: Iterable[Notification]) -> list[Delivery]:
        return [
            self.delivery(receiver, each)
            for each in told
            for receiver in receivers
            if wants(receiver, each)
        ]

    def delivery(self, receiver: Receiver, told: Notification) -> Delivery:
        """Return what *receiver* is owed by a fact."""
        return Delivery(
            receiver=receiver.name,
            event=told.id,
            kind=told.kind,
            record=told.record,
            stream=told.stream,
            place=told.place,
            happened_at=told.at,
            project=told.project,
            target=told.target,
            what=told.what,
            link=told.link or self._link(told),
        )

    def _link(self, told: Notification) -> str:
        """Return where the report of a run is, if it is one of this job."""
        recent = self.system.clock.now() - told.at < _OF_A_JOB
        return self.link if told.run and recent else ""

    def again(self, deliveries: Sequence[Delivery]) -> dict[str, Notification]:
        """Return, by their ids, the facts that *deliveries* are about, read from their records."""
        named = {each.record for each in deliveries}
        told: list[Notification] = []
        runs = _of(named, "run")
        told += (each for run in self.store.run_records(runs, NEEDED) for each in of_run(run))
        plans = self.store.plan_records(_of(named, "plan"))
        told += (each for plan in plans for each in of_plan(plan))
        words = self.store.approval_records(_of(named, "approval"))
        told += (of_approval(each) for each in words)
        expiries = self.store.expiry_records(_of(named, "expiry"))
        told += (of_approval(each) for each in expiries)
        told += self._superseded(_of(named, "superseded"))
        told += self.store.observed(_of(named, "seen"))
        own = {each.event: each for each in deliveries}
        return {each.id: _as_owed(each, own.get(each.id)) for each in told}

    def _superseded(self, pairs: Sequence[str]) -> list[Notification]:
        if not pairs:
            return []
        newer = {each.partition("/")[2] for each in pairs}
        return [of_superseded(each) for each in self.store.superseded_plans(newer)]

    def named(self, records: Sequence[str]) -> tuple[Notification, ...]:
        """Return everything that records of those names tell."""
        bare = [
            Delivery(
                receiver="",
                event="",
                kind=Kind.TEST,
                record=each,
                stream="",
                place=0,
                happened_at=self.system.clock.now(),
            )
            for each in records
        ]
        return tuple(self.again(bare).values())


def _mark(run: RunRecord) -> dict[str, str]:
    """Return the mark of a run that has ended; one that goes on is looked at again."""
    return {f"run:{run.run}": run.mark} if run.mark else {}


def _as_owed(told: Notification, owed: Delivery | None) -> Notification:
    """Return a fact as it was when it was owed: at its time, with its link."""
    if owed is None or not owed.receiver:
        return told
    return replace(told, at=owed.happened_at, link=owed.link or told.link)


def _of(records: Iterable[str], kind: str) -> list[str]:
    start = f"{kind}:"
    return sorted(each.removeprefix(start) for each in records if each.startswith(start))
