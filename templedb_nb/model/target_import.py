"""What a file of targets changes."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Slug
from templedb_nb.model.target import TargetName


class TargetChange(StrEnum):
    """What becomes of one target."""

    NEW = "new"
    CHANGED = "changed"
    GONE = "gone"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedTarget:
    """One target that is not as it was; `what` is how, `line` where the file names it."""

    target: TargetName
    change: TargetChange
    line: int | None = None
    what: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetImport:
    """What a file of targets changed, or would change; `same` counts those that stay as they are.

    A target is `gone` if an earlier file added it and this one does not name it: it stays, unless
    it was to be removed.
    """

    json_kind: ClassVar[str] = "TargetImport"

    slug: Slug
    file: str
    rows: tuple[ImportedTarget, ...]
    same: int
    dry_run: bool = False

    def count(self, change: TargetChange) -> int:
        """Return how many targets of that change there are."""
        return sum(row.change is change for row in self.rows)
