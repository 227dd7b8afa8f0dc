"""How a target is, as plain text."""

from __future__ import annotations

from collections.abc import Iterator

from templedb_nb.model.health import CheckAnswer, Health, HealthReport, Measured, Try
from templedb_nb.model.health_history import HealthTries
from templedb_nb.model.slots import SlotsReport
from templedb_nb.views import slots
from templedb_nb.views.format import many, moment, shown, table
from templedb_nb.views.text.base import INDENT, text
from templedb_nb.views.text.picture import WIDTH, sparkline

_EVIDENCE_LINES = 12


@text.register
def _(value: HealthReport) -> str:
    release = f", release {value.release}" if value.release else ""
    lines = [f"{value.target} of {value.slug}{release}: {value.outcome}"]
    for row in value.rows:
        lines += _row(row)
    return "\n".join(lines)


@text.register
def _(value: HealthTries) -> str:
    head = f"run {value.run[:13]} to {value.target}: {_KNOWN[value.health]}"
    if not value.rows:
        return head
    rows = [
        [
            str(row.step),
            row.check,
            moment(row.measured_at),
            row.outcome.value,
            f"{row.latency_ms} ms",
            row.message,
        ]
        for row in value.rows
    ]
    lines = [head, table(["STEP", "CHECK", "MEASURED", "OUTCOME", "LATENCY", "MESSAGE"], rows)]
    for name, tries in value.of_check.items():
        if len(tries) > 1:
            took = [each.latency_ms for each in tries]
            spark = sparkline(took[-WIDTH:])
            lines.append(f"{shown(name)}: {spark}  {min(took)} to {max(took)} ms")
    return "\n".join(lines)


_KNOWN = {
    Measured.NO_GATE: "it had no health check",
    Measured.HEALTHY: "healthy",
    Measured.UNHEALTHY: "unhealthy",
    Measured.INCONCLUSIVE: "inconclusive: the health could not be measured",
    Measured.NOT_MEASURED: "not measured: it ended before its checks were settled",
}


def _row(row: CheckAnswer) -> Iterator[str]:
    count = "1 try" if len(row.tries) == 1 else f"{len(row.tries)} tries"
    yield f"{INDENT}{row.outcome.value:12}  {shown(row.name)}  {shown(row.message)}  ({count})"
    if row.outcome is not Health.HEALTHY and row.evidence:
        found = row.evidence.splitlines()
        yield from (f"{INDENT * 2}| {shown(line)}" for line in found[:_EVIDENCE_LINES])
        if (left := len(found) - _EVIDENCE_LINES) > 0:
            yield f"{INDENT * 2}| … {many(left, 'more line')}; --json has what is kept"


def tried(name: str, one: Try) -> str:
    """Return one try as a line."""
    return f"{shown(name)}: {one.outcome} in {one.latency_ms} ms: {shown(one.message)}"


@text.register
def _(value: SlotsReport) -> str:
    lines = [f"{value.slug} to {value.target}"]
    for each in value.groups:
        lines += ["", f"{shown(each.group)}: {slots.traffic(each)}"]
        lines += [table(slots.COLUMNS, slots.rows(each))]
    return "\n".join(lines)
