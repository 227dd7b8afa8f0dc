"""What a statement would wait for if it ran now."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.effect import LockMode
from templedb_nb.model.event import Blocker


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLock:
    """A lock that migration `file` takes on `relation`; where it is `deep`, on its partitions.

    One that is `awaited` is not taken: a concurrent statement waits for those whom it excludes.
    """

    file: str
    relation: str
    lock: LockMode
    deep: bool = False
    awaited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenWait:
    """A session in the way of a lock on `relation`, by the lock `held`, maybe not `granted` yet.

    `wanted` is that lock; of its relation, `relation` may be a partition. Without one, the session
    only has an old transaction, for which concurrent statements wait.
    A prepared transaction, by its name `prepared`, has no session.
    `age_s` is how long its transaction has lasted. `wraparound` is an autovacuum that does not give
    way.
    """

    blocker: Blocker
    age_s: float
    wanted: WantedLock | None = None
    relation: str = ""
    held: str = ""
    granted: bool = True
    prepared: str = ""
    wraparound: bool = False
