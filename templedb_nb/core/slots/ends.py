"""How a step ends that could not switch traffic, or that found it elsewhere."""

from __future__ import annotations

import shlex
from dataclasses import replace

from templedb_nb.core.slots.sentences import says
from templedb_nb.model.event import Event, StepFailed
from templedb_nb.model.health import Health
from templedb_nb.model.slots import RouterReading, RouterState
from templedb_nb.model.switch_step import SlotUse, SwitchSlot


def waiting(number: int, step: SwitchSlot, target: str) -> StepFailed:
    """Return that a person must say go first."""
    stays = f"traffic stays on {step.live}" if step.live else "traffic goes nowhere yet"
    message = f"{step.to} is ready, and {stays}"
    hint = go_ahead(step.to, target)
    return StepFailed(
        step=number,
        message=f"{message}: a person must approve the switch",
        changed=False,
        hint=hint,
        waits=True,
    )


def go_ahead(slot: str, target: str, bundle: str = "") -> str:
    """Return how a person lets a run go on that waits; *bundle* is the one that it carries out."""
    plan = f" --plan {shlex.quote(bundle)}" if bundle else ""
    return f"templedb deploy switch {slot} --target {target}{plan} --reason WHY sends traffic there"


def unfit(number: int, step: SwitchSlot, outcome: Health, told: str) -> StepFailed:
    """Return that a slot is not healthy enough for traffic."""
    if step.back:
        message = f"{step.to} is {outcome}, too ({told}): traffic stays on {step.live}"
        return StepFailed(step=number, message=message, changed=True, unknown=True, hint=look(step))
    message = f"traffic does not go to {step.to}, which is {outcome}: {told}"
    inconclusive = outcome is Health.INCONCLUSIVE
    return StepFailed(step=number, message=message, changed=False, inconclusive=inconclusive)


def overtaken(number: int, use: SlotUse, event: Event) -> StepFailed:
    """Return that traffic came to a slot while a command worked on it, however that ended."""
    why = f"the router names {use.slot}, to which somebody sent traffic during the command"
    hint = "templedb deploy slots shows what the router answers; then templedb run resolve RUN"
    ended = StepFailed(step=number, message=why, changed=True, unknown=True, hint=hint)
    if not isinstance(event, StepFailed):
        return ended
    why = f"{event.message}; {why}"
    return replace(event, message=why, changed=True, unknown=True, hint=hint)


def astray(number: int, step: SwitchSlot, told: RouterReading) -> StepFailed:
    """Return that a slot which a run switched to is healthy, and does not serve any more."""
    message = f"{step.to} is healthy, but {says(told)}: somebody else switched"
    unknown = told.state is not RouterState.NAMED
    return StepFailed(step=number, message=message, changed=True, unknown=unknown, hint=look(step))


def look(step: SwitchSlot) -> str:
    """Return what shows where traffic goes, and what sends it elsewhere."""
    shows = "templedb deploy slots shows what the router answers"
    return f"{shows}; templedb deploy switch {step.to} --reason WHY sends traffic to a slot"
