"""What a ledger said once and says no longer, and whether the database still shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from templedb_nb.model.ledger import Entry, State


class ObjectPresence(StrEnum):
    """Whether what a migration made is in the database."""

    STANDS = "stands"
    GONE = "gone"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A migration of which the ledger lost its row, or has another one than it had.

    `entry` is what the ledger said; `objects` are what tells its `presence`.
    """

    entry: Entry
    what: str
    presence: ObjectPresence = ObjectPresence.UNKNOWN
    objects: tuple[str, ...] = ()

    @property
    def doubtful(self) -> bool:
        """Return whether nobody saw how its last attempt ended."""
        return self.entry.state in {State.IN_DOUBT, State.RUNNING}

    def __str__(self) -> str:
        """Return it as people read it."""
        shown = f": {', '.join(self.objects)}" if self.objects else ""
        match self.presence:
            case ObjectPresence.STANDS:
                return f"{self.what}; what it made stands{shown}"
            case ObjectPresence.GONE:
                return f"{self.what}; what it made is gone{shown}"
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

        A row that is in doubt does not speak against it: it is restored as in doubt.
        """
        sure = {each.presence for each in self.lost if not each.doubtful}
        if not sure:
            return bool(self.lost)
        return ObjectPresence.STANDS in sure and ObjectPresence.GONE not in sure

    def seen(self, presences: dict[str, tuple[ObjectPresence, tuple[str, ...]]]) -> Suspicion:
        """Return it with what the database shows of each lost migration, by key."""
        told = (
            replace(each, presence=at[0], objects=at[1])
            for each in self.lost
            for at in [presences.get(each.entry.key, (ObjectPresence.UNKNOWN, ()))]
        )
        return replace(self, lost=tuple(told))
