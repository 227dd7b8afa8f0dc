"""Whose turn it is: in which order deliveries go, and which of them may be tried by now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from templedb_nb.model.receiver import Delivery


def in_order(owed: Iterable[Delivery]) -> list[Delivery]:
    """Return deliveries by receiver, the oldest stream first, and each stream in its order."""
    given = list(owed)
    begun: dict[tuple[str, str], datetime] = {}
    for each in given:
        key = each.receiver, each.stream
        begun[key] = min(each.happened_at, begun.get(key, each.happened_at))
    return sorted(
        given, key=lambda e: (e.receiver, begun[e.receiver, e.stream], e.stream, e.place, e.event)
    )


def ready(owed: Sequence[Delivery], now: datetime, *, due: bool) -> list[Delivery]:
    """Return what may be tried now, in that order; with *due*, only what is meant to be by now.

    Behind one that has to wait, nothing of its stream goes.
    """
    held: set[tuple[str, str]] = set()
    found = []
    for each in owed:
        if _waits(each, now, due=due):
            held.add((each.receiver, each.stream))
        if (each.receiver, each.stream) not in held:
            found.append(each)
    return found


def _waits(each: Delivery, now: datetime, *, due: bool) -> bool:
    """Return whether one has to wait; never if the clock was set back after its last attempt."""
    if each.tried_at is not None and each.tried_at > now:
        return False
    until = (each.not_before, each.due_at if due else None)
    return any(moment is not None and moment > now for moment in until)


def at_most(owed: Iterable[Delivery], limit: int) -> list[Delivery]:
    """Return the first of them for each receiver, and no more than *limit* of each."""
    taken: Counter[str] = Counter()
    found = []
    for each in owed:
        taken[each.receiver] += 1
        if taken[each.receiver] <= limit:
            found.append(each)
    return found
