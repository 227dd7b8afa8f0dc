"""Ask a check until its tries have settled it."""

from __future__ import annotations

from collections.abc import Callable

from templedb_nb.core.health.fold import Continue, fold
from templedb_nb.core.health.outcomes import outcome
from templedb_nb.model.health import Cause, Check, CheckAnswer, Measurement, Try
from templedb_nb.ports.health import Checker
from templedb_nb.ports.run import Clock

Heard = Callable[[Check, Try], None]
"""Told of each try as it ends."""


def ask(check: Check, checker: Checker, clock: Clock, heard: Heard) -> CheckAnswer:
    """Return what the tries of a check came to."""
    begun = clock.monotonic_ms()
    tries: tuple[Try, ...] = ()
    while isinstance(standing := fold(check.timing, tries), Continue):
        clock.sleep(standing.wait_s)
        tries = (*tries, _try(check, checker, clock, begun, standing.within_s))
        heard(check, tries[-1])
    return CheckAnswer(
        name=check.name,
        type=check.kind,
        outcome=standing.outcome,
        message=standing.why,
        tries=tries,
    )


def _try(check: Check, checker: Checker, clock: Clock, begun: int, within_s: float) -> Try:
    started, at = clock.now(), clock.monotonic_ms() - begun
    found = _whole(check, checker.measure(check, within_s), within_s)
    return Try(
        started=started,
        at_ms=at,
        latency_ms=found.latency_ms,
        outcome=outcome(found.cause),
        cause=found.cause,
        message=found.message,
        evidence=found.evidence,
    )


_LATE = frozenset({
    Cause.TLS_TIMEOUT, Cause.ANSWER_TIMEOUT, Cause.BODY_TIMEOUT, Cause.COMMAND_TIMEOUT,
    Cause.QUERY_TIMEOUT, Cause.NAME_TIMEOUT, Cause.CONNECT_TIMEOUT,
})  # fmt: skip


def _whole(check: Check, found: Measurement, within_s: float) -> Measurement:
    """Take a timeout for no answer where the deadline left the try less than its timeout."""
    if within_s >= check.timing.timeout_s or found.cause not in _LATE:
        return found
    message = f"{found.message}; the deadline left it no more"
    return Measurement(
        cause=Cause.DEADLINE,
        message=message,
        latency_ms=found.latency_ms,
        evidence=found.evidence,
    )
