"""Slots as they are: what the record says of each, and what the router answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Slug
from templedb_nb.model.target import TargetName


class SlotState(StrEnum):
    """What templedb last knew of a slot."""

    LIVE = "live"
    """Traffic goes to it."""
    SWITCHING = "switching"
    """A switch to it was begun, and nobody has written how it ended."""
    WARM = "warm"
    """It served before, and still runs."""
    IDLE = "idle"
    """Nothing of a release runs in it: it was retired or cleaned, or was never used."""
    DIRTY = "dirty"
    """A deployment into it was begun; what is in it never served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRecord:
    """What the record says of one slot: the run that deployed to it last, and its release.

    `tree` and `config_hash` address the content; `since` is when the state began, `keep_until`
    until when no deployment overwrites it, `healthy_at` when its gate passed last.
    """

    group: str
    slot: str
    state: SlotState
    run: str = ""
    since: datetime | None = None
    keep_until: datetime | None = None
    release: int = 0
    tree: str = ""
    config_hash: str = ""
    healthy_at: datetime | None = None


class RouterState(StrEnum):
    """What came of asking a router where traffic goes."""

    NAMED = "named"
    """It named one of the slots."""
    ABSENT = "absent"
    """There is no router yet: the link does not exist."""
    UNKNOWN = "unknown"
    """It answered, and named none of the slots."""
    SILENT = "silent"
    """Nobody could be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterReading:
    """What the router answered, in `message` as people read it, and the slot that it named.

    `written` is the slot that the router's file names, empty where it is none of them or there is
    no such file. The router follows the file only when it is told to.
    """

    state: RouterState
    slot: str = ""
    message: str = ""
    written: str = ""

    @property
    def pending(self) -> str:
        """Return the slot that the router would send traffic to with its next reload."""
        return self.written if self.written != self.slot else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSlots:
    """The slots of one group: what the router says now, and the record of each."""

    group: str
    names: tuple[str, ...]
    reading: RouterReading
    records: tuple[SlotRecord, ...]
    kept: tuple[str, ...] = ()
    """The slots that no deployment overwrites yet."""
    kept_in: str = ""
    """Where the record is: the variable of a database, or the state."""
    retires: bool = False
    """Whether the config says how to stop what runs in a slot."""

    @property
    def live(self) -> str:
        """Return the slot that the router names; empty if it names none."""
        return self.reading.slot

    @property
    def recorded(self) -> str:
        """Return the slot that the record has as the live one; empty if it has none."""
        return recorded_live(self.records, self.live)

    @property
    def shown(self) -> tuple[SlotRecord, ...]:
        """Return the record of each slot, and of those that left the config but hold a release."""
        return (*map(self.record, self.names), *self.unlisted)

    @property
    def unlisted(self) -> tuple[SlotRecord, ...]:
        """Return the slots that the config does not have any more, and in which a release runs."""
        gone = (each for each in self.records if each.slot not in self.names)
        return tuple(each for each in gone if each.state is not SlotState.IDLE)

    def record(self, slot: str) -> SlotRecord:
        """Return the record of a slot; one that never was used is idle."""
        for each in self.records:
            if each.slot == slot:
                return each
        return unused(self.group, slot)


def unused(group: str, slot: str) -> SlotRecord:
    """Return the record of a slot in which nobody has deployed."""
    return SlotRecord(group=group, slot=slot, state=SlotState.IDLE)


def recorded_live(records: Sequence[SlotRecord], answered: str) -> str:
    """Return which slot counts as the live one by the record.

    While a switch was begun, that is whichever of the two slots the router has *answered*.
    """
    begun = [each.slot for each in records if each.state is SlotState.SWITCHING]
    if answered in begun:
        return answered
    return next((each.slot for each in records if each.state is SlotState.LIVE), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsReport:
    """The slots of every group of a project on a target."""

    json_kind: ClassVar[str] = "Slots"

    slug: Slug
    target: TargetName
    groups: tuple[GroupSlots, ...]

    @property
    def rows(self) -> tuple[tuple[GroupSlots, SlotRecord], ...]:
        """Return each slot's record, beside the group that it is of."""
        return tuple((now, record) for now in self.groups for record in now.shown)
