"""What router and record say of the slots of a target, before a plan and under the lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import replace
from typing import Any  # Any: what some runs need beside the rest

from templedb_nb.app.deploy.case import DeployContext, OpenTarget
from templedb_nb.app.deploy.connections import Sessions
from templedb_nb.app.environment import Environment
from templedb_nb.app.health.surroundings import HealthSurroundings
from templedb_nb.app.slots.routers import routers_of
from templedb_nb.core.config import groups
from templedb_nb.core.plan.slots.steps import about_slots, routed
from templedb_nb.core.run import recovery
from templedb_nb.core.slots import transitions
from templedb_nb.engine.switching import seen
from templedb_nb.errors import Stale
from templedb_nb.model.command import Invocation
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import errors
from templedb_nb.model.health import CommandCheck
from templedb_nb.model.plan import Plan
from templedb_nb.model.result import Result
from templedb_nb.model.slots import GroupSlots, RouterState, SlotRecord, SlotState, unused
from templedb_nb.model.step import RunCommand, Step
from templedb_nb.model.switch_step import RoutedGroup, SwitchSlot
from templedb_nb.model.target import DATABASE_URL, TargetName
from templedb_nb.ports.router import Routers
from templedb_nb.ports.slots import SlotRecords

_AGAIN_S = 0.2
"""The wait between two questions to a router that may still be about to switch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotObserver:
    """Asks routers, and reads records: of the target's first database, else of the state."""

    surroundings: HealthSurroundings
    without_database: Callable[[TargetName], SlotRecords]
    system: Environment

    def records(self, opened: OpenTarget) -> SlotRecords:
        """Return what keeps the records of a target's slots."""
        return self._records(opened.case, opened.sessions)

    def _records(self, case: DeployContext, sessions: Sessions) -> SlotRecords:
        own = sessions.get(DATABASE_URL) or next(iter(sessions.values()), None)
        return own or self.without_database(case.target.name)

    def recorded(self, case: DeployContext, sessions: Sessions) -> tuple[SlotRecord, ...]:
        """Return what is recorded of each slot of a target's groups; no router is asked."""
        own = [(group, group.blue_green) for group in case.current.config.groups]
        names = [(group.name, slot) for group, wanted in own if wanted for slot in wanted.names]
        if not names:
            return ()
        known = self._records(case, sessions).slots(case.project.known_as)
        found = {(each.group, each.slot): each for each in known}
        return tuple(found.get(name) or unused(*name) for name in names)

    def kept_in(self, opened: OpenTarget) -> str:
        """Return where the records are, as people read it."""
        if not opened.sessions:
            return "the state"
        here = DATABASE_URL if DATABASE_URL in opened.sessions else next(iter(opened.sessions))
        return f"the ledger of {here}"

    def routers(
        self,
        opened: OpenTarget,
        held: ExitStack,
        invocation: Callable[[CommandCheck], Invocation] | None = None,
    ) -> Routers:
        """Return the routers of a target; *invocation* starts their commands as a run does."""
        case = opened.case
        return routers_of(self.surroundings, case, case.release.tree, held, invocation)

    def tools(
        self,
        opened: OpenTarget,
        steps: Sequence[Step],
        held: ExitStack,
        invocation: Callable[[CommandCheck], Invocation],
    ) -> dict[str, Any]:
        """Return what a run needs to work on slots, and nothing where its plan has none."""
        if not about_slots(steps):
            return {}
        routers = self.routers(opened, held, invocation)
        return {"routers": routers, "slot_records": self.records(opened)}

    def seen(self, opened: OpenTarget) -> dict[str, GroupSlots]:
        """Return what is known of each group that has slots, as it is at this moment.

        A switch whose end nobody wrote counts as the router says; where that still names the former
        slot, it is asked several times: it may be about to switch.
        """
        config = opened.case.current.config
        own = [group for group in config.groups if group.blue_green]
        if not own or any("blue_green" in e.where for e in errors(groups.check(config))):
            return {}
        with ExitStack() as held:
            routers = self.routers(opened, held)
            return {group.name: self._of(routed(group), routers, opened) for group in own}

    def _of(self, about: RoutedGroup, routers: Routers, opened: OpenTarget) -> GroupSlots:
        project, clock = opened.case.project.known_as, self.system.clock
        found = seen(about, routers, self.records(opened), project)
        begun = [each.slot for each in found.records if each.state is SlotState.SWITCHING]
        if begun and found.live not in begun:
            for _ in range(about.blue_green.confirm):
                clock.sleep(_AGAIN_S)
                found = replace(found, reading=routers.read(about))
                if found.live in begun:
                    break
        now = clock.now()
        settled = transitions.settled(found, now, about.blue_green.keep_old_s)
        records = transitions.merged(found.records, settled)
        kept = tuple(
            each.slot
            for each in records
            if each.state is SlotState.WARM and each.keep_until and each.keep_until > now
        )
        return replace(found, records=records, kept=kept, kept_in=self.kept_in(opened))

    def active(self, opened: OpenTarget, plan: Plan, result: Result) -> str | None:
        """Return which slot answers through the router of the switch in which a run stopped.

        Empty where it names none; None where nobody can say. The former slot is believed only after
        several answers: the router may be about to switch.
        """
        number = recovery.switching(result)
        step = plan.steps[number] if number is not None else None
        if not isinstance(step, SwitchSlot):
            return None
        with ExitStack() as held:
            routers = self.routers(opened, held)
            for again in range(step.routed.blue_green.confirm):
                if again:
                    self.system.clock.sleep(_AGAIN_S)
                told = routers.read(step.routed)
                if told.slot == step.to:
                    break
        return None if told.state is RouterState.SILENT else told.slot

    def refuse_moved(self, opened: OpenTarget, plan: Plan, done: AbstractSet[int]) -> None:
        """Raise if traffic goes elsewhere than it went when the plan was made; under the lock.

        It may go to the new slot, too, where nothing is left that writes there: *done* are the
        steps that the run had done which is resumed.
        """
        switches = [s for s in plan.steps if isinstance(s, SwitchSlot) and not s.back]
        if not switches:
            return
        left = (step for number, step in enumerate(plan.steps) if number not in done)
        written = {s.group for s in left if isinstance(s, RunCommand) and s.slot}
        with ExitStack() as held:
            routers = self.routers(opened, held)
            for step in switches:
                told = routers.read(step.routed)
                over = told.slot == step.to and step.group not in written
                if step.anyhow or told.slot == step.live or over:
                    continue
                says = f"the router names {told.slot}" if told.slot else told.message
                message = f"{step.group}: the plan was made while {step.live or 'no slot'} served"
                look = f"templedb deploy slots --target {plan.target}"
                hint = f"{look}, then plan again"
                if told.state is RouterState.ABSENT:
                    says = "there is no router any more"
                elif told.state is not RouterState.NAMED:
                    switch = f"templedb deploy switch SLOT --target {plan.target} --reason WHY"
                    hint = f"{look} asks again; {switch} sends traffic to a slot; then plan again"
                raise Stale(f"{message}, and now {says}", hint=hint)


def by_group(found: Mapping[str, GroupSlots]) -> tuple[GroupSlots, ...]:
    """Return the slots of all groups, in the order of the groups' names."""
    return tuple(found[name] for name in sorted(found))
