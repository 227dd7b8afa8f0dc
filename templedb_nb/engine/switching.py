"""Traffic between slots: who may work on one, the switch itself, and the way back.

The order matters. The intent is recorded before the router is touched; the router's own answers,
several in a row, are what ends a switch; and only then the record says that the new slot serves.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import field, replace

from templedb_nb.core.slots import commands, transitions
from templedb_nb.core.slots.ends import astray, look, overtaken, unfit, waiting
from templedb_nb.core.slots.refusals import refusal
from templedb_nb.core.slots.sentences import says, serves
from templedb_nb.core.slots.transitions import DeployedContent
from templedb_nb.engine.measure import answered
from templedb_nb.engine.step_events import cancelled, how
from templedb_nb.engine.tools import Tools
from templedb_nb.errors import RouterFailed, TempleError
from templedb_nb.failpoints import reach
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Event, OutputWritten, StepFailed, StepFinished, StepWarned
from templedb_nb.model.health import Check, Health, HealthRole, Timing
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.slots import GroupSlots, RouterReading, RouterState, SlotRecord, SlotState
from templedb_nb.model.step import RunCommand
from templedb_nb.model.switch_event import SwitchDone, SwitchIntended
from templedb_nb.model.switch_step import RoutedGroup, SlotUse, SwitchSlot
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.router import Routers
from templedb_nb.ports.run import Emit, StepLog
from templedb_nb.ports.slots import SlotRecords

_BETWEEN_S = 0.1
"""The wait between two questions to a router."""


@dataclass(slots=True)
class Switcher:
    """Switches the traffic of one run; `touched` are the groups whose router it may have told."""

    claim: Claim
    tools: Tools
    emit: Emit
    interrupted: Callable[[KeyboardInterrupt], None]
    touched: set[str] = field(default_factory=set)
    _switches: dict[str, SwitchSlot] = field(default_factory=dict)
    _healthy: dict[tuple[str, str], int] = field(default_factory=dict)
    _locks: ExitStack = field(default_factory=ExitStack)
    _held: set[str] = field(default_factory=set)

    def settle(self, routed: RoutedGroup, to: str = "") -> None:
        """Write down how a switch ended whose run died, as the router says; under the lock.

        One that a step of this plan completes, to the slot *to*, is left to it.
        """
        now, at = self._now(routed), self.tools.clock.now()
        if to and now.live == to:
            return
        found = transitions.settled(now, at, routed.blue_green.keep_old_s)
        if found:
            self._keep(found, "switch.settled", routed, now.live)

    def refused(self, use: SlotUse) -> str:
        """Return why a command may not work on its slot now; else record that it does."""
        self._hold(use.routed)
        now, at = self._now(use.routed), self.tools.clock.now()
        record, told = now.record(use.slot), now.reading
        if now.live != use.live or told.state not in {RouterState.NAMED, RouterState.ABSENT}:
            return f"the plan works on {use.slot} while {serves(use.live)}, but {says(told)}"
        if use.slot in {now.live, told.written}:
            return f"{use.slot} is the slot that the router sends traffic to, or would by a reload"
        kept = record.keep_until is not None and record.keep_until > at
        if record.state is SlotState.SWITCHING:
            return f"a switch to {use.slot} was begun, and its end is not recorded"
        if record.state is SlotState.WARM and kept and not use.discards:
            return f"{use.slot} keeps the previous release until {record.keep_until:%H:%M:%SZ}"
        content = DeployedContent(
            run=self.claim.run,
            release=self.tools.release,
            tree=self.claim.tree,
            config_hash=self.claim.config_hash,
        )
        if found := transitions.used(now, use.slot, content, at):
            self._keep(found, "", use.routed, use.slot)
            reach("slot.used")
        return ""

    def close(self) -> None:
        """Let go of the routers."""
        self._locks.close()

    def _hold(self, routed: RoutedGroup) -> None:
        """Keep other runs away from a router and its slots, until this one has ended.

        A target without a database has no other lock that runs of another state meet.
        """
        if routed.group not in self._held:
            self._locks.enter_context(self.tools.route.held(routed, self.claim.wait_s))
            self._held.add(routed.group)

    def idle(self, use: SlotUse) -> bool:
        """Return whether a command would stop what runs in a slot in which nothing does."""
        if not use.retires:
            return False
        records = self._records.slots(self.claim.project)
        own = (e for e in records if (e.group, e.slot) == (use.routed.group, use.slot))
        return all(each.state is SlotState.IDLE for each in own)

    def worked(self, number: int, use: SlotUse, event: Event) -> Event:
        """Hear how a command on a slot ended; nobody is to have sent traffic there meanwhile."""
        told = self.tools.route.read(use.routed)
        if told.slot == use.slot:
            return overtaken(number, use, event)
        if use.retires and isinstance(event, StepFinished):
            now, at = self._now(use.routed), self.tools.clock.now()
            what = transitions.stopped(now, use.slot, at)
            self._keep(what, "slot.retired", use.routed, use.slot)
        return event

    def measured(self, number: int, step: CheckHealth, event: Event) -> Event:
        """Hear how checks ended: good ones count for the switch, or for who serves behind it."""
        if not isinstance(event, StepFinished):
            return event
        for check in step.checks:
            self._healthy[step.group, _identity(check)] = self.tools.clock.monotonic_ms()
        switch = self._switches.get(step.group)
        if switch is None or step.role is not HealthRole.SOAK:
            return event
        told = self._asked(switch)
        if told.slot == switch.to:
            return event
        self.touched.discard(step.group)
        return astray(number, switch, told)

    def _asked(self, step: SwitchSlot) -> RouterReading:
        """Return whom the router names; asked again where that is not the slot of the step."""
        for _ in range(step.routed.blue_green.confirm):
            told = self.tools.route.read(step.routed)
            if told.slot == step.to:
                break
            self.tools.clock.sleep(_BETWEEN_S)
        return told

    def told(self, step: SwitchSlot) -> str:
        """Return where traffic goes now, as people read it."""
        reading = self.tools.route.read(step.routed)
        return serves(step.to) if reading.slot == step.to else says(reading)

    def run(self, number: int, step: SwitchSlot, attempt_id: str) -> Event:
        """Switch, or say why traffic stays where it is."""
        if self.tools.before(number):
            self.touched.add(step.group)
        self._switches[step.group] = step
        now = self._now(step.routed)
        if step.waits and not self.tools.go.reason_for(step.group) and now.live != step.to:
            at = self.tools.clock.now()
            self._keep(transitions.ready(now, step.to, at), "", step.routed, step.to)
            return waiting(number, step, self.claim.target)
        if why := refusal(step, now):
            return StepFailed(step=number, message=why, changed=False)
        log = self.tools.log(number)
        try:
            event = self._healthy_then_switched(number, step, now, attempt_id, log)
        except KeyboardInterrupt as error:
            self.interrupted(error)
            event = self._cancelled(number, step, now.live)
        finally:
            kept, tail = log.close()
        return replace(event, log=kept, tail=tail)

    def _healthy_then_switched(
        self, number: int, step: SwitchSlot, now: GroupSlots, attempt_id: str, log: StepLog
    ) -> StepFinished | StepFailed | StepWarned:
        self.tools.leave_files()
        if now.live != step.to:
            if (bad := self._gate(number, step)) is not None:
                return bad
            before = commands.undrain(step.routed, step.to, now.live)
            if why := self._cancellable(number, before, attempt_id, log):
                message = f"undrain of {step.to} {why}; traffic stays where it is"
                return StepFailed(step=number, message=message, changed=False)
        stands = now.live == step.to and now.record(step.to).state is SlotState.LIVE
        if not stands or now.reading.pending:
            self._hold(step.routed)
            found = self._switched(number, step, attempt_id, log)
            if isinstance(found, StepFailed):
                return found
        # A run may have died between the switch and its end: then what follows is done again.
        left = now.live if now.live != step.to else step.live
        after = commands.drain(step.routed, left, step.to)
        if why := self._cancellable(number, after, attempt_id, log):
            message = f"traffic goes to {step.to}, but drain of {left} {why}"
            return StepWarned(step=number, message=message)
        return StepFinished(step=number)

    def _cancelled(self, number: int, step: SwitchSlot, before: str) -> StepFailed:
        """Return how a switch ended that somebody cancelled: in undrain or gate, or in drain."""
        told = self.tools.route.read(step.routed)
        if told.slot == before:
            return cancelled(number, f"traffic stays where it is: {serves(before)}")
        what = f"{says(told)}; templedb deploy resume goes on"
        return cancelled(number, what, changed=step.group in self.touched)

    def _switched(
        self, number: int, step: SwitchSlot, attempt_id: str, log: StepLog
    ) -> StepFinished | StepFailed:
        """Switch, while nobody else of ours writes to the router; others are found afterwards."""
        routed, begun_ms = step.routed, self.tools.clock.monotonic_ms()
        now = self._now(routed)
        if why := refusal(step, now):
            return StepFailed(step=number, message=why, changed=False)
        at = self.tools.clock.now()
        found = transitions.begun(now, step.to, at, step.live if step.back else "")
        self._keep(found, "switch.intent", routed, step.to, now.live)
        self.touched.add(step.group)
        reason = step.reason or self.tools.go.reason_for(step.group)
        by = self.claim.owner if reason else ""
        self.emit(
            SwitchIntended(
                step=number, group=step.group, live=now.live, to=step.to, by=by, reason=reason
            )
        )
        reach("switch.intended")
        undo, why = None, ""
        if now.live != step.to or now.reading.pending:
            try:
                undo = self.tools.route.point(routed, step.to)
            except RouterFailed as error:
                return self._stays(number, step, now, error.message, error.hint)
            reach("switch.pointed")
            why = self._ran(number, commands.redirect(routed, now.live, step.to), attempt_id, log)
            reach("switch.redirected")
        answers = 0 if why else self._confirmed(routed, step.to)
        if not answers:
            why = f"the router's command {why}" if why else self._unconfirmed(routed, step.to)
            return self._put_back(number, step, now, why, undo, attempt_id, log)
        took = self.tools.clock.monotonic_ms() - begun_ms
        reach("switch.confirmed")
        self._record_done(step, now)
        self.emit(
            SwitchDone(step=number, group=step.group, to=step.to, answers=answers, took_ms=took)
        )
        reach("switch.done")
        return StepFinished(step=number)

    def _record_done(self, step: SwitchSlot, now: GroupSlots) -> None:
        at, keep_s = self.tools.clock.now(), step.routed.blue_green.keep_old_s
        if step.back:
            found = transitions.returned(now, step.to, step.live, at)
        else:
            found = transitions.done(now, step.to, now.live, at, keep_s)
        self._keep(found, "switch.done", step.routed, step.to, now.live)

    def _put_back(
        self,
        number: int,
        step: SwitchSlot,
        before: GroupSlots,
        why: str,
        undo: Callable[[], bool] | None,
        attempt_id: str,
        log: StepLog,
    ) -> StepFailed:
        """Let traffic stay on the slot that served, and see that it does; or a person must look."""
        ours = undo is None or _undone(undo)
        routed, live = step.routed, before.live
        if ours and live:
            # Whatever it answers now: what was told to go over may do so a moment later.
            self._ran(number, commands.redirect(routed, step.to, live), attempt_id, log)
            if self._confirmed(routed, live) and not self._now(routed).reading.pending:
                return self._stays(number, step, before, why)
        if ours and not live and self.tools.route.read(routed).state is RouterState.ABSENT:
            return self._stays(number, step, before, why)
        told = self.tools.route.read(routed)
        foreign = "" if ours else "; somebody else wrote to the router meanwhile"
        message = f"the switch to {step.to} failed: {why}; {says(told)}{foreign}"
        return StepFailed(step=number, message=message, changed=True, unknown=True, hint=look(step))

    def _stays(
        self, number: int, step: SwitchSlot, before: GroupSlots, why: str, hint: str = ""
    ) -> StepFailed:
        self.touched.discard(step.group)
        at = self.tools.clock.now()
        former = before.record(step.to)
        found = (replace(former, since=at, healthy_at=None),)
        if former.state is SlotState.SWITCHING:
            found = (replace(found[0], state=SlotState.DIRTY),)
        self._keep(found, "switch.failed", step.routed, step.to, before.live)
        message = f"the switch to {step.to} failed: {why}; {serves(before.live)}"
        return StepFailed(step=number, message=message, changed=False, hint=hint)

    def _gate(self, number: int, step: SwitchSlot) -> StepFailed | None:
        """Return why the slot is not healthy enough to serve; asked again where that is too old."""
        clock, within_ms = self.tools.clock, step.routed.blue_green.healthy_within_s * 1000
        for check in step.gate:
            seen = self._healthy.get((step.group, _identity(check)))
            if seen is not None and clock.monotonic_ms() - seen <= within_ms:
                continue
            about = CheckHealth(group=step.group, checks=(check,))
            (answer,) = answered(number, about, self.tools, self.emit)
            if answer.outcome is not Health.HEALTHY:
                return unfit(number, step, answer.outcome, f"{check.name}: {answer.message}")
        return None

    def _confirmed(self, routed: RoutedGroup, slot: str) -> int:
        """Return how often in a row the router named the slot; 0 if it was not often enough."""
        clock, wanted = self.tools.clock, routed.blue_green
        until = clock.monotonic_ms() + wanted.switch_timeout_s * 1000
        row = 0
        while True:
            found = self.tools.route.read(routed)
            named = found.state is RouterState.NAMED and found.slot == slot
            row = row + 1 if named else 0
            if row >= wanted.confirm:
                return row
            if clock.monotonic_ms() >= until:
                return 0
            clock.sleep(_BETWEEN_S)

    def _unconfirmed(self, routed: RoutedGroup, slot: str) -> str:
        told, wanted = self.tools.route.read(routed), routed.blue_green
        times = f"{wanted.confirm} times in a row within {wanted.switch_timeout_s} s"
        return f"the router did not name {slot} {times}, now {says(told)}"

    def _cancellable(
        self, number: int, command: RunCommand | None, attempt_id: str, log: StepLog
    ) -> str:
        with self.tools.interrupts.cancellable():
            return self._ran(number, command, attempt_id, log)

    def _ran(self, number: int, command: RunCommand | None, attempt_id: str, log: StepLog) -> str:
        """Run a command of the switch, if there is one; return how it failed."""
        if command is None:
            return ""

        def hear(text: str) -> None:
            log.write(text)
            self.emit(OutputWritten(step=number, text=text))

        try:
            invocation = self.tools.invocation(command, attempt_id)
            self.tools.leave_files()
            ended = self.tools.shell.run(invocation, hear)
        except TempleError as error:
            return f"was not started: {error.message}"
        return "" if ended.ok else how(ended)

    def _now(self, routed: RoutedGroup) -> GroupSlots:
        return seen(routed, self.tools.route, self._records, self.claim.project)

    @property
    def _records(self) -> SlotRecords:
        found = self.tools.slot_records
        assert found is not None  # noqa: S101 - whoever runs a plan with slots has them
        return found

    def _keep(
        self,
        records: tuple[SlotRecord, ...],
        what: str,
        routed: RoutedGroup,
        slot: str,
        left: str = "",
    ) -> None:
        detail = {"group": routed.group, "slot": slot, "run": self.claim.run}
        if left:
            detail["from"] = left
        self._records.keep_slots(self.claim, records, what, detail)


def seen(routed: RoutedGroup, routers: Routers, records: SlotRecords, project: str) -> GroupSlots:
    """Return what router and record say of a group's slots now."""
    own = tuple(each for each in records.slots(project) if each.group == routed.group)
    reading = routers.read(routed)
    wanted = routed.blue_green
    return GroupSlots(
        group=routed.group,
        names=wanted.names,
        reading=reading,
        records=own,
        retires=bool(wanted.retire_command),
    )


def _undone(undo: Callable[[], bool]) -> bool:
    """Return whether the router's link or file is what it was before."""
    try:
        return undo()
    except RouterFailed:
        return False


def _identity(check: Check) -> str:
    """Return what is asked, whatever the timing."""
    return repr(replace(check, timing=Timing()))
