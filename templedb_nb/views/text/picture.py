"""History to look at, where there are letters alone."""

from __future__ import annotations

from statistics import median

from templedb_nb.model.charts import Durations, Frequency, Timeline
from templedb_nb.model.event import Outcome
from templedb_nb.model.history import RunRow
from templedb_nb.model.run_kind import RunKind
from templedb_nb.views.format import duration, many, moment, table
from templedb_nb.views.scope import whose
from templedb_nb.views.text.base import text

MARKS = {
    Outcome.SUCCEEDED: "✓",
    Outcome.FAILED: "✗",
    Outcome.CANCELLED: "■",
    Outcome.TIMED_OUT: "⧖",
    Outcome.UNKNOWN: "?",
    None: "▸",
}
BACK = "↩"
_KINDS: dict[RunKind, str] = {each: each.value for each in RunKind}
_KINDS |= {RunKind.DEPLOY: "", RunKind.ROLLBACK: BACK}
"""What is written of a run's kind, if it was not for a deployment."""

LEVELS = "▁▂▃▄▅▆▇█"
WIDTH = 40


@text.register
def _(value: Timeline) -> str:
    if not value.rows:
        return f"no run of {whose(value.slug, value.scope)} yet"
    headers = ["WHEN", *(each.upper() for each in value.targets)]
    rows = [
        [
            moment(row.started_at),
            *(_run(row) if row.target == each else "" for each in value.targets),
        ]
        for row in value.rows
    ]
    used = {row.outcome for row in value.rows}
    keys = [f"{MARKS[o]} {o.value if o else 'running'}" for o in MARKS if o in used]
    if any(row.run_kind is RunKind.ROLLBACK for row in value.rows):
        keys.append(f"{BACK} rollback")
    key = ", ".join(keys)
    head = f"{whose(value.slug, value.scope)}, {many(len(value.rows), 'run')}"
    return f"{head}\n{table(headers, rows)}\n{key}"


@text.register
def _(value: Durations) -> str:
    if not value.rows:
        return f"no run of {whose(value.slug, value.scope)} succeeded yet"
    rows = []
    for target, runs in value.of_target.items():
        took = [each.elapsed_ms for each in runs]
        spans = [duration(round(each)) for each in (min(took), median(took), max(took))]
        rows.append([target, str(len(runs)), *spans, sparkline(took[-WIDTH:])])
    headers = ["TARGET", "RUNS", "SHORTEST", "MEDIAN", "LONGEST", "OLDEST TO NEWEST"]
    return f"how long runs took: {whose(value.slug, value.scope)}\n{table(headers, rows)}"


@text.register
def _(value: Frequency) -> str:
    if not value.rows:
        return f"no run of {whose(value.slug, value.scope)} ended yet"
    most = max(each.runs for each in value.rows)
    rows = []
    for each in value.rows:
        good = round(each.succeeded / most * WIDTH) if most > WIDTH else each.succeeded
        bad = round((each.runs - each.succeeded) / most * WIDTH) if most > WIDTH else (
            each.runs - each.succeeded
        )  # fmt: skip
        counts = [str(each.runs), str(each.runs - each.succeeded)]
        rows.append([each.span, str(each.target), *counts, "█" * good + "░" * bad])
    headers = [value.by.upper(), "TARGET", "RUNS", "NOT SUCCEEDED", "█ SUCCEEDED, ░ DID NOT"]
    return f"how often there were runs: {whose(value.slug, value.scope)}\n{table(headers, rows)}"


def _run(row: RunRow) -> str:
    release = f"release {row.release}" if row.release else ""
    kind = _KINDS.get(row.run_kind, "") if row.run_kind else ""
    undone = "(rolled back)" if row.rolled_back_by else ""
    words = (kind, release, duration(row.elapsed_ms), undone)
    return " ".join([MARKS[row.outcome], *filter(None, words)])


def sparkline(numbers: list[int]) -> str:
    """Return numbers as a line of blocks, the greatest full."""
    most = max(*numbers, 1)
    return "".join(LEVELS[round(each / most * (len(LEVELS) - 1))] for each in numbers)
