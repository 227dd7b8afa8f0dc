"""History to look at: runs in time, how long they took, how often there were any."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from templedb_nb.model.history import RunRow, StatsRow
from templedb_nb.model.project import Slug


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Runs of a project, oldest first: when what was deployed where, and how that ended."""

    json_kind: ClassVar[str] = "Timeline"

    slug: Slug
    rows: tuple[RunRow, ...]

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

    @property
    def of_target(self) -> dict[str, tuple[RunRow, ...]]:
        """Return the runs of each target."""
        names = dict.fromkeys(str(each.target) for each in self.rows)
        return {name: tuple(r for r in self.rows if r.target == name) for name in names}


class ChartPeriod(StrEnum):
    """What runs are counted by."""

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

    @property
    def spans(self) -> tuple[str, ...]:
        """Return every span in which there was a run."""
        return tuple(sorted({each.span for each in self.rows}))
