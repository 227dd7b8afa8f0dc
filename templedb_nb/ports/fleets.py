"""What the state keeps of fleets, their plans and their rollouts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from templedb_nb.model.fleet import (
    Fleet,
    FleetPlan,
    MemberResult,
    RolloutRow,
    RolloutState,
    RolloutWish,
)
from templedb_nb.model.project import Slug


class FleetStore(Protocol):
    """Fleets by name, plans by address, and what became of each target."""

    def keep_fleet(self, fleet: Fleet) -> None:
        """Keep a fleet under its name, in place of one that had it."""
        ...

    def remove_fleet(self, slug: Slug, name: str) -> bool:
        """Forget a fleet, and say whether there was one; its plans and rollouts stay."""
        ...

    def fleets(self, slug: Slug) -> tuple[Fleet, ...]:
        """Return the fleets of a project, by name."""
        ...

    def keep_fleet_plan(self, plan: FleetPlan) -> None:
        """Keep a plan under its address."""
        ...

    def fleet_plan(self, slug: Slug, start: str) -> FleetPlan:
        """Return the one plan of the project whose id begins so, or raise."""
        ...

    def newest_fleet_plan(self, slug: Slug, fleet: str | None) -> FleetPlan | None:
        """Return the newest plan of a project, or of one of its fleets."""
        ...

    def begin_rollout(self, row: RolloutRow) -> None:
        """Record that a process carries out a plan."""
        ...

    def end_rollout(self, rollout: str, state: RolloutState, why: str, at: datetime) -> None:
        """Record how it ended."""
        ...

    def keep_results(
        self, rollout: str, plan: str, results: Sequence[MemberResult], at: datetime
    ) -> None:
        """Record how far targets have come."""
        ...

    def results(self, plan: str) -> tuple[MemberResult, ...]:
        """Return the newest result of each target that was tried under a plan."""
        ...

    def runs_of(self, plans: Collection[str]) -> dict[str, tuple[str, str | None, int | None]]:
        """Return the newest run of each of these plans of targets: run, outcome and exit code."""
        ...

    def rollouts(self, slug: Slug, plan: str | None, last: int) -> tuple[RolloutRow, ...]:
        """Return the newest rollouts, newest first."""
        ...

    def wish(self, rollout: str, wish: RolloutWish, parallel: int, by: str, at: datetime) -> None:
        """Record what somebody wants of a rollout."""
        ...

    def wishes(self, rollout: str) -> tuple[tuple[RolloutWish, int], ...]:
        """Return what people want of a rollout, in order, each with the number of `speed`."""
        ...

    def held(self, plan: str) -> AbstractContextManager[bool]:
        """Hold a plan for one process of this machine; False where another one holds it."""
        ...

    def alive(self, plan: str) -> bool:
        """Return whether a process of this machine carries the plan out now."""
        ...
