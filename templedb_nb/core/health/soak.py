"""What the tries of a soak come to: go on, or how it is.

A soak asks a check for a time after the release was deployed. It ends with the first breach:
`failure_threshold` bad tries since the last good one, or as many that nobody could measure, since a
time in which nobody looked is no time in which it was good. It is healthy if its last try is good,
and that began when the time was over.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from templedb_nb.core.health.fold import Continue, Settled, Standing, counted
from templedb_nb.model.health import Health, Timing, Try


def soaked(timing: Timing, tries: Sequence[Try]) -> Standing:
    """Return whether to try again, or what *tries* came to."""
    if not tries:
        return Continue(wait_s=0.0, within_s=float(timing.timeout_s))
    seen = [counted(timing, each) for each in tries]
    since = [*takewhile(lambda each: each is not Health.HEALTHY, reversed(seen))]
    for outcome in (Health.UNHEALTHY, Health.INCONCLUSIVE):
        if since.count(outcome) >= timing.failure_threshold:
            told = [one.message for one, how in zip(tries, seen, strict=True) if how is outcome]
            return Settled(outcome=outcome, why=told[-1])
    begun = tries[-1].at_ms / 1000
    if not since and begun >= timing.soak_s:
        good = sum(each is Health.HEALTHY for each in seen)
        return Settled(outcome=Health.HEALTHY, why=f"{good} of {len(seen)} tries were good")
    ended = begun + tries[-1].latency_ms / 1000
    left = timing.soak_s - ended
    wait = min(float(timing.interval_s), left) if left > 0 else float(timing.interval_s)
    return Continue(wait_s=wait if since or left > 0 else 0.0, within_s=float(timing.timeout_s))
