"""What a statement would wait for if it ran now."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Blocker


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenWait:
    """A session that is in the way of a lock on `relation`, as it is written, by the lock `held`.

    Without a relation, it only has an old transaction, for which concurrent builds wait. `age_s` is
    how long its transaction has lasted. `wraparound` is an autovacuum that does not give way.
    """

    blocker: Blocker
    age_s: float
    relation: str = ""
    held: str = ""
    wraparound: bool = False
