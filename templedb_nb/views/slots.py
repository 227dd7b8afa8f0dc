"""Slots in words: which one serves, what each holds, what a plan changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from templedb_nb.model.health_step import span
from templedb_nb.model.plan import Preview
from templedb_nb.model.slots import GroupSlots, RouterReading, RouterState, SlotRecord, SlotState
from templedb_nb.model.step import RunCommand
from templedb_nb.model.switch_step import SwitchSlot
from templedb_nb.views.format import moment, shown

SERVES = "→"
COLUMNS = ("", "slot", "state", "release", "run", "since", "note")
NOTHING: Mapping[str, str] = {}


def rows(value: GroupSlots, planned: Mapping[str, str] = NOTHING) -> list[list[str]]:
    """Return a line for each slot: a mark at the one that serves, and what is recorded of it.

    Slots that left the config while a release runs there stand last. *planned* is what a plan does
    with each.
    """
    return [_row(value, record, planned.get(record.slot, "")) for record in value.shown]


def _row(value: GroupSlots, record: SlotRecord, planned: str) -> list[str]:
    mark = SERVES if record.slot == value.live else ""
    since = moment(record.since) if record.since else ""
    release = str(record.release) if record.release else ""
    said = "; ".join(each for each in (note(value, record), planned) if each)
    return [mark, shown(record.slot), state(value, record), release, record.run[:13], since, said]


def state(value: GroupSlots, record: SlotRecord) -> str:
    """Return how a slot stands: by the router where that says more than the record."""
    if record.slot == value.live and not value.recorded:
        return SlotState.LIVE.value
    return record.state.value


def note(value: GroupSlots, record: SlotRecord) -> str:
    """Return what one must know of a slot beside its state; nothing where that says it all."""
    if record.slot not in value.names:
        return "not in the config any more"
    if record.slot == value.reading.pending:
        return "the router's file names it: a reload would switch"
    if record.slot in value.kept and record.keep_until:
        return f"kept until {moment(record.keep_until)}"
    if record.state is SlotState.DIRTY and record.healthy_at:
        return f"its gate passed at {moment(record.healthy_at)}; nobody switched"
    if record.state is SlotState.DIRTY:
        return "a deployment into it did not succeed"
    return ""


def disagrees(value: GroupSlots) -> bool:
    """Return whether router and record name different slots, or the router names none of them."""
    if value.reading.state in {RouterState.UNKNOWN, RouterState.SILENT}:
        return True
    return bool(value.recorded) and value.live != value.recorded


def traffic(value: GroupSlots) -> str:
    """Return where traffic goes, and whether the record agrees."""
    told = answered(value.reading)
    if value.recorded and value.live != value.recorded:
        return f"{told}; the record says that {shown(value.recorded)} serves"
    if value.reading.pending:
        return f"{told}; the router's file names {shown(value.reading.pending)}"
    return told


def answered(reading: RouterReading) -> str:
    """Return what a router answered."""
    match reading.state:
        case RouterState.NAMED:
            return f"traffic goes to {shown(reading.slot)}"
        case RouterState.ABSENT:
            return "traffic goes nowhere yet"
        case RouterState.UNKNOWN:
            return f"the router names none of the slots: {shown(reading.message)}"
        case RouterState.SILENT:
            return f"the router does not answer: {shown(reading.message)}"


def planned(value: Preview, now: GroupSlots) -> Mapping[str, str]:
    """Return what a plan does with each slot of a group that it touches."""
    group = now.group
    told: dict[str, list[str]] = {}
    for step in value.plan.steps:
        match step:
            case RunCommand(slot=use) if use is not None and use.routed.group == group:
                release = f"release {value.release}" if value.release else "the release"
                what = "what runs here is stopped" if use.retires else f"gets {release}"
                if not (use.retires and now.record(use.slot).state is SlotState.IDLE):
                    told.setdefault(use.slot, []).append(what)
            case SwitchSlot(back=False) if step.group == group:
                told.setdefault(step.to, []).append(_goes(step))
                left = step.live or now.live  # a way back may begin wherever traffic goes
                if left and left != step.to:
                    told.setdefault(left, []).append(_stays(step))
            case _:
                pass
    return {slot: ", ".join(dict.fromkeys(each)) for slot, each in told.items()}


def _goes(step: SwitchSlot) -> str:
    go = "once a person says go, " if step.waits else ""
    return f"{go}traffic goes to it"


def _stays(step: SwitchSlot) -> str:
    keep_s = step.routed.blue_green.keep_old_s
    return f"traffic leaves it{f', then it is kept for {span(keep_s)}' if keep_s else ''}"


def recorded(found: Sequence[SlotRecord]) -> str:
    """Return what is recorded of slots, in a few words: ``web: blue live, green warm``."""
    groups = {
        each.group: [f"{o.slot} {o.state}" for o in found if o.group == each.group]
        for each in found
    }
    return "; ".join(f"{shown(group)}: {shown(', '.join(own))}" for group, own in groups.items())


def proof(step: SwitchSlot) -> str:
    """Return what proves a switch, and who lets it happen."""
    wanted = step.routed.blue_green
    answers = "1 answer" if wanted.confirm == 1 else f"{wanted.confirm} answers in a row"
    told = f"{answers} within {span(wanted.switch_timeout_s)}"
    return f"{told}; a person must approve the switch" if step.waits else told
