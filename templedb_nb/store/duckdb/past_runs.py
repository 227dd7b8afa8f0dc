"""What runs on a target deployed, as the state has them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from templedb_nb.exit_code import ExitCode
from templedb_nb.model.artifact_step import PlaceArtifacts
from templedb_nb.model.event import Outcome
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.plan import Plan, Preview
from templedb_nb.model.project import Slug
from templedb_nb.model.rollback import PendingRollback
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import TargetName
from templedb_nb.store.duckdb.rows import read
from templedb_nb.store.duckdb.state_file import StateFile
from templedb_nb.store.duckdb.times import bare, zoned

_ROLLED_BACK = (
    "SELECT 1 FROM runs WHERE project = $slug AND target = $target"
    " AND (kind = 'rollback' OR owes <> '') LIMIT 1"
)


def past_runs(file: StateFile, slug: Slug, target: TargetName) -> tuple[PastRun, ...]:
    """Return the runs on a target, newest first, with what they deployed."""
    with file.session() as session:
        rows = session.execute(
            "SELECT run, target, kind, parent_run, plan, tree, config_hash, outcome, exit_code,"
            " started_at, finished_at, started_by, release, steps = 0 OR EXISTS (FROM events e"
            " WHERE e.run = r.run AND e.kind = 'step_started'), manifest FROM runs r"
            " WHERE project = ? AND target = ? ORDER BY run DESC",
            [slug, target],
        ).fetchall()
    return tuple(_past_run(row) for row in rows)


def _past_run(row: Sequence[Any]) -> PastRun:
    run, target, kind, parent, plan, tree, config, outcome, code, *rest = row
    started, ended, by, release, begun, manifest = rest
    return PastRun(
        run=run,
        target=target,
        run_kind=RunKind(kind or RunKind.DEPLOY),
        parent_run=parent or "",
        plan=plan,
        tree=tree or "",
        config_hash=config or "",
        outcome=Outcome(outcome) if outcome else None,
        exit_code=code,
        started_at=zoned(started),
        finished_at=zoned(ended),
        started_by=by,
        release=release,
        begun=begun,
        manifest=manifest or "",
    )


def artifact_targets(file: StateFile) -> tuple[tuple[Slug, TargetName], ...]:
    """Return the projects and targets of runs that have kept or placed artifacts."""
    with file.session() as session:
        rows = session.execute(
            "SELECT DISTINCT project, target FROM runs WHERE manifest <> '' ORDER BY ALL"
        ).fetchall()
    return tuple((Slug(slug), TargetName(target)) for slug, target in rows)


def placing_plans(file: StateFile, since: datetime) -> tuple[Plan, ...]:
    """Return the plans made after a moment that place artifacts."""
    with file.session() as session:
        rows = session.execute(
            "SELECT preview FROM plans WHERE asked_at > ? AND list_contains("
            "preview->>'$.draft.plan.groups[*].steps[*].kind', ?)",
            [bare(since), PlaceArtifacts.kind],
        ).fetchall()
    return tuple(read(Preview, text).plan for (text,) in rows)


def pending_rollback(file: StateFile, slug: Slug, target: TargetName) -> PendingRollback | None:
    """Return the rollback that a target owes, or that did not end well, by the runs in the state.

    A target with a ledger says it itself. Runs that were refused before their first step say
    nothing.
    """
    about = {"slug": slug, "target": target}
    with file.session() as session:
        if not session.execute(_ROLLED_BACK, about).fetchone():
            return None  # as of most targets: the question below takes ten times as long
        rows = session.execute(
            "SELECT r.run, r.kind, coalesce(r.parent_run, ''), coalesce(r.owes, ''), r.outcome,"
            " r.exit_code, p.content_hash, parent.outcome"
            " FROM runs r LEFT JOIN plans p ON p.id = r.plan"
            " LEFT JOIN runs parent ON parent.run = r.parent_run"
            " WHERE r.project = $slug AND r.target = $target AND r.outcome IS NOT NULL"
            " AND coalesce(r.kind, 'deploy') IN ('deploy', 'rollback', 'promote')"
            " AND r.run NOT IN (SELECT run FROM resolutions)"
            " AND (coalesce(r.kind, 'deploy') = 'promote'"
            " OR coalesce(r.parent_run, '') NOT IN (SELECT run FROM resolutions))"
            " AND r.run NOT IN (SELECT b.parent_run FROM runs b JOIN resolutions USING (run)"
            " WHERE b.kind = 'rollback' AND b.parent_run IS NOT NULL)"
            " AND (r.outcome = 'succeeded' OR r.steps = 0 OR EXISTS (FROM events e"
            " WHERE e.run = r.run AND e.kind = 'step_started'))"
            " ORDER BY r.run DESC LIMIT 50",
            about,
        ).fetchall()
    for run, kind, parent, owes, outcome, code, content, parent_outcome in rows:
        if owes:
            return PendingRollback(parent=run, content_hash=Digest(owes), failed=True)
        if kind != RunKind.ROLLBACK or outcome == Outcome.SUCCEEDED:
            return None
        failed = parent_outcome not in {None, Outcome.SUCCEEDED.value}
        if code == ExitCode.UNCHANGED and not failed:
            continue  # it left the target as it was: what came before it counts
        return PendingRollback(
            parent=parent, content_hash=Digest(content or ""), run=run, failed=failed
        )
    return None
