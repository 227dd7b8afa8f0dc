"""Which receiver wants which notification."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache

from templedb_nb.core.notifications.kinds import DEFAULT, KINDS
from templedb_nb.model.notification import Notification, NotificationKind
from templedb_nb.model.receiver import Receiver, ReceiverFilter

EVERY = "*"
CLOCKS = timedelta(days=1)
"""What happened so much before a receiver began is still for it, if nobody looked at it: clocks of
machines differ, and are set back."""


@lru_cache(maxsize=256)
def wanted_kinds(wanted: ReceiverFilter) -> frozenset[NotificationKind]:
    """Return the kinds that a receiver gets."""
    if not wanted.events:
        named = DEFAULT
    else:
        named = frozenset(
            kind for kind in KINDS if any(_fits(kind, each) for each in wanted.events)
        )
    return frozenset(k for k in named if KINDS[k].urgency.rank >= wanted.urgency.rank)


def wants(receiver: Receiver, told: Notification) -> bool:
    """Return whether *receiver* gets a notification."""
    own = receiver.filter
    return (
        told.at >= receiver.since - CLOCKS
        and told.kind in wanted_kinds(own)
        and told.urgency.rank >= own.urgency.rank
        and _among(told.project, own.projects)
        and _among(told.target, own.targets)
        and receiver.origin in {"", told.project}
    )


def misspelt(events: Iterable[str]) -> tuple[str, ...]:
    """Return what of *events* fits no kind."""
    return tuple(each for each in events if not any(_fits(kind, each) for kind in NotificationKind))


def _fits(kind: NotificationKind, pattern: str) -> bool:
    """Return whether a kind is named: as it is, by what it begins with, or with all others."""
    head, star, rest = pattern.partition(EVERY)
    if not star:
        return kind == pattern
    return not rest and kind.startswith(head) and (not head or head.endswith("."))


def _among(name: str, names: tuple[str, ...]) -> bool:
    return not names or name in names
