"""What a ledger keeps of a person's decision on the health of a target."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome, RunId
from templedb_nb.model.health import Health


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedHealth:
    """What is recorded of a decision in the target's ledger."""

    run: RunId
    health: Health
    by: str
    reason: str
    outcome: Outcome
    exit_code: int
    message: str
