"""History to look at: runs in time, how long they took, how often there were any."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.history import EVERYTHING, HistoryScope, RunRow, StatsRow
from templedb_nb.model.project import Slug


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Runs of a project, oldest first: when what was deployed where, and how that ended."""

    json_kind: ClassVar[str] = "Timeline"

    slug: Slug
    rows: tuple[RunRow, ...]
    scope: HistoryScope = EVERYTHING

    @property
    def targets(self) -> tuple[str, ...]:
        """Return the targets, in the order of their first run."""
        return tuple(dict.fromkeys(str(each.target) for each in self.rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """Runs that succeeded, oldest first: how long each took, for each target."""

    json_kind: ClassVar[str] = "Durations"

    slug: Slug
    rows: tuple[RunRow, ...]
    scope: HistoryScope = EVERYTHING

    @property
    def of_target(self) -> dict[str, tuple[RunRow, ...]]:
        """Return the runs of each target."""
        names = dict.fromkeys(str(each.target) for each in self.rows)
        return {name: tuple(r for r in self.rows if r.target == name) for name in names}


class ChartPeriod(StrEnum):
    """What runs are counted by."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequency:
    """Runs that ended, counted by target and span of time in UTC, oldest first."""

    json_kind: ClassVar[str] = "Frequency"

    slug: Slug
    by: ChartPeriod
    rows: tuple[StatsRow, ...]
    scope: HistoryScope = EVERYTHING

    @property
    def spans(self) -> tuple[str, ...]:
        """Return every span from the first run to the last, also those without a run.

        There are some before the first, so that one day is not one bar; but those alone that have
        a run, where all would be too many to see.
        """
        ran = sorted({each.span for each in self.rows})
        if not ran:
            return ()
        first, last = (_began(ran[0], self.by), _began(ran[-1], self.by))
        found = [last]
        while len(found) <= MOST_SPANS and (found[-1] > first or len(found) < FEWEST[self.by]):
            found.append(_before(found[-1], self.by))
        return (
            tuple(ran) if len(found) > MOST_SPANS else tuple(_span(e, self.by) for e in found)[::-1]
        )


MOST_SPANS = 400
FEWEST = {
    ChartPeriod.HOUR: 12,
    ChartPeriod.DAY: 7,
    ChartPeriod.WEEK: 6,
    ChartPeriod.MONTH: 6,
}
"""So many spans are on the axis at least."""
_DAYS = {2: ChartPeriod.HOUR, 31: ChartPeriod.DAY, 366: ChartPeriod.WEEK}
"""Runs within so many days are counted by that."""
_FORMATS = {
    ChartPeriod.HOUR: "%Y-%m-%d %H:00",
    ChartPeriod.DAY: "%Y-%m-%d",
    ChartPeriod.WEEK: "%G-W%V",
    ChartPeriod.MONTH: "%Y-%m",
}


def suited(days: Collection[str]) -> ChartPeriod:
    """Return what runs on those days, as ``2026-11-30``, are counted by."""
    if not days:
        return ChartPeriod.DAY
    first, last = (_began(each, ChartPeriod.DAY) for each in (min(days), max(days)))
    wide = (last - first).days + 1
    return next((by for most, by in _DAYS.items() if wide <= most), ChartPeriod.MONTH)


def _began(span: str, by: ChartPeriod) -> datetime:
    """Return when a span of time begins, in UTC."""
    if by is ChartPeriod.WEEK:
        return datetime.strptime(f"{span}-1", "%G-W%V-%u").replace(tzinfo=UTC)
    return datetime.strptime(span, _FORMATS[by]).replace(tzinfo=UTC)


def _before(began: datetime, by: ChartPeriod) -> datetime:
    """Return when the span before begins."""
    match by:
        case ChartPeriod.HOUR:
            return began - timedelta(hours=1)
        case ChartPeriod.DAY:
            return began - timedelta(days=1)
        case ChartPeriod.WEEK:
            return began - timedelta(weeks=1)
        case ChartPeriod.MONTH:
            return (began - timedelta(days=1)).replace(day=1)


def _span(began: datetime, by: ChartPeriod) -> str:
    return began.strftime(_FORMATS[by])
