"""What of a database differs from what runs left of it, object by object."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Slug
from templedb_nb.model.target import DatabaseName, FindingLevel, TargetName


class ChangeKind(StrEnum):
    """What became of one object."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogChange:
    """One object, named with its kind: ``table public.orders``; definitions as text."""

    name: str
    kind: ChangeKind
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a database is compared with: its objects as they were when `run` left or met them.

    `run` is empty where a person accepted them; `by` says who and why. `server` is the one that
    printed the definitions, such as ``PostgreSQL 16``; an earlier templedb did not keep it.
    """

    run: str
    by: str
    at: datetime
    server: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How a database differs from its base; without one there is nothing to compare with.

    `behind` says why changes may be those of a run: one that broke off, or one that goes on.
    `reprinted` are objects whose definitions read otherwise than in a base that another server, or
    an earlier templedb, printed; `printer` says which. They may be what they were.
    """

    base: Base | None = None
    changes: tuple[CatalogChange, ...] = ()
    behind: str = ""
    reprinted: tuple[str, ...] = ()
    printer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogMark:
    """What a database's objects were when a run began; `digests` are by name."""

    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Printer:
    """Who words the definitions: a server, and the question of ours, by its digest."""

    server: str
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerStanding:
    """What a ledger says that runs did: of each project, a digest over what stands.

    A migration that failed and left nothing does not stand, so that such a run changes no digest.
    `going` are projects whose runs go on; `counts` is what an earlier templedb kept in its place.
    """

    projects: Mapping[str, str]
    going: frozenset[str] = frozenset()
    counts: tuple[int, int] = (-1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBase:
    """The fact that a ledger keeps of its base; one of an earlier templedb has no `projects`."""

    base: Base
    printer: Printer
    projects: Mapping[str, str] | None = None
    counts: tuple[int, int] = (-1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRow:
    """One change, with the database that it is in."""

    database: DatabaseName
    change: CatalogChange


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """What differs in each database of a target; `notes` say what could not be told.

    `reprinted` are objects whose definitions another server, or an earlier templedb, worded.
    """

    json_kind: ClassVar[str] = "DriftReport"

    slug: Slug
    target: TargetName
    rows: tuple[DriftRow, ...]
    bases: tuple[tuple[DatabaseName, Base], ...] = ()
    notes: tuple[str, ...] = ()
    reprinted: tuple[tuple[DatabaseName, str], ...] = ()
    level: FindingLevel = FindingLevel.WARN
    strict: bool = False

    @property
    def forbids(self) -> bool:
        """Return whether what was found ends a command with an error."""
        return bool(self.rows) and (self.strict or self.level is FindingLevel.BLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetsDiffer:
    """What would turn the objects of `target` into those of `against`, by database."""

    json_kind: ClassVar[str] = "TargetsDiffer"

    slug: Slug
    target: TargetName
    against: TargetName
    rows: tuple[DriftRow, ...]
