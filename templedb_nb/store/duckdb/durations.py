"""What steps took in a target's former runs."""

from __future__ import annotations

from templedb_nb.model.estimate import StepEstimate
from templedb_nb.model.event import Evidence
from templedb_nb.model.project import Slug
from templedb_nb.model.step import BY_KIND
from templedb_nb.model.target import TargetName
from templedb_nb.store.duckdb.state_file import StateFile

RUNS = 20
"""How many of the newest successful runs tell what a step takes."""

_SINGLE = [kind for kind, step in BY_KIND.items() if step.proof is Evidence.LEDGER]
"""Kinds of steps that run once: one is taken for any other of its kind."""

_ANY = """
SELECT 1 FROM runs WHERE project = $slug AND target = $target AND outcome = 'succeeded' LIMIT 1
"""
_TOOK = """
WITH newest AS (
    SELECT run FROM runs WHERE project = $slug AND target = $target AND outcome = 'succeeded'
    ORDER BY run DESC LIMIT $runs
), labels AS (
    SELECT run, unnest(range(len(labels))) AS step, unnest(labels) AS label
    FROM (SELECT run, from_json(body->'steps', '["JSON"]') AS labels FROM events
          WHERE kind = 'run_started' AND run IN (FROM newest))
), times AS (
    SELECT run, CAST(body->>'$.step' AS INTEGER) AS step,
           max(elapsed_ms) FILTER (kind = 'step_finished')
           - min(elapsed_ms) FILTER (kind = 'step_started') AS took
    FROM events WHERE kind IN ('step_started', 'step_finished') AND run IN (FROM newest)
    GROUP BY ALL
), named AS (
    SELECT run, took, list_contains($single, label->>'$.kind') AS single,
           if(single, '', label->>'$.group') AS "group", if(single, '', label->>'$.phase') AS phase,
           label->>'$.kind' AS kind, if(single, '', label->>'$.title') AS title
    FROM times JOIN labels USING (run, step) WHERE took IS NOT NULL
)
SELECT "group", phase, kind, title, CAST(median(took) AS BIGINT), count(*), count(DISTINCT run)
FROM named GROUP BY ALL
"""


def took(
    file: StateFile, slug: Slug, target: TargetName
) -> dict[tuple[str, str, str, str], StepEstimate]:
    """Return what each step took, by group, phase, kind and title; a migration by its kind alone.

    The newest `RUNS` successful runs of the target count.
    """
    about: dict[str, object] = {"slug": slug, "target": target}
    with file.session() as session:
        if not session.execute(_ANY, about).fetchone():
            return {}  # a first run: the question below takes ten times as long
        about |= {"runs": RUNS, "single": _SINGLE}
        rows = session.execute(_TOOK, about).fetchall()
    return {
        (group, phase, kind, title): StepEstimate(median_ms=median, times=times, runs=runs)
        for group, phase, kind, title, median, times, runs in rows
    }
