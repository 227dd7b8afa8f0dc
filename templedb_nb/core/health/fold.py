"""What the tries of a check come to: go on, or how it is.

A success counts with those right before it; a failure with those since the last success, whatever
could not be measured in between. At the deadline, a check whose last word was bad is unhealthy, and
one that nobody could measure, or not often enough, is inconclusive: it is never healthy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import TypeAlias

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import Cause, Health, Timing, Try


@dataclass(frozen=True, slots=True, kw_only=True)
class Continue:
    """Try again after `wait_s`; that try may take `within_s`."""

    wait_s: float
    within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How the check is, and why; no further try can change it."""

    outcome: Health
    why: str


Standing: TypeAlias = Continue | Settled


def fold(timing: Timing, tries: Sequence[Try]) -> Standing:
    """Return whether to try again, or what *tries* came to."""
    if not tries:
        return _next(timing, 0.0, timing.initial_delay_s) or _timed_out(timing, ())
    seen = [counted(timing, each) for each in tries]
    good = _many(takewhile(lambda each: each is Health.HEALTHY, reversed(seen)))
    since = takewhile(lambda each: each is not Health.HEALTHY, reversed(seen))
    bad = _many(each for each in since if each is Health.UNHEALTHY)
    if bad >= timing.failure_threshold:
        return Settled(outcome=Health.UNHEALTHY, why=tries[-1].message)
    if good >= timing.success_threshold:
        return Settled(outcome=Health.HEALTHY, why=tries[-1].message)
    elapsed = (tries[-1].at_ms + tries[-1].latency_ms) / 1000
    return _next(timing, elapsed, timing.interval_s) or _timed_out(timing, tries)


def _many(outcomes: Iterable[Health]) -> int:
    return sum(1 for _ in outcomes)


def counted(timing: Timing, one: Try) -> Health:
    """Return how a try counts; one that the deadline cut short says nothing in any case."""
    strict = timing.inconclusive_fails and one.cause is not Cause.DEADLINE
    return Health.UNHEALTHY if strict and one.outcome is not Health.HEALTHY else one.outcome


def _next(timing: Timing, elapsed_s: float, wait_s: float) -> Continue | None:
    left = timing.deadline_s - elapsed_s - wait_s
    if left <= 0:
        return None
    return Continue(wait_s=float(wait_s), within_s=min(float(timing.timeout_s), left))


def _timed_out(timing: Timing, tries: Sequence[Try]) -> Settled:
    told = [each for each in tries if each.cause is not Cause.DEADLINE]
    seen = [counted(timing, each) for each in told]
    head = f"the deadline of {timing.deadline_s} s is over"
    if not told:
        return Settled(outcome=Health.INCONCLUSIVE, why=f"{head}, and no try could finish")
    last = told[-1].message
    if seen[-1] is Health.INCONCLUSIVE:
        return Settled(outcome=Health.INCONCLUSIVE, why=f"{head}; the last try: {last}")
    if seen[-1] is Health.UNHEALTHY:
        return Settled(outcome=Health.UNHEALTHY, why=f"{head}; the last try: {last}")
    why = f"{head} before {timing.success_threshold} good tries in a row"
    settled = Health.UNHEALTHY if Health.UNHEALTHY in seen else Health.INCONCLUSIVE
    return Settled(outcome=settled, why=why)
