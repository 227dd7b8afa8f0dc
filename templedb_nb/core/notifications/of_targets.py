"""What targets tell those who look at them: runs that died elsewhere, locks, drift, old files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta

from templedb_nb.core.notifications.kinds import KINDS, event_id
from templedb_nb.core.notifications.of_runs import DIGITS, END, ENDS
from templedb_nb.model.drift import DriftReport
from templedb_nb.model.event import Outcome
from templedb_nb.model.ledger import Ledger, LedgerEvent
from templedb_nb.model.notification import Notification
from templedb_nb.model.notification import NotificationKind as Kind
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.serialization import digest
from templedb_nb.model.status import TargetStatus

STEAL = "steal"
"""What a ledger calls it if somebody takes a lock."""
OLDEST = timedelta(days=7)
"""A run that died longer ago is no news."""


def dead_runs(
    slug: str, target: str, ledgers: Iterable[Ledger], known: Collection[str], now: datetime
) -> Iterator[Notification]:
    """Yield the runs of other states that a ledger calls running, and whose lock nobody holds.

    The next run on the target closes their rows; *known* are the runs of this state, which its own
    journals tell of.
    """
    for ledger in ledgers:
        for run in ledger.runs:
            if _dead(run, ledger) and run.run not in known and run.target == target:
                began = run.started_at or now
                if now - began <= OLDEST:
                    yield _dead_run(slug, run, now)


def _dead(run: PastRun, ledger: Ledger) -> bool:
    held = ledger.holder is not None and ledger.holder.live and ledger.holder.run == run.run
    return run.outcome is None and not held


def _dead_run(slug: str, run: PastRun, now: datetime) -> Notification:
    kind, what = ENDS[Outcome.UNKNOWN]
    since = f"{run.started_at:%Y-%m-%d %H:%M:%S}Z" if run.started_at else ""
    return Notification(
        id=event_id(run.run, END, kind),
        kind=kind,
        urgency=KINDS[kind].urgency,
        at=now,
        record=f"seen:{event_id(run.run, END, kind)}",
        stream=run.run,
        place=0,
        what=what,
        project=slug,
        target=run.target,
        run=run.run,
        plan=run.plan,
        thread=run.parent_run or run.run,
        message="the ledger says that it runs, and nobody holds its lock",
        facts=(
            ("run", run.run[:DIGITS]),
            ("started by", run.started_by),
            *((("started at", since),) if since else ()),
        ),
        command=f"templedb deploy status {slug}",
    )


def stolen_locks(
    slug: str, target: str, database: str, events: Iterable[LedgerEvent]
) -> Iterator[Notification]:
    """Yield the locks that people took from runs, as a ledger's own history says."""
    for each in events:
        if each.what == STEAL:
            where, moment = f"{slug}/{target}/{database}", each.at.isoformat()
            yield _seen(
                Kind.LOCK_STOLEN,
                event_id(where, moment, Kind.LOCK_STOLEN),
                each.at,
                (slug, target),
                f"lost its lock: {each.by} took it from a run",
                each.reason,
                f"templedb lock show {slug} --target {target}",
            )


def of_drift(report: DriftReport, now: datetime) -> Iterator[Notification]:
    """Yield that objects were changed outside of templedb; the same changes are told once."""
    if not report.rows:
        return
    lines = sorted(
        f"target {report.target} ({each.database}): {each.change.name} was {each.change.kind}"
        " outside of templedb"
        for each in report.rows
    )
    where = f"{report.slug}/{report.target}"
    yield _seen(
        Kind.DRIFT_FOUND,
        event_id(where, digest(lines), Kind.DRIFT_FOUND),
        now,
        (report.slug, report.target),
        "was changed outside of templedb",
        "\n".join(lines),
        f"templedb drift check {report.slug} --target {report.target}",
    )


def of_waiting_files(rows: Iterable[TargetStatus], now: datetime) -> Iterator[Notification]:
    """Yield the targets whose pending files have waited for too long; each oldest file once."""
    for row in rows:
        if (late := row.waiting) is None:
            continue
        where = f"{row.slug}/{row.target}"
        yield _seen(
            Kind.FILES_PENDING,
            event_id(where, f"{late.first}@{late.release}", Kind.FILES_PENDING),
            now,
            (row.slug, row.target),
            "has files that were not deployed for long",
            str(late),
            f"templedb deploy plan {row.slug} --target {row.target}",
        )


def _seen(
    kind: Kind,
    key: str,
    at: datetime,
    names: tuple[str, str],
    what: str,
    message: str,
    command: str,
) -> Notification:
    return Notification(
        id=key,
        kind=kind,
        urgency=KINDS[kind].urgency,
        at=at,
        record=f"seen:{key}",
        stream=key,
        place=0,
        what=what,
        project=names[0],
        target=names[1],
        message=message,
        command=command,
    )


Observe = Callable[[Iterable[Notification]], None]
"""Keeps what was seen of a target until it is told."""
