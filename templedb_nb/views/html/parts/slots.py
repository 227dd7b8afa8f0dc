"""Slots as a small picture: which one serves, what each holds, what a plan changes.

Words say all of it: without its style sheet the picture is a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from templedb_nb.model.plan import Preview
from templedb_nb.model.slots import GroupSlots, SlotRecord, SlotsReport, SlotState
from templedb_nb.model.step import RunCommand
from templedb_nb.model.switch_step import SwitchSlot
from templedb_nb.views import slots
from templedb_nb.views.html.card import (
    Tone,
    band,
    card,
    code,
    facts,
    marked,
    title,
    toned,
    when,
    with_commands,
)
from templedb_nb.views.html.markup import Child, Html, join, tag

STATES = {
    SlotState.LIVE: (Tone.GOOD, "▶", "serves"),
    SlotState.SWITCHING: (Tone.LOUD, "⇄", "a switch to it was begun"),
    SlotState.WARM: (Tone.PLAIN, "◐", "warm: it served before"),
    SlotState.IDLE: (Tone.QUIET, "○", "idle"),
    SlotState.DIRTY: (Tone.LOUD, "!", "dirty"),
}
"""How each state looks: a symbol for the eye, words for everybody."""


def slots_card(value: SlotsReport) -> Html:
    """Return the slots of all groups of a target as a card."""
    wrong = any(slots.disagrees(each) or each.reading.pending for each in value.groups)
    return card(
        Tone.BAD if wrong else Tone.PLAIN,
        title(f"Slots: {value.slug} on {value.target}"),
        [_group(each, value.target) for each in value.groups],
    )


def _group(value: GroupSlots, target: str) -> Html:
    rows = [("The router says", value.reading.message), ("The record is in", value.kept_in)]
    return join(_traffic(value, target), _picture(value, slots.NOTHING), facts(rows))


def slots_part(value: Preview) -> Html | None:
    """Return the slots that a plan touches, with what it does to each."""
    if not value.draft.slots:
        return None
    return join([_planned(each, value) for each in value.draft.slots])


def _planned(now: GroupSlots, value: Preview) -> Html:
    picture = _picture(now, slots.planned(value, now), _next(value, now.group))
    return join(tag("p", tag("strong", f"{now.group}: "), slots.traffic(now)), picture)


def recorded_part(target: str, found: Sequence[SlotRecord]) -> Html:
    """Return the slots of a target as they are recorded: nobody has asked a router."""
    groups = dict.fromkeys(each.group for each in found)
    return join([_recorded(target, [e for e in found if e.group == group]) for group in groups])


def _recorded(target: str, found: Sequence[SlotRecord]) -> Html:
    how = code(f"%templedb deploy slots --target {target}")
    told = tag("strong", f"{target}, {found[0].group}")
    return join(
        tag("p", told, ": slots by the record; ", how, " asks the router"),
        tag("ul", [_remembered(each) for each in found], class_="tdb-slots", role="list"),
    )


def _remembered(record: SlotRecord) -> Html:
    serves = " tdb-slot-serves" if record.state is SlotState.LIVE else ""
    state = join(" ", marked(*STATES[record.state]))
    looks = f"tdb-slot{serves} tdb-slot-{record.state}"
    return tag("li", tag("strong", record.slot), state, _line(_holds(record)), class_=looks)


def _next(value: Preview, group: str) -> str:
    """Return the slot that a plan sends traffic to, or that it works on."""
    for step in value.plan.steps:
        if isinstance(step, SwitchSlot) and step.group == group and not step.back:
            return step.to
    used = (s.slot for s in value.plan.steps if isinstance(s, RunCommand) and s.group == group)
    return next((use.slot for use in used if use), "")


def _traffic(value: GroupSlots, target: str) -> Html:
    told = join(tag("strong", f"{value.group}: "), slots.traffic(value))
    if not slots.disagrees(value) and not value.reading.pending:
        return tag("p", told)
    how = f"templedb deploy switch SLOT --target {target} --reason WHY"
    what = f"Nothing is deployed until a person says which slot serves: `{how}`"
    return band(Tone.BAD, marked(Tone.BAD, "✗", ""), told, tag("br"), with_commands(what))


def _picture(value: GroupSlots, planned: Mapping[str, str], then: str = "") -> Html:
    boxes = [_box(value, value.record(name), planned.get(name, ""), then) for name in value.names]
    return tag("ul", boxes, class_="tdb-slots", role="list")


def _box(value: GroupSlots, record: SlotRecord, planned: str, then: str) -> Html:
    live = record.slot == value.live
    looks = ["tdb-slot"]
    looks += ["tdb-slot-serves"] if live else []
    looks += ["tdb-slot-then"] if record.slot == then and not live else []
    looks += [f"tdb-slot-{record.state}"]
    said = slots.note(value, record)
    return tag(
        "li",
        tag("strong", record.slot),
        " ",
        _state(value, record),
        _line(_holds(record)),
        _line(toned(Tone.LOUD, said) if said else None),
        _line(join(toned(Tone.GOOD, "⇒ "), tag("strong", planned)) if planned else None),
        class_=" ".join(looks),
    )


def _state(value: GroupSlots, record: SlotRecord) -> Html:
    """Return how a slot stands: by the router where that says something else than the record."""
    live, recorded = record.slot == value.live, record.state is SlotState.LIVE
    if live and value.recorded in {"", record.slot}:
        return marked(*STATES[SlotState.LIVE])
    if live:
        return toned(Tone.BAD, f"▶ serves by the router; the record says {record.state}")
    if recorded:
        return toned(Tone.BAD, "✗ serves by the record, not by the router")
    return marked(*STATES[record.state])


def _holds(record: SlotRecord) -> Child:
    """Return which release and which run are in a slot, and since when it stands as it does."""
    parts: list[Child] = [f"release {record.release}"] if record.release else []
    if record.run:
        parts += [join("run ", code(record.run[:13], record.run))]
    if record.since:
        parts += [join("since ", when(record.since))]
    return [(", " if place else "", each) for place, each in enumerate(parts)] or None


def _line(child: Child) -> Html | None:
    return join(tag("br"), child) if child else None
