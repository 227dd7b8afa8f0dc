"""What plans and people's words on them tell."""

from __future__ import annotations

from collections.abc import Iterator

from templedb_nb.core.notifications.kinds import KINDS, event_id
from templedb_nb.model.approval import Verdict
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.notification import Notification
from templedb_nb.model.notification import NotificationKind as Kind
from templedb_nb.model.notified_record import ApprovalRecord, PlanRecord, SupersededPlan
from templedb_nb.model.serialization import digest, short

KINDS_OF_PLANS = frozenset({Kind.PLAN_CREATED, Kind.APPROVAL_REQUESTED, Kind.DRIFT_FOUND})
KINDS_OF_WORDS = frozenset({Kind.APPROVAL_GIVEN, Kind.APPROVAL_REJECTED})


def of_plan(record: PlanRecord) -> Iterator[Notification]:
    """Yield what a plan tells that was just made."""
    yield _of_plan(record, Kind.PLAN_CREATED, "has a new plan", _facts(record))
    if record.missing:
        told = f"it needs {record.wants or f'{record.needed} approvals'}"
        ask = f"templedb approve {short(record.plan)} --reason WHY"
        yield _of_plan(
            record, Kind.APPROVAL_REQUESTED, "waits for approval", _facts(record), told, ask
        )
    if drift := [each for each in record.findings if _drifted(each)]:
        yield drift_found(record.slug, record.target, drift, record)


def drift_found(slug: str, target: str, found: list[Finding], record: PlanRecord) -> Notification:
    """Return that a plan found objects that no run changed; the same ones are told once."""
    lines = sorted(f"{each.where}: {each.message}" for each in found)
    kind = Kind.DRIFT_FOUND
    return Notification(
        id=event_id(f"{slug}/{target}", digest(lines), kind),
        kind=kind,
        urgency=KINDS[kind].urgency,
        at=record.made_at,
        record=f"plan:{record.plan}",
        stream=record.plan,
        place=9,
        what="was changed outside of templedb",
        project=slug,
        target=target,
        plan=record.plan,
        message="\n".join(lines),
        command=f"templedb drift check {slug} --target {target}",
    )


def _drifted(found: Finding) -> bool:
    return found.topic is Topic.DRIFT and found.severity is not Severity.NOTE


def _facts(record: PlanRecord) -> tuple[tuple[str, str], ...]:
    return (
        ("plan", short(record.plan)),
        ("release", str(record.release)),
        ("planned by", record.made_by),
        ("steps", str(record.steps)),
    )


def _of_plan(
    record: PlanRecord,
    kind: Kind,
    what: str,
    facts: tuple[tuple[str, str], ...],
    message: str = "",
    command: str = "",
) -> Notification:
    return Notification(
        id=event_id(record.plan, 0, kind),
        kind=kind,
        urgency=KINDS[kind].urgency,
        at=record.made_at,
        record=f"plan:{record.plan}",
        stream=record.plan,
        place=0 if kind is Kind.PLAN_CREATED else 1,
        what=what,
        project=record.slug,
        target=record.target,
        plan=record.plan,
        thread=record.content_hash,
        message=message,
        facts=facts,
        command=command,
    )


def of_approval(record: ApprovalRecord) -> Notification:
    """Return what a person said of a plan, or that it is no longer valid."""
    said = record.approval
    if record.expired_at:
        kind, what = Kind.APPROVAL_EXPIRED, f"lost an approval: that of {said.given_by} expired"
    elif said.verdict is Verdict.APPROVED:
        kind, what = Kind.APPROVAL_GIVEN, f"was approved by {said.given_by}"
    else:
        kind, what = Kind.APPROVAL_REJECTED, f"was rejected by {said.given_by}"
    return Notification(
        id=event_id(said.id, 0, kind),
        kind=kind,
        urgency=KINDS[kind].urgency,
        at=record.expired_at or said.given_at,
        record=f"{'expiry' if record.expired_at else 'approval'}:{said.id}",
        stream=said.plan,
        place=3 if record.expired_at else 2,
        what=what,
        project=record.slug,
        target=said.target,
        plan=said.plan,
        thread=said.content_hash,
        message=said.reason,
        facts=(("plan", short(said.plan)), ("through", said.through)),
        command=f"templedb approvals {short(said.plan)}",
    )


def of_superseded(record: SupersededPlan) -> Notification:
    """Return that a plan that waited was replaced."""
    kind = Kind.PLAN_SUPERSEDED
    return Notification(
        id=event_id(record.plan, record.newer, kind),
        kind=kind,
        urgency=KINDS[kind].urgency,
        at=record.at,
        record=f"superseded:{record.plan}/{record.newer}",
        stream=record.plan,
        place=4,
        what=f"has a newer plan: {short(record.plan)} cannot be approved any more",
        project=record.slug,
        target=record.target,
        plan=record.plan,
        message=f"plan {short(record.newer)} of release {record.newer_release} replaces it",
        facts=(("plan", short(record.plan)), ("release", str(record.release))),
        command=f"templedb approve {short(record.newer)} --reason WHY",
    )
