"""Ask checks until their tries have settled them: a gate one by one, a soak all in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from templedb_nb.core.health.fold import Continue, Settled, fold
from templedb_nb.core.health.outcomes import outcome
from templedb_nb.core.health.soak import soaked
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import Cause, Check, CheckAnswer, Health, Measurement, Try
from templedb_nb.ports.health import Checker
from templedb_nb.ports.run import Clock, Interruptions

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
    return _answer(check, standing, tries)


def soak(
    checks: Sequence[Check], checker: Checker, clock: Clock, heard: Heard
) -> tuple[CheckAnswer, ...]:
    """Return what the tries of each check came to; a breach ends the soak, and comes last."""
    begun, answers = clock.monotonic_ms(), list[CheckAnswer]()
    waiting = [_Soaking(check=check, due_ms=begun) for check in checks]
    while waiting:
        one = min(waiting, key=lambda each: each.due_ms)
        clock.sleep(max(0.0, (one.due_ms - clock.monotonic_ms()) / 1000))
        tried = _try(one.check, checker, clock, begun, one.check.timing.timeout_s)
        one.tries = (*one.tries, tried)
        heard(one.check, tried)
        standing = soaked(one.check.timing, one.tries)
        if isinstance(standing, Continue):
            one.due_ms = clock.monotonic_ms() + round(standing.wait_s * 1000)
            continue
        waiting.remove(one)
        answers.append(_answer(one.check, standing, one.tries))
        if standing.outcome is not Health.HEALTHY:
            break
    return tuple(answers)


@dataclass(slots=True, kw_only=True, eq=False)
class _Soaking:
    check: Check
    due_ms: int
    tries: tuple[Try, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruptible:
    """A checker and a clock that an interrupt may break off while they wait, and never between."""

    checker: Checker
    clock: Clock
    interrupts: Interruptions

    def measure(self, check: Check, within_s: float) -> Measurement:
        """Ask once."""
        with self.interrupts.cancellable():
            return self.checker.measure(check, within_s)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        with self.interrupts.cancellable():
            self.clock.sleep(seconds)

    def now(self) -> datetime:
        """Return the time."""
        return self.clock.now()

    def monotonic_ms(self) -> int:
        """Return milliseconds on a clock that never goes back."""
        return self.clock.monotonic_ms()


def _answer(check: Check, settled: Settled, tries: tuple[Try, ...]) -> CheckAnswer:
    return CheckAnswer(
        name=check.name,
        type=check.kind,
        outcome=settled.outcome,
        message=settled.why,
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
    message = f"{found.message}; the deadline ended it"
    return Measurement(
        cause=Cause.DEADLINE,
        message=message,
        latency_ms=found.latency_ms,
        evidence=found.evidence,
    )
