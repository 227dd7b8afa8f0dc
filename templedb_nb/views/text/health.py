"""How a target is, as plain text."""

from __future__ import annotations

from collections.abc import Iterator

from templedb_nb.model.health import CheckAnswer, Health, HealthReport, Try
from templedb_nb.views.format import many, shown
from templedb_nb.views.text.base import INDENT, text

_EVIDENCE_LINES = 12


@text.register
def _(value: HealthReport) -> str:
    release = f", release {value.release}" if value.release else ""
    lines = [f"{value.target} of {value.slug}{release}: {value.outcome}"]
    for row in value.rows:
        lines += _row(row)
    return "\n".join(lines)


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
