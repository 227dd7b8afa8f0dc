"""Plans, approvals, runs and their events, and the copies of the ledgers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

from templedb_nb.core.secrets.url_passwords import typed
from templedb_nb.errors import Ambiguous, UnknownName
from templedb_nb.model.approval import Approval
from templedb_nb.model.estimate import StepEstimate
from templedb_nb.model.event import Event, RunId, Stamped
from templedb_nb.model.history import Filter, RunRow, StatsRow
from templedb_nb.model.ledger import FinishedRun, Ledger, OpenCommand
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.plan import Plan, PlanId, Preview
from templedb_nb.model.project import Slug
from templedb_nb.model.result import Result
from templedb_nb.model.serialization import Digest, short, to_plain
from templedb_nb.model.step import BY_KIND
from templedb_nb.model.target import TargetName
from templedb_nb.store.duckdb import durations, ledger_copies, past_runs, statistics
from templedb_nb.store.duckdb.ledger_copies import LedgerCopyRecords
from templedb_nb.store.duckdb.past_runs import WaitingRecords
from templedb_nb.store.duckdb.rows import as_approval, as_run, insert_events, read, run_row
from templedb_nb.store.duckdb.times import bare, zoned
from templedb_nb.store.journal import written

_NOT_DEPLOYING = [kind for kind, step in BY_KIND.items() if not step.deploys]
"""Kinds of steps that bring no release into effect."""

_ANY_UNKNOWN = "SELECT 1 FROM runs WHERE project = ? AND target = ? AND outcome = 'unknown' LIMIT 1"


class Records(LedgerCopyRecords, WaitingRecords):
    """What was planned, approved and done; each method is one short session."""

    def transaction(self) -> AbstractContextManager[None]:
        """Make the calls in the block one session."""
        return self._file.transaction()

    def keep_plan(self, preview: Preview) -> None:
        """Keep a plan under its id; keeping it again changes when it was last made, and no more."""
        plan, now = preview.plan, bare(preview.made_at)
        row: list[Any] = [plan.id, plan.content_hash, preview.slug, plan.target]
        row += [json.dumps(to_plain(preview)), now, preview.made_by, now]
        with self._file.session() as session:
            session.execute(
                "INSERT INTO plans VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET"
                " asked_at = greatest(asked_at, excluded.asked_at)",
                row,
            )

    def plan(self, start: str) -> Preview:
        """Return the one plan whose id begins with *start*."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT id, preview FROM plans WHERE starts_with(id, ?) LIMIT 5", [start]
            ).fetchall()
        if len(rows) != 1:
            raise _not_one("plan", start, [short(row[0]) for row in rows], "templedb deploy plan")
        preview: Preview = read(Preview, rows[0][1])
        return preview

    def plan_with(self, content_hash: Digest) -> Preview:
        """Return the newest plan of that content."""
        with self._file.session() as session:
            row = session.execute(
                "SELECT preview FROM plans WHERE content_hash = ? ORDER BY asked_at DESC LIMIT 1",
                [content_hash],
            ).fetchone()
        if row is None:
            raise _not_one("plan", short(content_hash), (), "templedb deploy plan")
        preview: Preview = read(Preview, row[0])
        return preview

    def recent_plans(self, last: int) -> tuple[tuple[str, str, str, datetime], ...]:
        """Return id, project, target and moment of the newest plans."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT id, project, target, made_at FROM plans ORDER BY made_at DESC LIMIT ?",
                [last],
            ).fetchall()
        return tuple((plan, slug, target, zoned(at)) for plan, slug, target, at in rows)

    def keep_approval(self, approval: Approval) -> None:
        """Record an approval, for good."""
        row: list[Any] = [approval.id, approval.plan, approval.content_hash, approval.project]
        row += [approval.target, approval.given_by, bare(approval.given_at), approval.reason]
        row += [approval.through, approval.used_by, approval.verdict, approval.signature]
        row += [json.dumps(to_plain(approval.bundle)) if approval.bundle else ""]
        marks = ", ".join("?" * len(row))
        with self._file.session() as session:
            session.execute(
                f"INSERT INTO approvals VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608 - marks alone
                row,
            )

    def approvals(self, content_hash: Digest) -> tuple[Approval, ...]:
        """Return every approval of that content, used up or not, oldest first."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT * FROM approvals WHERE content_hash = ? ORDER BY given_at", [content_hash]
            ).fetchall()
        return tuple(as_approval(row) for row in rows)

    def recent_approvals(self, slug: str | None, last: int) -> tuple[Approval, ...]:
        """Return the newest words on plans, of a project by its first name or of all."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT * FROM approvals WHERE ? IS NULL OR project = ?"
                " ORDER BY given_at DESC LIMIT ?",
                [slug, slug, last],
            ).fetchall()
        return tuple(as_approval(row) for row in rows)

    def approvals_within(
        self, slug: str, target: str, begin: datetime, end: datetime
    ) -> tuple[Approval, ...]:
        """Return the words on plans for a target that were said between two moments."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT * FROM approvals WHERE project = ? AND target = ?"
                " AND given_at BETWEEN ? AND ? ORDER BY given_at",
                [slug, target, bare(begin), bare(end)],
            ).fetchall()
        return tuple(as_approval(row) for row in rows)

    def planner(self, content_hash: Digest) -> str:
        """Return who made the first plan of that content, or nothing."""
        with self._file.session() as session:
            row = session.execute(
                "SELECT made_by FROM plans WHERE content_hash = ? ORDER BY made_at LIMIT 1",
                [content_hash],
            ).fetchone()
        return str(row[0]) if row else ""

    def newer_plan(self, preview: Preview) -> PlanId | None:
        """Return a plan that replaces this one, if there is one.

        It deploys a newer release to the same target, and was made after this one was last made:
        who makes a plan of an older release on purpose means it. What deploys no release (words on
        the ledger, ways back), and a rollback, replaces nothing, and is not replaced.
        """
        plan = preview.plan
        if not plan.deploys or plan.rollback:
            return None
        with self._file.session() as session:
            row = session.execute(
                "SELECT id FROM plans WHERE project = $slug AND target = $target"
                " AND content_hash <> $content_hash"
                " AND CAST(preview->>'$.release' AS INTEGER) > $release"
                " AND preview->>'$.draft.plan.rollback' IS NULL AND NOT list_has_any("
                "preview->>'$.draft.plan.groups[*].steps[*].kind', $others)"
                " AND asked_at > greatest($made_at,"
                " (SELECT max(asked_at) FROM plans WHERE content_hash = $content_hash))"
                " ORDER BY asked_at DESC LIMIT 1",
                {
                    "slug": preview.slug,
                    "target": plan.target,
                    "content_hash": plan.content_hash,
                    "release": preview.release,
                    "others": _NOT_DEPLOYING,
                    "made_at": bare(preview.made_at),
                },
            ).fetchone()
        return PlanId(row[0]) if row else None

    def past_runs(self, slug: Slug, target: TargetName) -> tuple[PastRun, ...]:
        """Return the runs on a target, newest first, with what they deployed."""
        return past_runs.past_runs(self._file, slug, target)

    def artifact_targets(self) -> tuple[tuple[Slug, TargetName], ...]:
        """Return the projects and targets of runs that have kept or placed artifacts."""
        return past_runs.artifact_targets(self._file)

    def placing_plans(self, since: datetime) -> tuple[Plan, ...]:
        """Return the plans made after a moment that place artifacts."""
        return past_runs.placing_plans(self._file, since)

    def took(self, slug: Slug, target: TargetName) -> dict[tuple[str, str, str, str], StepEstimate]:
        """Return what steps took in the target's former runs."""
        return durations.took(self._file, slug, target)

    def applied_elsewhere(
        self, slug: Slug, target: TargetName, keys: Iterable[str]
    ) -> frozenset[tuple[str, Digest]]:
        """Return which of *keys* other targets have applied, with their token checksums."""
        return ledger_copies.applied_elsewhere(self._file, slug, target, keys)

    def use_approvals(self, content_hash: Digest, run: RunId) -> None:
        """Record that the run succeeded under every open approval of that content."""
        with self._file.session() as session:
            session.execute(
                "UPDATE approvals SET used_by = ? WHERE content_hash = ? AND used_by = ''",
                [run, content_hash],
            )

    def succeeded(self, plan: PlanId) -> str:
        """Return the run that succeeded with that plan, or nothing."""
        with self._file.session() as session:
            row = session.execute(
                "SELECT run FROM runs r WHERE plan = ? AND outcome = 'succeeded' AND NOT EXISTS"
                " (FROM rebinds b WHERE b.project = r.project AND b.target = r.target"
                " AND b.at_time > r.started_at) LIMIT 1",
                [plan],
            ).fetchone()
        return str(row[0]) if row else ""

    def last_deployment(
        self, slug: Slug, target: TargetName
    ) -> tuple[str, int, datetime, str] | None:
        """Return run, release, end and tree of the last success that brought a release to bear.

        Words on the ledger and ways back are runs, too, and deploy none; of runs that were taken
        over from elsewhere nobody knows the release.
        """
        with self._file.session() as session:
            rows = session.execute(
                "SELECT run, release, finished_at, tree, plan FROM runs WHERE project = ?"
                " AND target = ? AND outcome = 'succeeded' AND release > 0"
                " AND coalesce(kind, '') <> 'retire' ORDER BY run DESC LIMIT 20",
                [slug, target],
            ).fetchall()
            for run, release, ended, tree, plan in rows:  # mostly the first: a plan may be long
                first = session.execute(
                    "SELECT preview->>'$.draft.plan.groups[0].steps[0].kind' FROM plans"
                    " WHERE id = ?",
                    [plan],
                ).fetchone()
                if first is None or first[0] not in _NOT_DEPLOYING:
                    return run, release, zoned(ended), tree or ""
        return None

    def fold(self, entries: Sequence[Stamped], result: Result) -> None:
        """Add a run's events that are not there yet; *result* is what all of them come to."""
        if not entries:
            return
        run = entries[0].run
        with self._file.session() as session:
            insert_events(session, entries)
            row = run_row(run, result)
            marks = ", ".join("?" * len(row))
            session.execute(f"INSERT OR REPLACE INTO runs VALUES ({marks})", row)  # noqa: S608 - marks alone

    def settle(self, entries: Sequence[Stamped], result: Result, after: int) -> None:
        """Let *entries* say how a run ended that died; what was taken for its end goes.

        Its own journal had the events up to the number *after*.
        """
        with self._file.session() as session:
            session.execute("DELETE FROM events WHERE run = ? AND seq > ?", [entries[0].run, after])
            self.fold(entries, result)

    def fold_live(self, folder: Path) -> None:
        """Add what the runs that go on have written to their journals in *folder* so far.

        A journal that is read while the file is ours holds whatever was folded from it, so that
        nothing newer is overwritten.
        """
        if any(folder.glob("*.jsonl")):
            with self._file.session():
                for entries in written(folder):
                    self.fold(entries, Result.of(entries))

    def events(self, run: RunId) -> tuple[Stamped, ...]:
        """Return a run's events, in order."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT seq, happened_at, elapsed_ms, body FROM events WHERE run = ? ORDER BY seq",
                [run],
            ).fetchall()
        return tuple(
            Stamped(run=run, seq=seq, at=zoned(at), elapsed_ms=ms, event=read(Event, body))
            for seq, at, ms, body in rows
        )

    def run(self, start: str) -> RunId:
        """Return the one run whose id begins with *start*."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT run FROM runs WHERE starts_with(run, ?) ORDER BY run DESC LIMIT 5", [start]
            ).fetchall()
        if len(rows) != 1:
            raise _not_one("run", start, [row[0] for row in rows], "templedb deploy history")
        return RunId(rows[0][0])

    def runs(
        self, slug: Slug | None, target: TargetName | None, wanted: Filter
    ) -> tuple[RunRow, ...]:
        """Return runs of a project, or of all, newest first."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT run, project, target, plan, release, started_at, finished_at, elapsed_ms,"
                " outcome, exit_code, steps, done, applied, started_by, message, warnings,"
                " found_at, health, kind, parent_run,"
                " (SELECT max(b.run) FROM runs b WHERE b.parent_run = r.run"
                " AND b.kind = 'rollback' AND b.outcome = 'succeeded')"
                " FROM runs r"
                " WHERE ($slug IS NULL OR project = $slug)"
                " AND ($target IS NULL OR target = $target)"
                " AND ($since IS NULL OR started_at >= $since)"
                " AND ($before = '' OR run < $before)"
                " AND ($begin IS NULL"
                " OR started_at <= $end AND coalesce(finished_at, $end) >= $begin)"
                " AND (len($status) = 0 OR list_contains($status, coalesce(outcome, 'running')))"
                " ORDER BY run DESC LIMIT $last",
                {
                    "slug": slug,
                    "target": target,
                    "since": bare(wanted.since) if wanted.since else None,
                    "before": wanted.before,
                    "begin": bare(wanted.within[0]) if wanted.within else None,
                    "end": bare(wanted.within[1]) if wanted.within else None,
                    "status": list(wanted.status),
                    "last": wanted.last,
                },
            ).fetchall()
        return tuple(as_run(row) for row in rows)

    def stats(
        self, slug: Slug, target: TargetName | None, by: str, since: datetime | None, now: datetime
    ) -> tuple[StatsRow, ...]:
        """Return what the runs that ended come to, by target and span of time."""
        return statistics.stats(self._file, slug, target, by, since, now)

    def unresolved(self, slug: Slug) -> frozenset[str]:
        """Return the runs that nobody saw end, and of which nobody said what they did."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT run FROM runs WHERE project = ? AND outcome = 'unknown'"
                " AND run NOT IN (SELECT run FROM resolutions)",
                [slug],
            ).fetchall()
        return frozenset(row[0] for row in rows)

    def unseen(self, slug: Slug, target: TargetName) -> tuple[RunId, ...]:
        """Return the runs of a target that nobody saw end, and of which nobody spoke since."""
        with self._file.session() as session:
            if not session.execute(_ANY_UNKNOWN, [slug, target]).fetchone():
                return ()
            rows = session.execute(
                "SELECT run FROM runs r WHERE project = ? AND target = ? AND outcome = 'unknown'"
                " AND run NOT IN (SELECT run FROM resolutions) AND NOT EXISTS (FROM rebinds b"
                " WHERE b.project = r.project AND b.target = r.target"
                " AND b.at_time > r.started_at) ORDER BY run",
                [slug, target],
            ).fetchall()
        return tuple(RunId(run) for (run,) in rows)

    def ledger(self, slug: Slug, target: TargetName) -> Ledger:
        """Return what is known of the runs of a target that keeps no ledger of its own."""
        with self._file.session() as session:
            ended = session.execute(
                "SELECT run, plan FROM runs WHERE project = ? AND target = ?"
                " AND outcome IS NOT NULL ORDER BY run DESC LIMIT 20",
                [slug, target],
            ).fetchall()
            unknown = session.execute(
                "SELECT run, message FROM runs WHERE project = ? AND target = ?"
                " AND outcome = 'unknown' AND run NOT IN (SELECT run FROM resolutions)"
                " ORDER BY run",
                [slug, target],
            ).fetchall()
        return Ledger(
            rollback=past_runs.pending_rollback(self._file, slug, target),
            finished=tuple(FinishedRun(run=run, plan=plan) for run, plan in ended),
            unresolved=tuple(
                OpenCommand(run=run, attempt="", step=message) for run, message in unknown
            ),
        )

    def resolution(self, run: RunId) -> str:
        """Return who said what the run did, or nothing."""
        with self._file.session() as session:
            row = session.execute(
                "SELECT resolved_by FROM resolutions WHERE run = ? LIMIT 1", [run]
            ).fetchone()
        return str(row[0]) if row else ""

    def resolve(self, run: RunId, at: datetime, by: str, reason: str) -> None:
        """Record what a person said of a run that nobody saw end."""
        with self._file.session() as session:
            session.execute(
                "INSERT INTO resolutions VALUES (?, ?, ?, ?)", [run, bare(at), by, reason]
            )


def _not_one(noun: str, start: str, found: Sequence[str], mend: str) -> UnknownName | Ambiguous:
    if found:
        return Ambiguous(f"{typed(start)!r} begins more than one {noun}", problems=found)
    return UnknownName(f"no {noun} begins with {typed(start)!r} here", hint=mend)
