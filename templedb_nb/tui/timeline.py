"""Runs over time, a column for each day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.text import Text

from templedb_nb.model.event import Outcome
from templedb_nb.model.history import RunRow
from templedb_nb.views.format import many
from templedb_nb.views.text.picture import LEVELS

DAYS = 56
BAD = "✗"


def days(rows: Sequence[RunRow], now: datetime, room: int) -> Text:
    """Return how many runs began on each of the last days, and on which one did not succeed."""
    if not rows:
        return Text("")
    count = min(DAYS, max(room - 36, 7))
    last = now.astimezone(UTC).date()
    span = [last - timedelta(days=n) for n in range(count - 1, -1, -1)]
    began = Counter(row.started_at.astimezone(UTC).date() for row in rows)
    failed = Counter(row.started_at.astimezone(UTC).date() for row in rows if _bad(row))
    most = max((began[day] for day in span), default=0) or 1
    bars = "".join(_block(began[day], most) for day in span)
    signs = "".join(BAD if failed[day] else " " for day in span)
    runs, bad = sum(began[day] for day in span), sum(failed[day] for day in span)
    told = Text.assemble(
        (f"{span[0]:%m-%d} ", "dim"), bars, (f" {last:%m-%d}  ", "dim"), many(runs, "run")
    )
    under = Text.assemble(
        " " * 6, (signs, "bold red"), " " * 8, f"{BAD} {bad} did not succeed" if bad else ""
    )
    return Text("\n").join([told, under])


def _block(count: int, most: int) -> str:
    return LEVELS[max(round(count / most * len(LEVELS)) - 1, 0)] if count else "·"


def _bad(row: RunRow) -> bool:
    return row.outcome not in {None, Outcome.SUCCEEDED}
