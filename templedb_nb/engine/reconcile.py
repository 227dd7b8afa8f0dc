"""What a run comes to that nobody saw end: its events, and what its ledgers say of its last step.

It decides by `core.run.recovery` and asks through ports; who calls it keeps the journals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from templedb_nb.core.run import recovery
from templedb_nb.errors import TempleError
from templedb_nb.model.event import Event, Stamped
from templedb_nb.model.result import Result
from templedb_nb.model.target import DatabaseName
from templedb_nb.model.trace import Lookup, Trace
from templedb_nb.ports.target import HistoryReader

Sessions = Mapping[DatabaseName, HistoryReader]


Active = Callable[[Result], str | None]
"""Says which slot answers through the router of the switch in which a run stopped; None where the
router does not say."""


def nobody_asks(result: Result) -> str | None:
    """Return that no router was asked."""
    del result
    return None


def told(
    entries: Sequence[Stamped], sessions: Sessions, now: datetime, active: Active = nobody_asks
) -> Result:
    """Return what a run comes to whose journal cannot be written any more."""
    result = Result.of(entries)
    events = recovery.aftermath(result, traced(result, sessions, active))
    return Result.of((*entries, *recovery.stamped(entries, events, now, now)))


def ends(
    result: Result, sessions: Sessions, why: str, active: Active = nobody_asks
) -> tuple[Event, ...]:
    """Return how a run ends that got no further within a step, *why* it may be.

    There is nothing where its ledgers do not answer: the next command asks them.
    """
    trace = traced(result, sessions, active)
    if trace is None and recovery.lookup(result) is not None:
        return ()
    return recovery.aftermath(result, trace, why)


def traced(result: Result, sessions: Sessions, active: Active) -> Trace | None:
    """Return what the ledgers hold of the step in which a run stopped; None where nobody knows."""
    lookup = recovery.lookup(result)
    try:
        trace = asked(lookup, sessions) if lookup else None
    except TempleError:
        return None
    if trace is not None and recovery.switching(result) is not None:
        return replace(trace, active=active(result))
    return trace


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
