"""What runs have measured of health."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import Cause, Health, Measured
from templedb_nb.model.project import Slug
from templedb_nb.model.target import TargetName


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthTry:
    """One try of a check of a run; `step` counts from 1, `measured_at` is when it was over."""

    step: int
    check: str
    measured_at: datetime
    outcome: Health
    cause: Cause
    latency_ms: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthTries:
    """Every try of a run's health checks, in order, and what they came to."""

    json_kind: ClassVar[str] = "HealthTries"

    slug: Slug
    target: TargetName
    run: str
    health: Measured
    rows: tuple[HealthTry, ...]

    @property
    def of_check(self) -> dict[str, tuple[HealthTry, ...]]:
        """Return the tries of each check."""
        names = dict.fromkeys(each.check for each in self.rows)
        return {name: tuple(r for r in self.rows if r.check == name) for name in names}
