"""A step that measures health: asked until it is settled, or broken off by an interrupt."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from templedb_nb.engine.health import Heard, Interruptible, ask, soak
from templedb_nb.engine.step_events import cancelled, health_settled, measured
from templedb_nb.engine.tools import Tools
from templedb_nb.failpoints import reach
from templedb_nb.model.event import Event
from templedb_nb.model.health import Check, CheckAnswer, HealthRole, Try
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.run import Emit


def measure(
    number: int,
    step: CheckHealth,
    claim: Claim,
    tools: Tools,
    emit: Emit,
    interrupted: Callable[[KeyboardInterrupt], None],
) -> Event:
    """Ask until it is settled; nothing that is cancelled meanwhile counts as measured."""
    until = tools.clock.now() + timedelta(seconds=step.soak_s) if step.soak_s else None
    for session in tools.sessions.values():
        if until is not None:
            session.hold_until(claim, until)
    tools.leave_files()
    try:
        answers = answered(number, step, tools, emit)
    except KeyboardInterrupt as error:
        interrupted(error)
        return cancelled(number, "nobody has measured the health of the target")
    reach("health.settled")
    return health_settled(number, claim.run, answers)


def answered(number: int, step: CheckHealth, tools: Tools, emit: Emit) -> tuple[CheckAnswer, ...]:
    """Return what the checks of a step come to; an interrupt is raised where they are asked."""
    checker, interrupts = tools.checker, tools.interrupts
    assert checker is not None  # noqa: S101 - whoever runs a plan with checks has one
    asked = Interruptible(checker=checker, clock=tools.clock, interrupts=interrupts)
    heard = _heard(number, step, tools, emit)
    if step.role is HealthRole.GATE:
        return tuple(ask(check, asked, asked, heard) for check in step.checks)
    return soak(step.checks, asked, asked, heard)


def _heard(number: int, step: CheckHealth, tools: Tools, emit: Emit) -> Heard:
    def heard(check: Check, one: Try) -> None:
        emit(measured(number, step, check, one))
        reach("health.tried")
        if tools.interrupts.draining:
            with (
                tools.interrupts.cancellable()
            ):  # one that is kept comes first: it has its own code
                raise KeyboardInterrupt

    return heard
