"""What becomes of the records of slots: a table of what happens, and what they say then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.slots import GroupSlots, SlotRecord, SlotState

Records = tuple[SlotRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedContent:
    """What a run puts into a slot."""

    run: str
    release: int
    tree: str
    config_hash: str


def used(now: GroupSlots, slot: str, content: DeployedContent, at: datetime) -> Records:
    """Return that a deployment into a slot begins; nothing where that run has begun it before."""
    record = now.record(slot)
    if record.state is SlotState.DIRTY and record.run == content.run:
        return ()
    return (
        SlotRecord(
            group=now.group,
            slot=slot,
            state=SlotState.DIRTY,
            run=content.run,
            since=at,
            release=content.release,
            tree=content.tree,
            config_hash=content.config_hash,
        ),
    )


def stopped(now: GroupSlots, slot: str, at: datetime) -> Records:
    """Return that nothing runs in a slot any more."""
    return (SlotRecord(group=now.group, slot=slot, state=SlotState.IDLE, since=at),)


def ready(now: GroupSlots, slot: str, at: datetime) -> Records:
    """Return that the gate of a slot has passed."""
    return (replace(now.record(slot), healthy_at=at),)


def begun(now: GroupSlots, slot: str, at: datetime, bad: str = "") -> Records:
    """Return that a switch to a slot begins: whichever of the two answers, serves.

    *bad* is a slot that traffic leaves because it is no good: it is not kept, whatever follows.
    """
    record = now.record(slot)
    to = replace(record, state=SlotState.SWITCHING, since=at, keep_until=None, healthy_at=at)
    if not bad or bad == slot:
        return (to,)
    return (to, replace(_record(now.record(bad), SlotState.DIRTY, at), healthy_at=None))


def done(now: GroupSlots, slot: str, left: str, at: datetime, keep_s: int) -> Records:
    """Return that a slot serves, and that the one it *left* is kept for *keep_s* seconds."""
    serves = _record(now.record(slot), SlotState.LIVE, at)
    known = {each.slot: each.state for each in now.records}
    former = {name for name, state in known.items() if state is SlotState.LIVE}
    # One that somebody else had sent traffic to served nothing of ours: it stays what it was.
    former |= {left} if left and left not in known else set()
    until, before = at + timedelta(seconds=keep_s), sorted(former - {slot})
    return (serves, *(_record(now.record(each), SlotState.WARM, at, until) for each in before))


def returned(now: GroupSlots, slot: str, left: str, at: datetime) -> Records:
    """Return that traffic is back on a slot, and the one that it left was no good."""
    serves = _record(now.record(slot), SlotState.LIVE, at)
    if not left or left == slot:
        return (serves,)
    return (serves, replace(_record(now.record(left), SlotState.DIRTY, at), healthy_at=None))


def settled(now: GroupSlots, at: datetime, keep_s: int) -> Records:
    """Return what the records must say of a switch whose end nobody wrote, by the router's answer.

    Nothing where no switch was begun, or the router names neither of its slots.
    """
    switching = [each for each in now.records if each.state is SlotState.SWITCHING]
    if not switching or not now.live:
        return ()
    if any(each.slot == now.live for each in switching):
        return done(now, now.live, "", at, keep_s)
    serves = next((e.slot for e in now.records if e.state is SlotState.LIVE), "")
    if not serves and now.record(now.live).state is SlotState.DIRTY:
        return _not_back(now, switching, at, keep_s)
    if now.live != serves:
        return ()
    return tuple(_record(each, SlotState.DIRTY, at) for each in switching)


def _not_back(
    now: GroupSlots, switching: Sequence[SlotRecord], at: datetime, keep_s: int
) -> Records:
    """Return that a switch back did not happen: the slot that it was to leave goes on to serve."""
    until = at + timedelta(seconds=keep_s)
    kept = (_record(each, SlotState.WARM, at, until) for each in switching)
    return (_record(now.record(now.live), SlotState.LIVE, at), *kept)


def merged(before: Sequence[SlotRecord], after: Sequence[SlotRecord]) -> Records:
    """Return the records with those that changed in place of the former ones."""
    found = {(each.group, each.slot): each for each in (*before, *after)}
    return tuple(found.values())


def _record(
    record: SlotRecord, state: SlotState, at: datetime, keep: datetime | None = None
) -> SlotRecord:
    since = record.since if record.state is state else at
    return replace(record, state=state, since=since, keep_until=keep)
