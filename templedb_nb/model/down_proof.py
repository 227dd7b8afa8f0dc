"""Whether down parts keep what they promise, as a copy of a database showed."""

from __future__ import annotations

from enum import StrEnum

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Slug
from templedb_nb.model.target import TargetName


class DownVerdict(StrEnum):
    """What came of going back and forth again."""

    HOLDS = "holds"
    DIFFERS = "differs"
    FAILED = "failed"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRow:
    """One migration; `told` is what failed, `diff` how the schema differs from what it was."""

    file: str
    verdict: DownVerdict
    told: str = ""
    diff: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Migrations in the order in which they were rolled back on the copy."""

    slug: Slug
    target: TargetName
    rows: tuple[ProofRow, ...]

    @property
    def holds(self) -> bool:
        """Return whether every down part leads back."""
        return all(row.verdict is DownVerdict.HOLDS for row in self.rows)
