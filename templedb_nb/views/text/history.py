"""Looking back, as plain text."""

from __future__ import annotations

from templedb_nb.errors import shortened
from templedb_nb.exit_code import ExitCode
from templedb_nb.model.down_proof import Proof
from templedb_nb.model.foreign_history import Adoption, ImportConfidence
from templedb_nb.model.history import (
    Answer,
    Csv,
    DeployHistory,
    DeployStats,
    DeployStatus,
    MigrationHistory,
    RunRow,
    RunStatus,
    StatsRow,
    StepLogs,
    StepSaid,
)
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.serialization import short
from templedb_nb.views.cells import cell_text, csv_text
from templedb_nb.views.format import duration, many, moment, shown, table
from templedb_nb.views.messages import last_run, told
from templedb_nb.views.scope import whose
from templedb_nb.views.text.base import columns, text


@text.register
def _(value: MigrationHistory) -> str:
    if not value.rows:
        return f"no migration of {value.slug} was applied yet"
    rows = [
        [
            moment(row.entry.finished_at),
            row.entry.state.value,
            row.entry.kind.value,
            row.entry.file,
            short(row.entry.checksums.text),
            row.entry.client,
            shortened(row.entry.error),
        ]
        for row in value.rows
    ]
    return table(["WHEN", "STATE", "HOW", "FILE", "CHECKSUM", "WHO", "ERROR"], rows)


def _ended(row: RunRow) -> str:
    if row.outcome is None:
        return "running"
    if row.rolled_back_by:
        return "rolled back"
    return "waits" if row.exit_code == ExitCode.APPROVAL_MISSING else row.outcome.value


@text.register
def _(value: DeployHistory) -> str:
    if not value.rows:
        return f"no run of {whose(value.slug, value.scope)} yet"
    rows = [
        [
            row.run[:13],
            row.target,
            _ended(row),
            row.health.value if row.health else "",
            moment(row.started_at),
            duration(row.elapsed_ms),
            f"{row.done}/{row.steps}",
            str(row.applied),
            str(row.release),
            row.started_by,
            shortened(row.message),
        ]
        for row in value.rows
    ]
    if any(row.run_kind not in {None, RunKind.DEPLOY} for row in value.rows):
        kinds = [row.run_kind.value if row.run_kind else "" for row in value.rows]
        rows = [[*r[:2], kind, *r[2:]] for r, kind in zip(rows, kinds, strict=True)]
    headers = [
        "RUN",
        "TARGET",
        "OUTCOME",
        "HEALTH",
        "WHEN",
        "TOOK",
        "STEPS",
        "APPLIED",
        "RELEASE",
        "WHO",
        "MESSAGE",
    ]
    if len(rows[0]) > len(headers):
        headers.insert(2, "KIND")
    return f"runs of {whose(value.slug, value.scope)}\n{table(headers, rows)}"


@text.register
def _(value: StepLogs) -> str:
    bodies = {title: body.rstrip() for title, body in value.steps}
    bodies |= dict.fromkeys(value.gone, "(its output is no longer kept)")
    for each in value.messages:
        lines = _said(each)
        own = [bodies[each.title]] if each.title in bodies else []
        if lines:
            bodies[each.title] = "\n".join([*own, *lines])
    order = sorted(bodies, key=lambda title: int(title.partition(" ")[0]))
    parts = [f"== step {title}\n{bodies[title]}" for title in order]
    return "\n\n".join(parts) or f"run {value.run[:13]} wrote no output"


def _said(each: StepSaid) -> list[str]:
    """Return the messages of a step that are not in its output, a line each."""
    lines = [told(one, each.file) for one in each.said if not one.in_output]
    more = ((each.more_warnings, "warning"), (each.more_messages, "notice"))
    return [*lines, *(f"… and {many(count, f'more {noun}')}" for count, noun in more if count)]


@text.register
def _(value: DeployStatus) -> str:
    if not value.rows:
        return f"{value.slug}: no targets"
    heads = ["TARGET", "NOW", "LAST RUN", "OUTCOME", "WHEN", "MESSAGE"]
    return table(heads, [_row(row) for row in value.rows])


def _row(row: RunStatus) -> list[str]:
    now = "idle"
    if row.live_run:
        now = f"run {row.live_run[:13]} since {moment(row.live_since)}"
        now += f", in {row.live_step}" if row.live_step else ""
    outcome = (
        last_run(row.last_outcome, row.last_health, row.last_kind) if row.last_outcome else "never"
    )
    note = shortened(row.message)
    if row.rollback:
        note = row.rollback.note
    if row.unresolved:
        note = f"check what it did, then: templedb run resolve {row.last_run} --reason WHAT-YOU-SAW"
    return [row.target, now, row.last_run[:13], outcome, moment(row.last_at), note]


@text.register
def _(value: DeployStats) -> str:
    if not value.rows:
        return f"no run of {whose(value.slug, value.scope)} ended yet"
    heads = ["TARGET", "SPAN", "RUNS", "SUCCEEDED", "FAILED", "OTHER", "FAILING", "APPLIED",
             "MEDIAN", "P90"]  # fmt: skip
    runs = f"runs of {whose(value.slug, value.scope)}\n"
    runs += table(heads, [_stats(row) for row in value.rows])
    rows = [_delivery(row) for row in value.rows if row.deployments]
    if not rows:
        return runs
    heads = ["TARGET", "SPAN", "DEPLOYED", "PER WEEK", "LEAD TIME", "CHANGES FAILED", "RESTORED IN",
             "REWORK"]  # fmt: skip
    return f"{runs}\n\ndeployments\n{table(heads, rows)}"


def _delivery(row: StatsRow) -> list[str]:
    weekly = "" if row.per_week is None else f"{row.per_week:.1f}"
    failed = f"{row.changes_failed} of {row.deployments}"
    restored = duration(row.restore_ms)
    if row.not_restored:
        restored = f"{restored}, {row.not_restored} not yet".removeprefix(", ")
    rework = f"{row.rework} of {row.deployments}"
    counts = [str(row.deployed), weekly, duration(row.lead_ms), failed, restored, rework]
    return [row.target, row.span, *counts]


def _stats(row: StatsRow) -> list[str]:
    counts = [row.runs, row.succeeded, row.failed]
    others = {"cancelled": row.cancelled, "timed out": row.timed_out, "unknown": row.unknown}
    other = ", ".join(f"{count} {name}" for name, count in others.items() if count)
    spans = [duration(row.median_ms), duration(row.p90_ms)]
    rate = f"{row.failure_rate:.0%}"
    return [row.target, row.span, *map(str, counts), other, rate, str(row.applied), *spans]


@text.register
def _(value: Answer) -> str:
    if not value.columns:
        return "done"
    told = table(value.columns, [[cell_text(cell) for cell in row] for row in value.rows])
    if not value.rows:
        return f"{told}\n0 rows"
    return f"{told}\n… and more rows than that" if value.more else told


@text.register
def _(value: Csv) -> str:
    return csv_text(value.answer)


@text.register
def _(value: Adoption) -> str:
    rows = [
        [row.verdict.value, row.key, row.file, "there already" if row.known else shown(row.note)]
        for row in value.rows
    ]
    counts = [(value.count(each), each.value) for each in ImportConfidence]
    told = ", ".join(f"{count} {word}" for count, word in counts if count) or "no migrations"
    lines = [f"{value.source} in {value.database} of {value.target}: {told}", *columns(rows)]
    waiting = f"{value.pending} migration{'s' * (value.pending != 1)} here that it has not run"
    lines.append(
        f"{value.new} to import, {len(value.rows) - value.new} imported already; {waiting}"
    )
    if value.busy:
        lines.append("its lock is held: the tool is running now")
    return "\n".join(lines)


@text.register
def _(value: Proof) -> str:
    rows = [[row.verdict.value, row.file, shown(row.told)] for row in value.rows]
    lines = [f"down and up on a copy of {value.target}", *columns(rows)]
    for row in value.rows:
        if row.diff:
            lines += ["", f"{row.file} leaves a different schema than it found:", row.diff]
    return "\n".join(lines)
