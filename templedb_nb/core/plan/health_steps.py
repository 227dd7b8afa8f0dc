"""Where health checks stand in a plan, and what its reader must know of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from templedb_nb.core.config.document import problem
from templedb_nb.core.health import reading
from templedb_nb.core.health.variables import RELEASE, wanted
from templedb_nb.core.plan.situation import Situation
from templedb_nb.model.config import Group
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.health import Check, HealthRole, HttpCheck
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.plan import Plan, PlannedGroup
from templedb_nb.model.step import Step, works
from templedb_nb.model.switch_step import SwitchSlot


def gates(group: Group) -> tuple[CheckHealth, ...]:
    """Return the steps that end a group: one for each of its checks."""
    found = reading.of_group(group, HealthRole.GATE)
    return tuple(CheckHealth(group=group.name, checks=(check,)) for check in found)


def with_health(
    planned: tuple[PlannedGroup, ...], chosen: Sequence[Group], situation: Situation
) -> tuple[PlannedGroup, ...]:
    """Return the groups, and behind them the target's own gates and one soak of all checks.

    Gates are asked even where nothing else is to do: a run that follows one whose gate failed must
    not be green for that reason. A soak is due where something was done, or the newest run on the
    target was no success.
    """
    group = f"target {situation.target}"  # no group of a config has a name with a space
    found = reading.of_target(situation.health, HealthRole.GATE)
    steps = [CheckHealth(group=group, checks=(check,)) for check in found]
    if situation.unmeasured or any(works(step) for each in planned for step in each.steps):
        steps += _soak(group, chosen, situation)
    own = (PlannedGroup(name=group, steps=tuple(steps)),) if steps else ()
    return (*planned, *own)


def _soak(group: str, chosen: Sequence[Group], situation: Situation) -> Iterator[CheckHealth]:
    role = HealthRole.SOAK
    of_groups = [
        check for each in chosen if not each.blue_green for check in reading.of_group(each, role)
    ]
    checks = (*of_groups, *reading.of_target(situation.health, role))
    if checks:
        yield CheckHealth(group=group, checks=checks, role=role)


def checks(steps: Sequence[Step]) -> tuple[Check, ...]:
    """Return every check that the steps ask, once each."""
    asked = (check for step in steps for check in _of_step(step))
    return tuple(dict.fromkeys(asked))


def _of_step(step: Step) -> tuple[Check, ...]:
    match step:
        case CheckHealth(checks=own) | SwitchSlot(gate=own):
            return own
        case _:
            return ()


def names_release(step: Step) -> bool:
    """Return whether a step asks for the release itself, so that the plan depends on it."""
    if not isinstance(step, CheckHealth):
        return False
    texts = [each.expect_version for each in step.checks if isinstance(each, HttpCheck)]
    return any(RELEASE in text for text in texts)


def on_health(made: Plan, situation: Situation) -> list[Finding]:
    """Return that there is no gate, which checks are left out, and which values others lack."""
    asked = checks(made.steps)
    gate = [] if asked or not made.work else [_no_gate(situation)]
    return [*_left_out(situation), *gate, *_missing(asked, situation)]


def _no_gate(situation: Situation) -> Finding:
    message = "no health gate: a success will not say that the target is healthy"
    mend = "add health_check to a group or to the target"
    return Finding(severity=Severity.NOTE, topic=Topic.HEALTH, message=message,
                   where=situation.target, mend=mend)  # fmt: skip


def _left_out(situation: Situation) -> Iterator[Finding]:
    """Tell of the checks that a run without their group does not ask."""
    for group in situation.config.groups:
        if group.name in situation.options.skip_groups and group.checks:
            message = "its health checks do not run: a success does not say that it is healthy"
            yield Finding(severity=Severity.WARNING, topic=Topic.HEALTH, message=message,
                          where=group.name, mend="templedb health check")  # fmt: skip


def _missing(asked: Sequence[Check], situation: Situation) -> Iterator[Finding]:
    users: dict[str, list[str]] = {}
    for check in asked:
        for name in wanted(check):
            users.setdefault(name, []).append(check.name)
    for name, names in users.items():
        if name in situation.known.unreadable or situation.known.source(name):
            continue
        who = f"which the health check {' and '.join(names)} needs"
        mend = f"templedb env set {name} --target {situation.target}"
        yield problem(name, f"has no value, {who}", mend, topic=Topic.VARIABLE)
