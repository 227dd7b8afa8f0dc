"""What becomes of a delivery after an attempt: delivered, tried again later, or a dead letter."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from templedb_nb.model.receiver import Delivery, DeliveryState, Reply, ReplyKind

FIRST_S = 60
LONGEST_S = 4 * 3600
GIVE_UP = timedelta(hours=24)
"""After failing for so long a notification is a dead letter."""
LEAST_ATTEMPTS = 3
"""Fewer attempts prove nothing, however far they are apart."""
ANSWER = 1024
"""So many characters of an answer are kept."""


def after(delivery: Delivery, reply: Reply, now: datetime) -> Delivery:
    """Return where a delivery stands after an attempt that came to *reply*."""
    tried = replace(
        delivery,
        attempts=delivery.attempts + 1,
        tried_at=now,
        told=reply.told,
        answer=reply.answer[:ANSWER],
    )
    match reply.kind:
        case ReplyKind.ACCEPTED:
            return replace(
                tried,
                state=DeliveryState.DELIVERED,
                delivered_at=now,
                reference=reply.reference,
                failing_since=None,
                due_at=None,
                not_before=None,
            )
        case ReplyKind.REFUSED | ReplyKind.GONE:
            return replace(tried, state=DeliveryState.DEAD, due_at=None, not_before=None)
        case ReplyKind.FAILED:
            return _failed(tried, reply, now)


def _failed(tried: Delivery, reply: Reply, now: datetime) -> Delivery:
    since = tried.failing_since or now
    if now - since >= GIVE_UP and tried.attempts >= LEAST_ATTEMPTS:
        told = f"{tried.told}; given up after {tried.attempts} attempts in 24 h"
        return replace(tried, state=DeliveryState.DEAD, failing_since=since, due_at=None, told=told)
    wait_s = backoff_s(tried.attempts)
    held = timedelta(seconds=min(reply.wait_s, GIVE_UP.total_seconds())) if reply.wait_s else None
    return replace(
        tried,
        failing_since=since,
        due_at=now + max(timedelta(seconds=wait_s), held or timedelta()),
        not_before=now + held if held else None,
    )


def backoff_s(attempts: int) -> int:
    """Return how long to wait after so many failed attempts: 1, 2, 4 … minutes, 4 h at most."""
    return int(min(LONGEST_S, FIRST_S * 2 ** min(attempts - 1, 16)))


def anew(delivery: Delivery) -> Delivery:
    """Return a delivery as it was before its first attempt: somebody wants it sent again."""
    return replace(
        delivery,
        state=DeliveryState.WAITING,
        attempts=0,
        failing_since=None,
        due_at=None,
        not_before=None,
        told="",
        answer="",
    )
