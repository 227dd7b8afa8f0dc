"""What a ledger said once and says no longer, and whether the database still shows it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from enum import StrEnum

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.ledger import Entry, EntryKind, State


class ObjectPresence(StrEnum):
    """Whether what a migration made is in the database."""

    STANDS = "stands"
    NOTED = "noted"
    GONE = "gone"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A migration of which the ledger lost its row, or has another one than it had.

    `entry` is what the ledger said; `objects` are what tells its `presence`. Where objects do not
    tell, the ledger's history may have noted that the very attempt took effect.
    """

    entry: Entry
    what: str
    presence: ObjectPresence = ObjectPresence.UNKNOWN
    objects: tuple[str, ...] = ()
    edited: bool = False
    """Whether its row is there, and says something else than it did."""

    @property
    def confirmed(self) -> bool:
        """Return whether the database shows that it is in effect."""
        return self.presence in {ObjectPresence.STANDS, ObjectPresence.NOTED}

    @property
    def decisive(self) -> bool:
        """Return whether its objects tell of the database: only what is applied must have any."""
        return self.entry.state is State.APPLIED

    @property
    def recorded(self) -> bool:
        """Return whether somebody said that it is in effect, and no run of ours made its objects.

        That they are not there proves nothing: perhaps they never were.
        """
        return self.entry.kind in {EntryKind.MARKED, EntryKind.IMPORTED}

    def shown(self, presence: ObjectPresence, objects: tuple[str, ...]) -> Lost:
        """Return it with what the database shows."""
        if self.recorded and presence is ObjectPresence.GONE:
            presence = ObjectPresence.UNKNOWN
        return replace(self, presence=presence, objects=objects)

    def __str__(self) -> str:
        """Return it as people read it; what is open has no objects that must be there."""
        if not self.decisive:
            return self.what
        shown = f": {', '.join(self.objects)}" if self.objects else ""
        match self.presence:
            case ObjectPresence.STANDS:
                return f"{self.what}; the objects that it made exist{shown}"
            case ObjectPresence.NOTED:
                return f"{self.what}; the ledger's own history has it as applied"
            case ObjectPresence.GONE:
                return f"{self.what}; the objects that it made are gone{shown}"
            case ObjectPresence.UNKNOWN if self.objects:
                return f"{self.what}; it was recorded without a run, and is not there{shown}"
            case ObjectPresence.UNKNOWN:
                return f"{self.what}; its text does not tell whether it is still in effect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What tells that a database, or its ledger, is not what it was."""

    told: str
    lost: tuple[Lost, ...] = ()

    @property
    def restorable(self) -> bool:
        """Return whether the ledger alone lost something: what it told of still stands.

        Rows of what is not applied do not speak against it: what was open is restored as in doubt.
        """
        return bool(self.lost) and (not self.decisive or confirmed(self.lost))

    @property
    def decisive(self) -> bool:
        """Return whether it has a row whose objects tell of the database."""
        return any(each.decisive for each in self.lost)

    def seen(self, presences: dict[str, tuple[ObjectPresence, tuple[str, ...]]]) -> Suspicion:
        """Return it with what the database shows of each lost migration, by key."""
        told = (
            each.shown(*at)
            for each in self.lost
            for at in [presences.get(each.entry.key, (ObjectPresence.UNKNOWN, ()))]
        )
        return replace(self, lost=tuple(told))

    def noted(self, attempts: Collection[str]) -> Suspicion:
        """Return it with what the ledger's own history says of the *attempts* that took effect."""
        return replace(self, lost=tuple(_noted(each, attempts) for each in self.lost))


def confirmed(lost: Collection[Lost]) -> bool:
    """Return whether the database shows that what was applied is in effect, and nothing is gone."""
    sure = [each for each in lost if each.decisive]
    gone = any(each.presence is ObjectPresence.GONE for each in sure)
    return any(each.confirmed for each in sure) and not gone


def _noted(lost: Lost, attempts: Collection[str]) -> Lost:
    entry = lost.entry
    told = lost.presence is ObjectPresence.UNKNOWN and entry.state is State.APPLIED
    known = told and entry.attempt in attempts
    return replace(lost, presence=ObjectPresence.NOTED) if known else lost
