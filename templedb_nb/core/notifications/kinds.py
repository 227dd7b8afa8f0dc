"""Which kinds of notifications there are: how urgent each is, and whether it is told by default."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID, uuid5

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.notification import NotificationKind as Kind
from templedb_nb.model.notification import Urgency

_NAMESPACE = UUID("6f1d3a0e-5a5b-5c39-9b1e-2f6a7c9d0e41")


@dataclass(frozen=True, slots=True)
class KindFacts:
    """How urgent a kind is, what it means, and whether receivers get it that name no events."""

    urgency: Urgency
    meaning: str
    default: bool = False


def _red(meaning: str) -> KindFacts:
    return KindFacts(Urgency.ERROR, meaning, default=True)


KINDS: Mapping[Kind, KindFacts] = MappingProxyType(
    {
        Kind.PLAN_CREATED: KindFacts(Urgency.INFO, "A plan was made."),
        Kind.PLAN_SUPERSEDED: KindFacts(
            Urgency.INFO, "A plan that waits for approvals was replaced by one of a newer release."
        ),
        Kind.APPROVAL_REQUESTED: KindFacts(
            Urgency.WARNING, "A plan was made that needs approvals.", default=True
        ),
        Kind.APPROVAL_GIVEN: KindFacts(Urgency.INFO, "A person approved a plan."),
        Kind.APPROVAL_REJECTED: KindFacts(Urgency.WARNING, "A person rejected a plan."),
        Kind.APPROVAL_EXPIRED: KindFacts(
            Urgency.WARNING, "An approval expired before a run used it."
        ),
        Kind.RUN_STARTED: KindFacts(Urgency.INFO, "A run began.", default=True),
        Kind.STEP_FAILED: _red("A step of a run failed."),
        Kind.HEALTH_FAILED: _red("A health check failed, or gave no result."),
        Kind.RUN_SUCCEEDED: KindFacts(Urgency.INFO, "A run succeeded.", default=True),
        Kind.RUN_FAILED: _red("A run failed."),
        Kind.RUN_CANCELLED: KindFacts(Urgency.WARNING, "A run was cancelled.", default=True),
        Kind.RUN_TIMED_OUT: _red("A run took too long, and was ended."),
        Kind.RUN_UNKNOWN: _red("The process of a run died, and nothing proves how the run ended."),
        Kind.ROLLBACK_STARTED: KindFacts(Urgency.WARNING, "A rollback began.", default=True),
        Kind.ROLLBACK_SUCCEEDED: KindFacts(
            Urgency.ERROR, "The release before is in place again.", default=True
        ),
        Kind.ROLLBACK_FAILED: _red("A rollback did not succeed; it changed nothing."),
        Kind.TARGET_DEGRADED: KindFacts(
            Urgency.CRITICAL, "A rollback failed halfway: a person must look now.", default=True
        ),
        Kind.SWITCH_INTENDED: KindFacts(Urgency.INFO, "Traffic is about to move to another slot."),
        Kind.SWITCH_DONE: KindFacts(Urgency.WARNING, "Traffic moved to another slot."),
        Kind.WINDOW_OVERRIDDEN: KindFacts(
            Urgency.WARNING, "A person overrode a closed deployment window."
        ),
        Kind.LOCK_STOLEN: KindFacts(Urgency.WARNING, "A person took a lock from a run."),
        Kind.DRIFT_FOUND: KindFacts(
            Urgency.WARNING, "Objects of a database were changed outside of templedb."
        ),
        Kind.FILES_PENDING: KindFacts(
            Urgency.WARNING, "Migration files have waited for longer than `pending_alert`."
        ),
        Kind.TEST: KindFacts(Urgency.INFO, "`notify test` asked for a message."),
    }
)
"""Every kind; a new one needs a line here, and the place that reads it from a record."""

DEFAULT = frozenset(kind for kind, facts in KINDS.items() if facts.default)
"""What receivers get that name no events: requested, begun, ended, and everything red."""


def event_id(record: str, number: int | str, kind: Kind) -> str:
    """Return the id of a fact: whoever finds it, in whichever state, calls it the same."""
    return str(uuid5(_NAMESPACE, f"{record}\0{number}\0{kind}"))
