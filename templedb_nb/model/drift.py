"""What of a database differs from what runs left of it, object by object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from templedb_nb.model.project import Slug
from templedb_nb.model.target import DatabaseName, Level, TargetName


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
    """What a database is compared with: its objects as they were at the end of `run`.

    `run` is empty where a person accepted them; `by` says who and why.
    """

    run: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How a database differs from its base; without one there is nothing to compare with.

    `behind` says why changes may be those of a run: one that broke off, or one that goes on.
    """

    base: Base | None = None
    changes: tuple[CatalogChange, ...] = ()
    behind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a database's objects were when a run began; `digests` are by name.

    With `whole`, there was nothing to compare with, or nothing that could be told apart.
    """

    digests: Mapping[str, str]
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRow:
    """One change, with the database that it is in."""

    database: DatabaseName
    change: CatalogChange


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """What differs in each database of a target; `notes` say what could not be told."""

    slug: Slug
    target: TargetName
    rows: tuple[DriftRow, ...]
    bases: tuple[tuple[DatabaseName, Base], ...] = ()
    notes: tuple[str, ...] = ()
    level: Level = Level.WARN
    strict: bool = False

    @property
    def forbids(self) -> bool:
        """Return whether what was found ends a command with an error."""
        return bool(self.rows) and (self.strict or self.level is Level.BLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetsDiffer:
    """What would turn the objects of `target` into those of `against`, by database."""

    slug: Slug
    target: TargetName
    against: TargetName
    rows: tuple[DriftRow, ...]
