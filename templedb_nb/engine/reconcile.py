"""What a run comes to that nobody saw end: its events, and what its ledgers say of its last step.

It decides by `core.run.recovery` and asks through ports; who calls it keeps the journals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from templedb_nb.core.run import recovery
from templedb_nb.errors import TempleError
from templedb_nb.model.event import Event, Stamped
from templedb_nb.model.result import Result
from templedb_nb.model.target import DatabaseName
from templedb_nb.model.trace import Lookup, Trace
from templedb_nb.ports.target import HistoryReader

Sessions = Mapping[DatabaseName, HistoryReader]


def told(entries: Sequence[Stamped], sessions: Sessions, now: datetime) -> Result:
    """Return what a run comes to whose journal cannot be written any more."""
    result = Result.of(entries)
    events = recovery.aftermath(result, traced(result, sessions))
    return Result.of((*entries, *recovery.stamped(entries, events, now, now)))


def ends(result: Result, sessions: Sessions, why: str) -> tuple[Event, ...]:
    """Return how a run ends that got no further within a step, *why* it may be.

    There is nothing where its ledgers do not answer: the next command asks them.
    """
    trace = traced(result, sessions)
    if trace is None and recovery.lookup(result) is not None:
        return ()
    return recovery.aftermath(result, trace, why)


def traced(result: Result, sessions: Sessions) -> Trace | None:
    """Return what the ledgers hold of the step in which a run stopped; None where nobody knows."""
    lookup = recovery.lookup(result)
    try:
        return asked(lookup, sessions) if lookup else None
    except TempleError:
        return None


def asked(lookup: Lookup, sessions: Sessions) -> Trace:
    """Return what the ledgers of a target hold together of an attempt."""
    return Trace.of(each.trace(lookup.within(name)) for name, each in sessions.items())


def ended(
    entries: Sequence[Stamped], trace: Trace | None, alive: datetime | None, now: datetime
) -> tuple[Stamped, ...]:
    """Return the events of a dead run with the ends that it could not write."""
    events = recovery.aftermath(Result.of(entries), trace)
    sign = _last_sign(entries[-1].at, alive, trace, now)
    return (*entries, *recovery.stamped(entries, events, sign, now))


def _last_sign(
    written: datetime, alive: datetime | None, trace: Trace | None, now: datetime
) -> datetime:
    """Return when a dead run last showed that it lived: in its journal, beside it, in a ledger."""
    signs = [written, alive or written]
    if trace is not None and trace.silent_s is not None:
        signs.append(now - timedelta(seconds=trace.silent_s))
    return min(now, max(signs))
