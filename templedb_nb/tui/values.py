"""What the terminal draws: values of the use cases, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from templedb_nb.model.approval import ApprovalStanding
from templedb_nb.model.board import DriftGlance, TargetNow
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.history import RunRow
from templedb_nb.model.plan import Preview
from templedb_nb.model.project import Slug
from templedb_nb.model.result import Result
from templedb_nb.model.status import TargetStatus
from templedb_nb.model.target import Target, TargetName
from templedb_nb.model.waiting import WaitingList, WaitingPlan

Place = tuple[str, str]
"""A project and one of its targets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What the files of the state look like: while it is the same, nothing is read again."""

    state: tuple[int, int, int] = (0, 0, 0)
    journals: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the state has: targets, runs newest first, and the newest plans and words on plans.

    `more` says that it has older runs, too.
    """

    path: str = ""
    targets: tuple[tuple[Slug, Target], ...] = ()
    runs: tuple[RunRow, ...] = ()
    more: bool = False
    plans: tuple[tuple[str, str, str, datetime], ...] = ()
    said: tuple[object, ...] = ()
    at: datetime | None = None

    def newest(self) -> dict[Place, RunRow]:
        """Return the newest run of each target, among those that are here."""
        return {(row.slug, row.target): row for row in reversed(self.runs)}


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTarget:
    """What a target said, and when."""

    status: TargetStatus
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLine:
    """One target: what it said, what goes on there, what ended last, and which plans wait."""

    slug: Slug
    target: Target
    asked: AskedTarget | None = None
    live: Result | None = None
    last: RunRow | None = None
    waiting: tuple[WaitingPlan, ...] = ()
    seen: DriftGlance | None = None

    @property
    def place(self) -> Place:
        """Return its project and its name."""
        return self.slug, self.target.name

    @property
    def wants(self) -> bool:
        """Return whether it needs attention: somebody must look, or something must end."""
        found = self.asked.status if self.asked else None
        return bool(self.live or self.now.wants or (found and found.wants))

    @property
    def drift(self) -> DriftGlance | None:
        """Return what differed when it was last looked at, if there was something to compare."""
        found = self.asked.status if self.asked else None
        return self.seen if found and (found.last_run or found.applied) else None

    @property
    def now(self) -> TargetNow:
        """Return what the board would say of it, beside a run that goes on."""
        return TargetNow(
            slug=self.slug, target=self.target.name, waiting=self.waiting, drift=self.drift
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlook:
    """Everything that the lists show; `asking` is how many targets have not answered yet.

    The files of the state were looked at last at `looked_at`: nothing was newer than this then.
    """

    remembered: Remembered = field(default_factory=Remembered)
    asked: Mapping[Place, AskedTarget] = field(default_factory=dict)
    drift: Mapping[Place, DriftGlance | None] = field(default_factory=dict)
    waiting: WaitingList | None = None
    live: tuple[Result, ...] = ()
    asking: int = 0
    looked_at: datetime | None = None

    def lines(self) -> tuple[TargetLine, ...]:
        """Return every target, by project and name."""
        newest = self.remembered.newest()
        live = {(each.slug, each.target): each for each in self.live}
        waits: dict[Place, list[WaitingPlan]] = {}
        for each in self.waiting.rows if self.waiting else ():
            waits.setdefault((each.slug, each.target), []).append(each)
        return tuple(
            TargetLine(
                slug=slug,
                target=target,
                asked=self.asked.get((slug, target.name)),
                live=live.get((slug, target.name)),
                last=newest.get((slug, target.name)),
                waiting=tuple(waits.get((slug, target.name), ())),
                seen=self.drift.get((slug, target.name)),
            )
            for slug, target in self.remembered.targets
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRun:
    """A run, and the plan that it carried out, where the state has it."""

    result: Result
    preview: Preview | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPlan:
    """A plan, and how it stands with those who may approve it."""

    preview: Preview
    standing: ApprovalStanding
    newer: str = ""
    """Why it cannot be approved any more, if it cannot."""

    @property
    def target(self) -> TargetName:
        """Return where it would run."""
        return self.preview.plan.target
