"""Every key of a config beside its groups."""

from __future__ import annotations

from templedb_nb.core.config.keys.lifecycle import GATES, Stages
from templedb_nb.core.config.keys.pending_alert import AlertAfter
from templedb_nb.core.values.schema import (
    ByteSize,
    Choice,
    Key,
    ListOf,
    PairsOf,
    Text,
)
from templedb_nb.model.artifact import DEFAULT_LIMIT
from templedb_nb.model.config import PendingAlert
from templedb_nb.model.lifecycle import Lifecycle
from templedb_nb.model.rollback import ALL_TRIGGERS, AfterFailure, RollbackTrigger

_NAME = Text(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "may hold only letters, digits, _ . -")
_TEXT = Text()

FAILURE_KEYS = (
    Key(
        "on_failure",
        Choice(AfterFailure),
        "What follows a run that fails: stop, or rollback to the release before.",
        AfterFailure.STOP,
    ),
    Key(
        "rollback_on",
        ListOf(Choice(RollbackTrigger)),
        "With on_failure: rollback, which ends roll back. Default: failure, timeout and health.",
        ALL_TRIGGERS,
    ),
    Key(
        "cancel_policy",
        Choice(AfterFailure),
        "With on_failure: rollback, what follows a run that a person cancels.",
        AfterFailure.STOP,
    ),
)
ARTIFACT_KEYS = (
    Key(
        "artifacts_store",
        _TEXT,
        "Where artifacts are kept: a folder, or a URL of fsspec or oci. Default: beside the state.",
        "",
    ),
    Key(
        "artifacts_limit",
        ByteSize(),
        "So many bytes the artifacts of one group may hold: 500MB, 2GiB. Default: 1GiB.",
        DEFAULT_LIMIT,
    ),
)
PROMOTION_KEYS = (
    Key(
        "lifecycle",
        Stages(),
        "The targets in the order in which a release is promoted: [staging, production]. A list in"
        " the list is several targets; an object names the next targets of each.",
        Lifecycle(),
    ),
    Key(
        "promotion",
        PairsOf(_NAME, GATES),
        "What must be true before a release is promoted to a target, by the target's name.",
        (),
    ),
)
ALERT_KEYS = (
    Key(
        "pending_alert",
        AlertAfter(),
        "A pending migration is reported after it was in the releases for so long: 14d, or off."
        " An object sets it for single targets by name. Default: 14d.",
        PendingAlert(),
    ),
)
TOP_KEYS = (*FAILURE_KEYS, *ARTIFACT_KEYS, *PROMOTION_KEYS, *ALERT_KEYS)
"""Every key of a config beside its groups."""
