"""What follows a run that does not succeed: what the target says, else the config."""

from __future__ import annotations

from templedb_nb.model.config import DeployConfig
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.rollback import AfterFailure, RollbackTrigger
from templedb_nb.model.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRule:
    """What follows a failed run, which ends count as one, and what follows a cancelled run."""

    on_failure: AfterFailure
    rollback_on: tuple[RollbackTrigger, ...]
    cancel_policy: AfterFailure


def failure_rule(target: Target, config: DeployConfig) -> FailureRule:
    """Return the rule that holds on a target."""
    return FailureRule(
        on_failure=target.on_failure or config.on_failure,
        rollback_on=target.rollback_on or config.rollback_on,
        cancel_policy=target.cancel_policy or config.cancel_policy,
    )
