"""What runs are for."""

from __future__ import annotations

from enum import StrEnum


class RunKind(StrEnum):
    """What a run is for, as its row in a ledger says."""

    DEPLOY = "deploy"
    DOWN = "down"
    AMEND = "amend"
    IMPORT = "import"
    ROLLBACK = "rollback"
    PROMOTE = "promote"
    HEALTH = "health"
    SWITCH = "switch"
    RETIRE = "retire"

    @property
    def deploys(self) -> bool:
        """Return whether such a run decides which release is in place on the target."""
        return self in {RunKind.DEPLOY, RunKind.ROLLBACK, RunKind.PROMOTE, RunKind.SWITCH}
