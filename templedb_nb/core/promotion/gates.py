"""What must be true before a release moves on, each with the reason that a reader is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from templedb_nb.core.config.document import problem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Topic
from templedb_nb.model.health import Measured
from templedb_nb.model.lifecycle import PromotionGates
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.promotion import GateResult

DIGITS = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth:
    """What a run found of a target's health, or what was found just now: then `run` is empty."""

    health: Measured
    run: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """What is known of a release where it comes from.

    `measured` is what the runs there have found since, oldest first, `now` what was found just now,
    None where its release is not in place any more or there is no check. `deployed_on` are the
    targets that have it, or had it without a rollback. `away` is how long its release was not in
    place there since the run ended.
    """

    run: PastRun
    source: str
    in_place: bool
    measured: tuple[SourceHealth, ...] = ()
    now: SourceHealth | None = None
    checks: bool = False
    deployed_on: tuple[str, ...] = ()
    away: timedelta = timedelta()


def gates(wanted: PromotionGates, facts: SourceFacts, now: datetime) -> tuple[GateResult, ...]:
    """Return every gate, passed or not."""
    return (
        GateResult(name="succeeded", passed=True, reason=_succeeded(facts)),
        *_soak(wanted, facts, now),
        *_healthy(wanted, facts),
        *_targets(wanted, facts),
    )


def _succeeded(facts: SourceFacts) -> str:
    run = facts.run
    told = f"run {run.run[:DIGITS]} on {facts.source} succeeded and was not rolled back"
    return told if facts.in_place else f"{told}; a later run has replaced its release there"


def _soak(wanted: PromotionGates, facts: SourceFacts, now: datetime) -> Iterator[GateResult]:
    if not wanted.min_soak_s:
        return
    least, ended = timedelta(seconds=wanted.min_soak_s), facts.run.finished_at
    if ended is None:
        why = "the end of the run was not recorded"
        yield GateResult(name="minimal soak", passed=False, reason=why)
        return
    been = max(now - ended - facts.away, timedelta(0))
    told = f"{_span(been)} of {_span(least)} on {facts.source} have passed"
    if been < least and facts.in_place:
        told += f"; it can be promoted at {now + least - been:%Y-%m-%d %H:%M:%S %Z}"
    elif been < least:
        told += "; its release is not in place there any more"
    yield GateResult(name="minimal soak", passed=been >= least, reason=told)


def _span(value: timedelta) -> str:
    return str(timedelta(seconds=int(value.total_seconds())))


def _healthy(wanted: PromotionGates, facts: SourceFacts) -> Iterator[GateResult]:
    if not wanted.healthy:
        return
    found = (*facts.measured, *([facts.now] if facts.now else []))
    bad = [each for each in found if each.health is not Measured.HEALTHY]
    if bad:
        yield GateResult(name="healthy since", passed=False, reason=_ill(bad, facts.source))
    elif found:
        yield GateResult(name="healthy since", passed=True, reason=_well(facts))
    elif facts.checks:
        why = f"{facts.source} has health checks, but none was measured for this release"
        yield GateResult(name="healthy since", passed=False, reason=why)
    else:
        why = f"{facts.source} has no health check: nothing was measured"
        yield GateResult(name="healthy since", passed=True, reason=why)


def _ill(bad: Sequence[SourceHealth], source: str) -> str:
    told = []
    for each in bad:
        when = f"run {each.run[:DIGITS]}" if each.run else "just now"
        why = f" ({each.reason})" if each.reason else ""
        told.append(f"{when}: {each.health}{why}")
    return f"{source}: {'; '.join(told)}"


def _well(facts: SourceFacts) -> str:
    count = len(facts.measured)
    told = f"{count} run{'s' if count != 1 else ''} found {facts.source} healthy"
    if not count:
        told = f"no run on {facts.source} that is known here has measured it"
    if facts.now:
        return f"{told}, and it is healthy now"
    return f"{told}; its release is not in place there any more, so nothing is measured now"


def _targets(wanted: PromotionGates, facts: SourceFacts) -> Iterator[GateResult]:
    if wanted.min_targets <= 1:
        return
    count = len(facts.deployed_on)
    told = f"deployed on {count} of {wanted.min_targets} targets: {', '.join(facts.deployed_on)}"
    yield GateResult(name="targets", passed=count >= wanted.min_targets, reason=told)


def on_gates(results: Sequence[GateResult], target: str) -> Iterator[Finding]:
    """Return why a promotion may not go on yet."""
    for each in results:
        if not each.passed:
            message = f"gate {each.name!r}: {each.reason}"
            yield problem(target, message, topic=Topic.PROMOTION)
