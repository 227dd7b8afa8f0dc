"""Slots as people ask for them: where traffic goes, sending it elsewhere, stopping a slot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any  # Any: the options of a case, by name

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.app.deploy.deployments import Deployments
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.runs import RunOptions, Runs
from templedb_nb.app.deploy.selections import Selections
from templedb_nb.app.project.variables import NOTHING_GIVEN, GivenValues
from templedb_nb.app.slots.observer import SlotObserver, by_group
from templedb_nb.core.config import groups
from templedb_nb.core.plan.situation import PlanOptions, SlotWish
from templedb_nb.core.secrets.url_passwords import typed, without_url_passwords
from templedb_nb.core.values.schema import nearest
from templedb_nb.errors import Ambiguous, ConfigError, UnknownName, UsageProblem
from templedb_nb.model.config import Group
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome, RunId
from templedb_nb.model.finding import errors
from templedb_nb.model.history import Filter
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.selection import Selection
from templedb_nb.model.slots import GroupSlots, SlotRecord, SlotsReport, SlotState
from templedb_nb.model.switch_step import GoAhead
from templedb_nb.ports.records import RecordStore

_GONE = {SlotState.WARM: "--retire", SlotState.DIRTY: "--clean"}
"""Which states of a slot each option stops."""
_RECENT = 50
"""How many runs are looked through for one that waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """Use cases around the slots of groups."""

    selections: Selections
    plans: Plans
    runs: Runs
    deployments: Deployments
    observer: SlotObserver
    records: RecordStore

    def report(self, choice: Selection, given: GivenValues = NOTHING_GIVEN) -> SlotsReport:
        """Return what routers and records say now; nothing is changed."""
        with self._opened(choice, given) as opened:
            return self._report(opened)

    def plan(
        self,
        choice: Selection,
        slot: str,
        reason: str,
        *,
        group: str | None = None,
        given: GivenValues = NOTHING_GIVEN,
    ) -> Preview:
        """Return what a switch by hand would do; the plan is kept, to be approved and run."""
        with self._opened(choice, given) as opened:
            seen = self._seen(opened)
            own = _group(opened, group, slot)
        wished = SlotWish(group=own.name, slot=slot, reason=without_url_passwords(reason))
        return self._planned(choice, wished, seen[own.name], given)

    def switch(
        self,
        choice: Selection,
        slot: str,
        wish: RunOptions,
        reason: str,
        *,
        group: str | None = None,
        given: GivenValues = NOTHING_GIVEN,
        bundle: Path | None = None,
    ) -> Result:
        """Send traffic to a slot: go on with the run that waits for it, or switch by hand.

        *bundle* is the one that the run carried out which waits, if it did.
        """
        self.runs.reconcile(anew=True)
        if waiting := self._waiting(choice, slot, group):
            run, own = waiting
            clean = without_url_passwords(reason)  # it is recorded for good
            how = replace(wish, go=GoAhead(group=own, reason=clean))
            return self.deployments.resume(choice, run, how, given, bundle)
        if bundle is not None:
            message = f"no run waits here for a switch to {typed(slot)}"
            raise UsageProblem(message, hint="without --plan, traffic is switched by hand")
        made = self.plan(choice, slot, reason, group=group, given=given)
        return self.deployments.run_plan(made.plan.id, replace(wish, reason="deploy switch"), given)

    def stop(
        self,
        choice: Selection,
        wish: RunOptions,
        state: SlotState,
        *,
        slot: str | None = None,
        group: str | None = None,
        discard: bool = False,
        given: GivenValues = NOTHING_GIVEN,
    ) -> SlotsReport | Result:
        """Stop what runs in slots that serve nobody and are in that state; say how all stand then.

        A slot that is kept is stopped only with *discard*. The result of a run that failed comes in
        place of the report.
        """
        self.runs.reconcile(anew=True)
        with self._opened(choice, given) as opened:
            seen = self._seen(opened)
            wanted = list(_stoppable(opened, seen, state, slot, group, discard=discard))
        for now, name in wanted:
            reason = _GONE[state].removeprefix("--")
            wished = SlotWish(group=now.group, slot=name, reason=reason, retires=True)
            made = self._planned(choice, wished, now, given)
            result = self.deployments.run_plan(made.plan.id, replace(wish, reason=reason), given)
            if result.outcome is not Outcome.SUCCEEDED:
                return result
        return self.report(choice, given)

    def _planned(
        self, choice: Selection, wish: SlotWish, now: GroupSlots, given: GivenValues
    ) -> Preview:
        """Plan by the release that the slot holds, where it is known here: its config fits it.

        If that config lacks the slot that serves, nobody could ask the router by it: then today's.
        """
        how: dict[str, Any] = {}
        if number := now.record(wish.slot).release:
            how = {"release": number}
        try:
            with self._opened(choice, given, **how) as opened:
                _refuse_other_release(opened, now.record(wish.slot))
                _refuse_other_slots(opened, now)
                return self.plans.preview(opened, PlanOptions(switch=wish))
        except UnknownName:
            with self._opened(choice, given) as opened:
                return self.plans.preview(opened, PlanOptions(switch=wish))

    @contextmanager
    def _opened(self, choice: Selection, given: GivenValues, **how: Any) -> Iterator[OpenTarget]:
        named: dict[str, Any] = {"sync": False, "given": given, **how}
        with self.selections.opened(choice, **named) as opened:
            yield opened

    def _report(self, opened: OpenTarget) -> SlotsReport:
        case = opened.case
        seen = self._seen(opened)
        if not seen:
            message = f"{case.project.slug} has no group that is switched between slots"
            hint = "add blue_green to a group: docs/howto/blue-green.md"
            raise ConfigError(message, hint=hint)
        return SlotsReport(slug=case.project.slug, target=case.target.name, groups=by_group(seen))

    def _seen(self, opened: OpenTarget) -> dict[str, GroupSlots]:
        """Return what is known of all slots; raise where the config is wrong about them."""
        found, config = self.observer.seen(opened), opened.case.current.config
        if not found and any(group.blue_green for group in config.groups):
            faults = errors(groups.check(config))
            wrong = [str(each) for each in faults if "blue_green" in each.where]
            raise ConfigError("the config is wrong about its slots", problems=wrong)
        return found

    def _waiting(self, choice: Selection, slot: str, group: str | None) -> tuple[str, str] | None:
        """Return the last run that worked on slots, and the group whose switch it waits for.

        Runs since then that only wrote to the ledger do not count: `migration mark-applied`.
        """
        project, target = self.selections.named(choice)
        name = target.name if target else None
        rows = self.records.runs(project.slug, name, Filter(last=_RECENT))
        last = next((row for row in rows if _on_slots(row.run_kind)), None)
        if last is None or last.outcome is not Outcome.FAILED:
            return None
        result = Result.of(self.records.events(RunId(last.run)))
        failure = result.failure
        if failure is None or not failure.waits:
            return None
        label = result.steps[failure.step].label
        mine = label.key == slot and group in {None, label.group}
        return (result.run, label.group) if mine else None


def _on_slots(kind: RunKind | None) -> bool:
    return kind is None or kind.deploys or kind is RunKind.RETIRE


def _refuse_other_release(opened: OpenTarget, record: SlotRecord) -> None:
    """Raise where the release of that number is not the one in the slot: another state has it."""
    if record.release and opened.case.release.tree != record.tree:
        raise UnknownName("the release of that number is another one here")


def _refuse_other_slots(opened: OpenTarget, now: GroupSlots) -> None:
    """Raise where the release's config does not have the slot that serves."""
    own = opened.case.current.config.group(now.group)
    if now.live and not (own and own.blue_green and now.live in own.blue_green.names):
        raise UnknownName("the slot that serves came with a later release")


def _group(opened: OpenTarget, named: str | None, slot: str) -> Group:
    """Return the one group that has the slot, or that is named."""
    slug = opened.case.project.slug
    every = [group for group in opened.case.current.config.groups if group.blue_green]
    names = [group.name for group in every]
    if not every:
        raise ConfigError(f"{slug} has no group that is switched between slots")
    if named is not None and named not in names:
        message = f"{slug} has no group {typed(named)!r} with slots{nearest(named, names)}"
        raise UnknownName(message, hint="templedb deploy slots")
    own = [
        group
        for group in every
        if named in {None, group.name} and group.blue_green and slot in group.blue_green.names
    ]
    if not own:
        known = sorted({each for g in every if g.blue_green for each in g.blue_green.names})
        if not known:
            hint = f"templedb deploy plan {slug} shows what is wrong with the config"
            raise ConfigError(f"the config of {slug} names no slots", hint=hint)
        message = f"there is no slot {typed(slot)!r}{nearest(slot, known)}"
        raise UnknownName(message, hint=f"the slots are {', '.join(known)}")
    if len(own) > 1:
        message = f"several groups have a slot {slot}: {', '.join(g.name for g in own)}"
        raise Ambiguous(message, hint=f"name one: --group {own[0].name}")
    return own[0]


def _stoppable(
    opened: OpenTarget,
    seen: dict[str, GroupSlots],
    state: SlotState,
    slot: str | None,
    group: str | None,
    *,
    discard: bool,
) -> Iterator[tuple[GroupSlots, str]]:
    """Yield the slots to stop; raise where one of them may not be, or there is none."""
    if slot is not None:
        _group(opened, group, slot)
    found = False
    for now in by_group(seen):
        if group not in {None, now.group}:
            continue
        for name in now.names:
            record = now.record(name)
            if slot not in {None, name} or name == now.live or record.state is not state:
                continue
            if name in now.kept and not discard:
                until = f"{record.keep_until:%Y-%m-%d %H:%M:%SZ}"
                message = f"{name} of {now.group} keeps the previous release until {until}"
                raise UsageProblem(message, hint="--discard-old stops it all the same")
            _refuse_without_command(opened, now.group)
            found = True
            yield now, name
    if not found:
        where = f"slot {slot}" if slot else "no slot"
        is_not = "is not" if slot else "is"
        message = f"{where} {is_not} {state}: there is nothing for {_GONE[state]} to stop"
        raise UsageProblem(message, hint="templedb deploy slots shows the state of each slot")


def _refuse_without_command(opened: OpenTarget, group: str) -> None:
    own = opened.case.current.config.group(group)
    if own is None or own.blue_green is None or not own.blue_green.retire_command:
        message = f"group {group} has no retire_command: nobody knows how to stop what runs there"
        raise ConfigError(message, hint="set blue_green.retire_command in the config")
