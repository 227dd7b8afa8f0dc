"""A release that moves from one target to the next: what a plan says of it, and its card."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import Measured
from templedb_nb.model.project import Slug
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import TargetName


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionGoal:
    """Which run's release a plan promotes, and from where; part of the plan's content.

    `config_hash` is the recipe that the plan follows: the run's own, or with `recipe_changed`
    today's. `manifest` addresses the artifacts that the run kept. `only_in_to` are migrations that
    the target has and `source` lacks, accepted for `reason`.
    """

    run: str
    source: TargetName
    tree: Digest
    config_hash: Digest
    manifest: str = ""
    recipe_changed: bool = False
    only_in_to: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One thing that must be true before a promotion: whether it is, and the reason."""

    name: str
    passed: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionSummary:
    """What a promotion brings, and what was looked at, as people read it.

    `since` is when the run ended on `source`. `recipe` are the lines in which the recipe of the
    run and today's differ, `used` says which of both the plan follows. `downgrade` says what newer
    release is in place, where there is one. `origin` says where the files come from.
    """

    run: str
    source: TargetName
    release: int
    since: datetime | None
    gates: tuple[GateResult, ...] = ()
    recipe: tuple[str, ...] = ()
    used: str = ""
    downgrade: str = ""
    accepted: tuple[str, ...] = ()
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePlace:
    """A release on one target: when it came, by whom, and how it is.

    `release` is its number, 0 where its files are not in this state. `target` is empty of a release
    that was deployed nowhere. `in_place` says that no other release came after it. `next_to` are
    the targets to which it could be promoted next.
    """

    release: int
    tree: Digest
    made_at: datetime | None = None
    target: str = ""
    run: str = ""
    run_kind: RunKind | None = None
    since: datetime | None = None
    started_by: str = ""
    in_place: bool = False
    health: Measured | None = None
    note: str = ""
    next_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseTable:
    """Releases by targets, newest release first; `notes` say what could not be asked."""

    json_kind: ClassVar[str] = "ReleaseTable"

    slug: Slug
    targets: tuple[TargetName, ...]
    rows: tuple[ReleasePlace, ...]
    notes: tuple[str, ...] = ()
