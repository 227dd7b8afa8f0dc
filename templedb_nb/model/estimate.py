"""How long a plan will probably take, by what its target took before."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEstimate:
    """What a step took before: the median in milliseconds, of so many times in so many runs."""

    median_ms: int
    times: int
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Milliseconds for each step of a plan, in order; None where the target has no history of it.

    `runs` is in how many former runs the history is found. A migration runs once: its time is the
    median of so many `others`, which is 0 for a step with a history of its own.
    """

    steps: tuple[int | None, ...] = ()
    runs: int = 0
    others: tuple[int, ...] = ()

    @property
    def total_ms(self) -> int | None:
        """Return how long all steps will take, or None while any of them is unknown."""
        known = [each for each in self.steps if each is not None]
        return sum(known) if known and len(known) == len(self.steps) else None

    @property
    def by_others(self) -> int:
        """Return of how many other migrations the times of migrations are the median, at most."""
        return max(self.others, default=0)
