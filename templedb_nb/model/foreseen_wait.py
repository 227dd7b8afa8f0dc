"""What a statement would wait for if it ran now."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.effect import LockMode
from templedb_nb.model.event import Blocker


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLock:
    """A lock that migration `file` takes on `relation`; where it is `deep`, on its partitions."""

    file: str
    relation: str
    lock: LockMode
    deep: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenWait:
    """A session that is in the way of a lock on `relation`, by the lock `held`.

    `wanted` is that lock; of its relation, `relation` may be a partition. Without one, the session
    only has an old transaction, for which concurrent statements wait.
    `age_s` is how long its transaction has lasted. `wraparound` is an autovacuum that does not give
    way.
    """

    blocker: Blocker
    age_s: float
    wanted: WantedLock | None = None
    relation: str = ""
    held: str = ""
    wraparound: bool = False
