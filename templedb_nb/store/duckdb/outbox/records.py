"""The records that people may be notified of: those that were not looked at, and some again.

A record is looked at once for each thing that it says: `collected` keeps what it said then. A run
that goes on has no mark, and one whose end is corrected later has another one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from templedb_nb.model.event import Event, Outcome, RunId, Stamped
from templedb_nb.model.finding import Finding
from templedb_nb.model.notification import Notification
from templedb_nb.model.notified_record import (
    ApprovalRecord,
    PlanRecord,
    RunRecord,
    SupersededPlan,
)
from templedb_nb.model.serialization import to_plain
from templedb_nb.store.duckdb.rows import as_approval, read
from templedb_nb.store.duckdb.state_file import StateFile
from templedb_nb.store.duckdb.times import bare, zoned

_MARK = "concat_ws('|', r.outcome, r.exit_code, r.finished_at, r.found_at)"
_UNSEEN = "NOT EXISTS (FROM collected c WHERE c.record = '{kind}:' || {key} AND c.mark = {mark})"
_RUNS = f"""
SELECT r.run, p.outcome, CASE WHEN r.outcome IS NULL THEN '' ELSE {_MARK} END
FROM runs r LEFT JOIN runs p ON p.run = r.parent_run
"""  # noqa: S608 - names of ours
_NEW_RUNS = f"""
WHERE (r.outcome IS NULL OR greatest(r.finished_at, coalesce(r.found_at, r.finished_at)) >= ?)
  AND {_UNSEEN.format(kind="run", key="r.run", mark=_MARK)} ORDER BY r.run
"""
_PLANS = """
SELECT id, content_hash, project, target, made_at, made_by,
       CAST(preview->>'$.release' AS INTEGER), preview->'$.decision',
       preview->'$.draft.findings', len(preview->>'$.draft.plan.groups[*].steps[*].kind')
FROM plans p
"""
_EXPIRES = "CAST(p.preview->>'$.draft.plan.policy.approval_expires_s' AS BIGINT)"
_APPROVALS = """
SELECT a.*, coalesce((SELECT max(p.project) FROM plans p WHERE p.id = a.plan), a.project)
FROM approvals a
"""
_WITH_EXPIRY = f"""
FROM approvals a JOIN (SELECT id, project, {_EXPIRES} AS expires FROM plans p) p ON p.id = a.plan
WHERE a.verdict = 'approved' AND p.expires > 0
"""  # noqa: S608 - names of ours
_EXPIRED = f"""
SELECT a.*, p.project, p.expires {_WITH_EXPIRY}
  AND a.used_by = '' AND a.given_at + to_seconds(p.expires) BETWEEN ? AND ?
  AND {_UNSEEN.format(kind="expiry", key="a.id", mark="''")}
ORDER BY a.given_at
"""


_PAST = f"""
SELECT 'run:' || r.run AS record, {_MARK} AS mark FROM runs r
WHERE r.outcome IS NOT NULL
  AND greatest(r.finished_at, coalesce(r.found_at, r.finished_at)) < $at
UNION ALL SELECT 'plan:' || id, '' FROM plans WHERE made_at < $at
UNION ALL SELECT 'approval:' || id, '' FROM approvals WHERE given_at < $at
UNION ALL SELECT 'expiry:' || a.id, ''
{_WITH_EXPIRY} AND a.given_at + to_seconds(p.expires) < $at
UNION ALL SELECT 'seen:' || id, '' FROM observations WHERE seen_at < $at
"""  # noqa: S608 - names of ours
_RECENT = f"""
SELECT 'run:' || run FROM runs
WHERE outcome IS NULL OR greatest(finished_at, coalesce(found_at, finished_at)) >= $at
UNION ALL SELECT 'plan:' || id FROM plans WHERE made_at >= $at
UNION ALL SELECT 'approval:' || id FROM approvals WHERE given_at >= $at
UNION ALL SELECT 'seen:' || id FROM observations WHERE seen_at >= $at
UNION ALL SELECT 'expiry:' || a.id {_WITH_EXPIRY}
  AND a.used_by = '' AND a.given_at + to_seconds(p.expires) BETWEEN $at AND $now
"""  # noqa: S608 - names of ours


class OutboxRecords:
    """What is there to tell; each method is one short session."""

    _file: StateFile

    def new_runs(self, since: datetime, kinds: Sequence[str]) -> tuple[RunRecord, ...]:
        """Return the runs that tell more than when they were last looked at, oldest first."""
        with self._file.session() as session:
            rows = session.execute(_RUNS + _NEW_RUNS, [bare(since)]).fetchall()
            return _runs(session, rows, kinds)

    def run_records(self, runs: Collection[str], kinds: Sequence[str]) -> tuple[RunRecord, ...]:
        """Return those runs."""
        with self._file.session() as session:
            query = f"{_RUNS} WHERE list_contains(?::VARCHAR[], r.run) ORDER BY r.run"
            return _runs(session, session.execute(query, [sorted(runs)]).fetchall(), kinds)

    def new_plans(self, since: datetime) -> tuple[PlanRecord, ...]:
        """Return the plans that were not looked at, oldest first."""
        unseen = _UNSEEN.format(kind="plan", key="p.id", mark="''")
        query = f"{_PLANS} WHERE made_at >= ? AND {unseen} ORDER BY made_at"
        with self._file.session() as session:
            rows = session.execute(query, [bare(since)]).fetchall()
        return tuple(_plan(row) for row in rows)

    def plan_records(self, plans: Collection[str]) -> tuple[PlanRecord, ...]:
        """Return those plans."""
        with self._file.session() as session:
            query = f"{_PLANS} WHERE list_contains(?::VARCHAR[], id) ORDER BY made_at"
            rows = session.execute(query, [sorted(plans)]).fetchall()
        return tuple(_plan(row) for row in rows)

    def new_approvals(self, since: datetime) -> tuple[ApprovalRecord, ...]:
        """Return people's words on plans that were not looked at, oldest first."""
        unseen = _UNSEEN.format(kind="approval", key="a.id", mark="''")
        query = f"{_APPROVALS} WHERE a.given_at >= ? AND {unseen} ORDER BY a.given_at"
        with self._file.session() as session:
            rows = session.execute(query, [bare(since)]).fetchall()
        return tuple(_approval(row) for row in rows)

    def approval_records(self, approvals: Collection[str]) -> tuple[ApprovalRecord, ...]:
        """Return those words on plans."""
        query = f"{_APPROVALS} WHERE list_contains(?::VARCHAR[], a.id) ORDER BY a.given_at"
        with self._file.session() as session:
            rows = session.execute(query, [sorted(approvals)]).fetchall()
        return tuple(_approval(row) for row in rows)

    def expired_approvals(self, since: datetime, now: datetime) -> tuple[ApprovalRecord, ...]:
        """Return the approvals that expired before a run used them, and were not looked at."""
        with self._file.session() as session:
            rows = session.execute(_EXPIRED, [bare(since), bare(now)]).fetchall()
        return tuple(_expiry(row) for row in rows)

    def expiry_records(self, approvals: Collection[str]) -> tuple[ApprovalRecord, ...]:
        """Return those approvals as they expired."""
        query = (
            f"SELECT a.*, p.project, p.expires {_WITH_EXPIRY}"
            " AND list_contains(?::VARCHAR[], a.id) ORDER BY a.given_at"
        )
        with self._file.session() as session:
            rows = session.execute(query, [sorted(approvals)]).fetchall()
        return tuple(_expiry(row) for row in rows)

    def superseded_plans(self, plans: Collection[str]) -> tuple[SupersededPlan, ...]:
        """Return the plans that waited for approvals and that one of *plans* replaced."""
        query = """
        WITH waiting AS (
            SELECT id, content_hash, project, target, made_at,
                   CAST(preview->>'$.release' AS INTEGER) AS release,
                   CAST(preview->>'$.decision.needed' AS INTEGER) AS needed,
                   preview->>'$.draft.plan.rollback' IS NULL AS forward
            FROM plans
        )
        SELECT o.id, o.project, o.target, o.release, n.id, n.release, n.made_at
        FROM waiting o JOIN waiting n ON n.project = o.project AND n.target = o.target
             AND n.release > o.release AND n.made_at > o.made_at
             AND n.content_hash <> o.content_hash AND n.forward
        WHERE list_contains(?::VARCHAR[], n.id) AND o.needed > 0 AND o.forward
          AND NOT EXISTS (FROM runs r WHERE r.plan = o.id AND r.outcome = 'succeeded')
          AND NOT EXISTS (FROM plans e WHERE e.project = o.project AND e.target = o.target
              AND e.made_at > o.made_at AND e.made_at < n.made_at
              AND CAST(e.preview->>'$.release' AS INTEGER) > o.release)
        ORDER BY o.made_at
        """
        with self._file.session() as session:
            rows = session.execute(query, [sorted(plans)]).fetchall()
        return tuple(
            SupersededPlan(
                plan=plan,
                slug=slug,
                target=target,
                release=release,
                newer=newer,
                newer_release=number,
                at=zoned(at),
            )
            for plan, slug, target, release, newer, number, at in rows
        )

    def new_observations(self) -> tuple[Notification, ...]:
        """Return what was seen of targets and was not looked at, in that order."""
        unseen = _UNSEEN.format(kind="seen", key="o.id", mark="''")
        query = f"SELECT body FROM observations o WHERE {unseen} ORDER BY seen_at"  # noqa: S608 - names of ours
        with self._file.session() as session:
            rows = session.execute(query).fetchall()
        return tuple(read(Notification, body) for (body,) in rows)

    def observed(self, ids: Collection[str]) -> tuple[Notification, ...]:
        """Return those that were seen."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT body FROM observations WHERE list_contains(?::VARCHAR[], id)",
                [sorted(ids)],
            ).fetchall()
        return tuple(read(Notification, body) for (body,) in rows)

    def keep_observations(self, seen: Iterable[Notification], at: datetime) -> None:
        """Keep what was seen of targets; what was seen before stays as it was."""
        rows = [[each.id, bare(at), json.dumps(to_plain(each))] for each in seen]
        if not rows:
            return
        with self._file.session() as session:
            for row in rows:
                session.execute(
                    "INSERT INTO observations VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row
                )

    def mark_collected(self, marks: Mapping[str, str]) -> None:
        """Record that records were looked at, and what they said."""
        if not marks:
            return
        with self._file.session() as session:
            rows = ", ".join(["(?, ?)"] * len(marks))
            session.execute(
                f"INSERT OR REPLACE INTO collected VALUES {rows}",  # noqa: S608 - marks alone
                [text for pair in marks.items() for text in pair],
            )

    def mark_past(self, before: datetime) -> None:
        """Record that everything that is over before a moment was looked at."""
        with self._file.session() as session:
            session.execute(
                f"INSERT OR REPLACE INTO collected SELECT p.record, p.mark FROM ({_PAST}) p"  # noqa: S608 - names of ours
                " WHERE NOT EXISTS (FROM collected c"
                " WHERE c.record = p.record AND c.mark = p.mark)",
                {"at": bare(before)},
            )

    def recent_records(self, since: datetime, now: datetime) -> tuple[str, ...]:
        """Return the names of all records that tell of something since a moment."""
        at = bare(since)
        with self._file.session() as session:
            rows = session.execute(
                _RECENT,
                {"at": at, "now": bare(now)},
            ).fetchall()
            plans = session.execute("SELECT id FROM plans WHERE made_at >= ?", [at]).fetchall()
        replaced = self.superseded_plans([plan for (plan,) in plans])
        return tuple(name for (name,) in rows) + tuple(
            f"superseded:{each.plan}/{each.newer}" for each in replaced
        )


def _runs(
    session: Any, rows: Sequence[tuple[str, str | None, str]], kinds: Sequence[str]
) -> tuple[RunRecord, ...]:
    if not rows:
        return ()
    found: dict[str, list[Stamped]] = {run: [] for run, _, _ in rows}
    events = session.execute(
        "SELECT run, seq, happened_at, elapsed_ms, body FROM events"
        " WHERE list_contains(?::VARCHAR[], run) AND list_contains(?::VARCHAR[], kind)"
        " ORDER BY run, seq",
        [list(found), list(kinds)],
    ).fetchall()
    for run, seq, at, ms, body in events:
        stamped = Stamped(
            run=RunId(run), seq=seq, at=zoned(at), elapsed_ms=ms, event=read(Event, body)
        )
        found[run].append(stamped)
    return tuple(
        RunRecord(
            run=run,
            entries=tuple(found[run]),
            parent_outcome=Outcome(parent) if parent else None,
            mark=mark,
        )
        for run, parent, mark in rows
    )


def _plan(row: Sequence[Any]) -> PlanRecord:
    plan, content, slug, target, made_at, made_by, release, decision, findings, steps = row
    came_to = json.loads(decision) if decision else {}
    needed, counted = int(came_to.get("needed", 0)), len(came_to.get("counted", ()))
    vetoed = came_to.get("veto") is not None
    return PlanRecord(
        plan=plan,
        content_hash=content,
        slug=slug,
        target=target,
        release=release or 0,
        made_at=zoned(made_at),
        made_by=made_by,
        needed=needed,
        missing=0 if vetoed else max(0, needed - counted),
        wants=str(came_to.get("wants", "")),
        findings=read(tuple[Finding, ...], findings) if findings else (),
        steps=steps or 0,
    )


def _expiry(row: Sequence[Any]) -> ApprovalRecord:
    *own, slug, expires = row
    said = as_approval(own)
    expired_at = said.given_at + timedelta(seconds=expires)
    return ApprovalRecord(approval=said, slug=slug, expired_at=expired_at)


def _approval(row: Sequence[Any]) -> ApprovalRecord:
    *own, slug = row
    return ApprovalRecord(approval=as_approval(own), slug=slug)
