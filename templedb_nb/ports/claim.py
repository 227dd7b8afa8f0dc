"""Who works on a target, as locks and ledgers hear it."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import RunId
from templedb_nb.model.rollback import PendingRollback
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.window import WindowPassed


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who wants to work on a target, and why: what the lock row and the run row say.

    `approved_by` are those whose approvals count.
    """

    run: RunId
    project: str
    target: str
    owner: str
    host: str
    pid: int
    reason: str
    client: str
    version: str
    plan: str
    content_hash: str
    wait_s: float = 10.0
    approved_by: tuple[str, ...] = ()
    repair: bool = False
    """Whether tables of the ledger that are gone may be made again."""
    restores: frozenset[str] = frozenset()
    """The keys of the migrations whose rows the plan itself writes again."""
    kind: RunKind = RunKind.DEPLOY
    parent_run: str = ""
    tree: str = ""
    config_hash: str = ""
    """Of the release and of the config that the plan was made from."""
    pending: PendingRollback | None = None
    """What the ledger keeps of a rollback from its first moment until it has ended well."""
    passed: tuple[WindowPassed, ...] = ()
    """Windows that are closed, and why the run begins nevertheless."""
