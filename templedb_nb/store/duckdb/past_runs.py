"""What runs on a target deployed, and which plans none has overtaken, as the state has them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
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
from templedb_nb.model.serialization import Digest, from_plain
from templedb_nb.model.target import Policy, TargetName
from templedb_nb.model.waiting import KeptPlan
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
    """Return the rollback that a target owes, or that did not succeed, by the runs in the state.

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


# --- plans that no run has overtaken --------------------------------------------------------------

OF_EACH_TARGET = 20
"""So many contents of each target are looked at, the newest first."""

_SUCCEEDED = """
SELECT r.project, r.target, r.run, r.plan, coalesce(p.asked_at, r.started_at) AS made_at,
       coalesce(r.kind, 'deploy') IN ('deploy', 'rollback', 'promote', 'switch') AS moves
FROM runs r LEFT JOIN (SELECT id, asked_at FROM plans) p ON p.id = r.plan
WHERE r.outcome = 'succeeded' AND NOT EXISTS (
    FROM rebinds b
    WHERE b.project = r.project AND b.target = r.target AND b.at_time > r.started_at)
"""
"""The successes on the databases that the targets have now; `moves` makes earlier plans stale."""

_OPEN = f"""
WITH ended AS MATERIALIZED ({_SUCCEEDED}),
newest AS (SELECT project, target, max(made_at) AS at FROM ended WHERE moves GROUP BY ALL),
here AS (
    SELECT arg_max(p.id, p.asked_at) AS id, p.project, p.target, p.content_hash,
           min(p.made_at) AS since, max(p.asked_at) AS asked_at
    FROM plans p LEFT JOIN newest n USING (project, target)
    WHERE (n.at IS NULL OR p.asked_at > n.at) AND ($slug IS NULL OR p.project = $slug)
      AND p.id NOT IN (SELECT plan FROM ended)
    GROUP BY ALL
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY project, target ORDER BY asked_at DESC, id) AS place
    FROM here
)
SELECT id, since, asked_at, place FROM ranked ORDER BY asked_at
"""  # noqa: S608 - constants of ours


class WaitingRecords:
    """Questions about the plans that may still run."""

    _file: StateFile

    def waiting_plans(self, slug: Slug | None) -> tuple[tuple[KeptPlan, ...], int]:
        """Return the newest plan of each content that needs approvals and that no success overtook.

        Of each target the newest `OF_EACH_TARGET` are looked at; the number says how many were not.
        """
        with self._file.session() as session:
            rows = session.execute(_OPEN, {"slug": slug}).fetchall()
            looked = [row for row in rows if row[3] <= OF_EACH_TARGET]
            policies = session.execute(
                "SELECT id, preview->'$.draft.plan.policy' FROM plans"
                " WHERE list_contains(?::VARCHAR[], id)",
                [[row[0] for row in looked]],
            ).fetchall()
            needing = [
                key for key, policy in policies if from_plain(Policy, json.loads(policy)).needed
            ]
            kept = session.execute(
                "SELECT id, preview, (SELECT arg_min(o.made_by, o.made_at) FROM plans o"
                " WHERE o.content_hash = p.content_hash) FROM plans p"
                " WHERE list_contains(?::VARCHAR[], id)",
                [needing],
            ).fetchall()
        texts = {key: (text, planner) for key, text, planner in kept}
        found = tuple(
            KeptPlan(
                preview=read(Preview, texts[key][0]),
                since=zoned(since),
                asked_at=zoned(asked),
                planner=texts[key][1],
            )
            for key, since, asked, _ in looked
            if key in texts
        )
        return found, len(rows) - len(looked)

    def overtaken_by(self, preview: Preview) -> str:
        """Return the run that succeeded with that plan, or with a newer one for its target."""
        plan = preview.plan
        with self._file.session() as session:
            row = session.execute(
                f"SELECT run FROM ({_SUCCEEDED}) WHERE project = $slug AND target = $target AND"  # noqa: S608 - constants of ours
                " (plan = $id OR moves AND made_at > (SELECT greatest($made_at,"
                " max(asked_at)) FROM plans WHERE content_hash = $content_hash"
                " AND project = $slug)) ORDER BY run DESC LIMIT 1",
                {
                    "slug": preview.slug,
                    "target": plan.target,
                    "id": plan.id,
                    "made_at": bare(preview.made_at),
                    "content_hash": plan.content_hash,
                },
            ).fetchone()
        return str(row[0]) if row else ""

    def plans_asked(self, plans: Iterable[str]) -> dict[str, datetime]:
        """Return when those of *plans* were last made that the state has."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT id, asked_at FROM plans WHERE list_contains(?::VARCHAR[], id)",
                [sorted(set(plans))],
            ).fetchall()
        return {key: zoned(at) for key, at in rows}
