"""Which steps deploy a group into a slot that serves nobody, and switch traffic to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any  # Any: options of a plan, by name

from templedb_nb.core.health import reading
from templedb_nb.core.health.variables import RELEASE, versioned
from templedb_nb.core.plan.situation import Situation, SlotWish
from templedb_nb.core.slots.filling import check_of, environment
from templedb_nb.model.blue_green import BlueGreen, PromoteMode, Slot
from templedb_nb.model.config import DeployConfig, Group
from templedb_nb.model.health import Check, HealthRole, HttpCheck
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.phase import Phase
from templedb_nb.model.plan import Plan
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.slots import GroupSlots, RouterReading, RouterState, SlotRecord, SlotState
from templedb_nb.model.step import RunCommand, Step
from templedb_nb.model.switch_step import RoutedGroup, SlotUse, SwitchSlot

_FIRST = (SlotState.DIRTY, SlotState.IDLE, SlotState.SWITCHING, SlotState.WARM, SlotState.LIVE)
"""Which slot is taken first, where there are more than two: a failed attempt is tried again in the
same one, so that its plan keeps its content."""


def routed(group: Group) -> RoutedGroup:
    """Return a group with what its router's commands get."""
    assert group.blue_green is not None  # noqa: S101 - the caller asked
    return RoutedGroup(
        group=group.name,
        blue_green=group.blue_green,
        environment=group.env,
        allow_dangerous_env=group.allow_dangerous_env,
        workdir=group.workdir,
    )


def of_group(group: Group, situation: Situation) -> GroupSlots:
    """Return what is known of a group's slots; nothing where nobody has asked."""
    assert group.blue_green is not None  # noqa: S101 - the caller asked
    silent = RouterReading(state=RouterState.SILENT, message="nobody has asked")
    bare = GroupSlots(group=group.name, names=group.blue_green.names, reading=silent, records=())
    return situation.slots.get(group.name, bare)


def serving(now: GroupSlots) -> str:
    """Return the slot that counts as the one that serves: by the router, else by the record."""
    return now.live or now.recorded


def idle(now: GroupSlots) -> str:
    """Return the slot that a deployment takes: one that does not serve, the least needed first."""
    found = [now.record(name) for name in now.names if name != serving(now)]
    return min(found, key=_least_needed).slot


def switched(group: Group, situation: Situation) -> bool:
    """Return whether there is a slot to deploy a group into; a config with faults has none."""
    if group.blue_green is None:
        return False
    now = of_group(group, situation)
    return any(name != serving(now) for name in now.names)


def unslotted(config: DeployConfig) -> frozenset[str]:
    """Return the groups of a config that are deployed without slots."""
    return frozenset(group.name for group in config.groups if group.blue_green is None)


def _least_needed(record: SlotRecord) -> tuple[int, str]:
    return _FIRST.index(record.state), record.since.isoformat() if record.since else ""


def holding(now: GroupSlots, tree: str, config_hash: str) -> str:
    """Return the slot in which that content serves, or served before; empty if there is none."""
    kept = (SlotState.LIVE, SlotState.WARM, SlotState.SWITCHING)
    for each in now.records:
        same = (each.tree, each.config_hash) == (tree, config_hash)
        if same and each.state in kept and each.slot in now.names:
            return each.slot
    return ""


def returning(group: Group, situation: Situation) -> tuple[Step, ...]:
    """Return the steps by which traffic goes back to a slot that still holds the release.

    Nothing where no slot does: then the release is deployed as any other is. The steps are the same
    wherever traffic goes when they are planned: what follows a failure is planned before it.
    """
    back = situation.options.rollback
    if back is None or group.name in back.unslotted:
        return ()
    now = of_group(group, situation)
    slot = holding(now, back.to.tree, back.to.config_hash)
    if not slot:
        return ()
    gate = _checks(group, slot, slot, HealthRole.GATE)
    step = SwitchSlot(routed=routed(group), live="", to=slot, gate=gate, anyhow=True)
    return (step, *_soak(group, slot, slot))


def deployed(group: Group, steps: Sequence[Step], situation: Situation) -> tuple[Step, ...]:
    """Return the steps of a group as they work on its idle slot, with the switch behind them."""
    wanted, now = group.blue_green, of_group(group, situation)
    assert wanted is not None  # noqa: S101 - the caller asked
    live, to = serving(now), idle(now)
    discards = situation.options.discard_old or situation.options.rollback is not None
    use = SlotUse(routed=routed(group), slot=to, live=live, discards=discards)
    gate = _checks(group, to, live, HealthRole.GATE)
    waits = wanted.promote is PromoteMode.MANUAL and situation.options.rollback is None
    switch = SwitchSlot(routed=use.routed, live=live, to=to, gate=gate, waits=waits)
    stops = retire(group, use) if wanted.retire_command else ()
    return (*stops, *on_slot(steps, use), switch, *_soak(group, to, live))


def after_failure(group: Group, hooks: Sequence[Step], situation: Situation) -> tuple[Step, ...]:
    """Return what runs after a failure: traffic goes back first, then come the group's hooks."""
    now = of_group(group, situation)
    live, to = serving(now), idle(now)
    use = SlotUse(routed=routed(group), slot=to, live=live)
    ours = on_slot(hooks, use)
    if (
        live not in now.names
    ):  # nothing had served before, or what the config does not have any more
        return ours
    gate = _as_recorded(_checks(group, live, live, HealthRole.GATE), now.record(live))
    return (SwitchSlot(routed=use.routed, live=to, to=live, gate=gate, back=True), *ours)


def retire(group: Group, use: SlotUse) -> tuple[Step, ...]:
    """Return the step that stops what runs in a slot."""
    wanted = use.routed.blue_green
    step = RunCommand(
        group=group.name,
        phase=Phase.PRE_DEPLOY,
        command=wanted.retire_command,
        environment=_environment(group.env, wanted.slot(use.slot), use.live),
        allow_dangerous_env=group.allow_dangerous_env,
        workdir=group.workdir,
        timeout_s=wanted.hook_timeout_s,
        mutates=True,
        slot=replace(use, retires=True),
    )
    return (step,)


def on_slot(steps: Iterable[Step], use: SlotUse) -> tuple[Step, ...]:
    """Return steps as they work on a slot: its variables, and its addresses in the checks."""
    slot = use.routed.blue_green.slot(use.slot)

    def placed(step: Step) -> Step:
        match step:
            case RunCommand():
                own = _environment(step.environment, slot, use.live)
                writes = use if step.phase is Phase.DEPLOY else None
                return replace(step, environment=own, slot=writes)
            case CheckHealth():
                return replace(step, checks=tuple(check_of(c, slot, use.live) for c in step.checks))
            case _:
                return step

    return tuple(placed(step) for step in steps)


def by_hand(group: Group, slot: str, reason: str, situation: Situation) -> tuple[Step, ...]:
    """Return the switch that a person asks for."""
    now = of_group(group, situation)
    live = now.live if now.live != slot else ""
    gate = _as_recorded(_checks(group, slot, live, HealthRole.GATE), now.record(slot))
    surely = now.reading.state is RouterState.NAMED and not now.reading.pending
    step = SwitchSlot(
        routed=routed(group), live=live, to=slot, gate=gate, reason=reason, anyhow=not surely
    )
    return (step,)


def switches(steps: Iterable[Step]) -> dict[str, str]:
    """Return the slot of each group that serves when a plan begins; part of the plan's base."""
    return {s.group: s.live for s in steps if isinstance(s, SwitchSlot) and not s.back}


def stored_options(plan: Plan) -> dict[str, Any]:
    """Return the options about slots that a stored plan was made with."""
    used = [s.slot for s in plan.steps if isinstance(s, RunCommand) and s.slot is not None]
    found: dict[str, Any] = {}
    if plan.rollback is None and any(each.discards for each in used):
        found["discard_old"] = True
    if plan.run_kind is RunKind.SWITCH:
        found["switch"] = next(
            SlotWish(group=s.group, slot=s.to, reason=s.reason)
            for s in plan.steps
            if isinstance(s, SwitchSlot)
        )
    elif plan.run_kind is RunKind.RETIRE:
        use = used[0]
        found = {"switch": SlotWish(group=use.routed.group, slot=use.slot, reason="", retires=True)}
    return found


def shown(steps: Iterable[Step], situation: Situation) -> tuple[GroupSlots, ...]:
    """Return how the slots stand of each group that the steps are about."""
    names = {step.group for step in steps if about_slots((step,))}
    return tuple(situation.slots[name] for name in sorted(names & set(situation.slots)))


def about_slots(steps: Iterable[Step]) -> bool:
    """Return whether a step works on a slot, or switches traffic."""
    return any(
        isinstance(step, SwitchSlot) or (isinstance(step, RunCommand) and step.slot is not None)
        for step in steps
    )


def _checks(group: Group, name: str, live: str, role: HealthRole) -> tuple[Check, ...]:
    wanted = group.blue_green
    assert wanted is not None  # noqa: S101 - the caller asked
    slot = wanted.slot(name)
    return tuple(check_of(each, slot, live) for each in reading.of_group(group, role))


def _as_recorded(checks: Sequence[Check], record: SlotRecord) -> tuple[Check, ...]:
    """Return checks that expect the release which the slot holds, not the one of the plan.

    Where nobody knows which one it holds, any may answer.
    """

    def expecting(check: Check) -> Check:
        if not isinstance(check, HttpCheck) or RELEASE not in check.expect_version:
            return check
        version = versioned(check.expect_version, record.tree) if record.tree else ""
        return replace(check, expect_version=version)

    return tuple(expecting(each) for each in checks)


def _soak(group: Group, name: str, live: str) -> tuple[CheckHealth, ...]:
    """Return the soak of the slot that serves now: the group's own, and its gates for that long."""
    wanted: BlueGreen | None = group.blue_green
    assert wanted is not None  # noqa: S101 - the caller asked
    checks = list(_checks(group, name, live, HealthRole.SOAK))
    if wanted.soak_s:
        known = {each.name for each in checks}
        for each in _checks(group, name, live, HealthRole.GATE):
            if each.name not in known:
                timing = replace(each.timing, soak_s=wanted.soak_s, initial_delay_s=0)
                checks.append(replace(each, timing=timing))
    if not checks:
        return ()
    return (CheckHealth(group=group.name, checks=tuple(checks), role=HealthRole.SOAK),)


def _environment(
    own: tuple[tuple[str, str], ...], slot: Slot, live: str
) -> tuple[tuple[str, str], ...]:
    return tuple(dict((*own, *environment(slot, live))).items())
