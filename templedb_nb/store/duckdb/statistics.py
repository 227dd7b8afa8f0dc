"""How often was deployed, with what success, and how long it took: counted by the state file."""

from __future__ import annotations

from datetime import datetime

from templedb_nb.model.history import StatsRow
from templedb_nb.model.project import Slug
from templedb_nb.model.target import TargetName
from templedb_nb.store.duckdb.state_file import StateFile
from templedb_nb.store.duckdb.times import bare

SPANS = {
    "all": "'all'",
    "hour": "strftime(started_at, '%Y-%m-%d %H:00')",
    "day": "strftime(started_at, '%Y-%m-%d')",
    "week": "strftime(started_at, '%G-W%V')",
    "month": "strftime(started_at, '%Y-%m')",
}
"""How the runs of one span of time are told from those of another, in UTC."""

_SECONDS = {
    "all": "greatest(date_diff('second', coalesce($since, min(started_at)), $now), 604800)",
    "hour": "NULL",
    "day": "NULL",
    "week": "604800",
    "month": "date_diff('second', date_trunc('month', min(started_at)),"
    " date_trunc('month', min(started_at)) + INTERVAL 1 MONTH)",
}
"""How long a span of time is; that of all begins with the first deployment, and is a week at least.

A single day says nothing of a week.
"""

_OF_RUNS = (
    "SELECT target, {span} AS span, count(*) AS runs,"
    " count(*) FILTER (outcome = 'succeeded') AS succeeded,"
    " count(*) FILTER (outcome = 'failed') AS failed,"
    " count(*) FILTER (outcome = 'cancelled') AS cancelled,"
    " count(*) FILTER (outcome = 'timed_out') AS timed_out,"
    " count(*) FILTER (outcome = 'unknown') AS unknown, sum(applied)::INTEGER AS applied,"
    " (quantile_cont(elapsed_ms, 0.5) FILTER (outcome = 'succeeded'))::BIGINT AS median_ms,"
    " (quantile_cont(elapsed_ms, 0.9) FILTER (outcome = 'succeeded'))::BIGINT AS p90_ms"
    " FROM main.runs WHERE project = $slug AND outcome IS NOT NULL"
    " AND ($target IS NULL OR target = $target)"
    " AND ($since IS NULL OR started_at >= $since) GROUP BY ALL"
)
_OF_DEPLOYMENTS = (
    "SELECT target, {span} AS span, count(*) AS deployments,"
    " count(*) FILTER (outcome = 'succeeded') AS deployed,"
    " {seconds} AS span_s,"
    " median(epoch_ms(lead_time))::BIGINT AS lead_ms,"
    " count(*) FILTER (failed) AS changes_failed,"
    " median(epoch_ms(time_to_restore))::BIGINT AS restore_ms,"
    " count(*) FILTER (failed AND restored_at IS NULL) AS not_restored,"
    " count(*) FILTER (rework) AS rework"
    " FROM (SELECT * REPLACE (timezone('UTC', started_at) AS started_at)"
    " FROM history.deployments WHERE project = $slug AND ($target IS NULL OR target = $target))"
    " WHERE ($since IS NULL OR started_at >= $since) GROUP BY ALL"
)
_COLUMNS = (
    "target", "span", "runs", "succeeded", "failed", "cancelled", "timed_out", "unknown", "applied",
    "median_ms", "p90_ms", "coalesce(deployments, 0)", "coalesce(deployed, 0)", "span_s",
    "lead_ms", "coalesce(changes_failed, 0)", "restore_ms", "coalesce(not_restored, 0)",
    "coalesce(rework, 0)",
)  # fmt: skip
_NAMES = (*_COLUMNS[:11], "deployments", "deployed", "span_s", "lead_ms", "changes_failed",
          "restore_ms", "not_restored", "rework")  # fmt: skip


def stats(
    file: StateFile,
    slug: Slug,
    target: TargetName | None,
    by: str,
    since: datetime | None,
    now: datetime,
) -> tuple[StatsRow, ...]:
    """Return what runs that ended, and the deployments among them, come to in each span of time."""
    runs = _OF_RUNS.format(span=SPANS[by])
    deployments = _OF_DEPLOYMENTS.format(span=SPANS[by], seconds=_SECONDS[by])
    given = {"slug": slug, "target": target, "since": bare(since) if since else None}
    if "$now" in deployments:
        given["now"] = bare(now)
    with file.session() as session:
        rows = session.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM ({runs}) LEFT JOIN ({deployments})"  # noqa: S608 - constants of ours
            " USING (target, span) ORDER BY target, span",
            given,
        ).fetchall()
    return tuple(StatsRow(**dict(zip(_NAMES, row, strict=True))) for row in rows)
