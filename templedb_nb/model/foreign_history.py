"""What another tool's table says has been done to a database, and what of it holds here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Slug
from templedb_nb.model.target import DatabaseName, TargetName

Row = Mapping[str, object]


class ImportConfidence(StrEnum):
    """How far one row of another tool's table is believed."""

    VERIFIED = "verified"
    """The tool's own checksum of the file here is the one in its table."""
    ASSUMED = "assumed"
    """The tool keeps nothing that could prove it."""
    EDITED = "edited"
    """The file here is not the one that ran."""
    MISSING = "missing"
    """There is no file here."""
    IN_DOUBT = "in doubt"
    """The tool itself does not know what became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignHistory:
    """A table of another tool, as one moment shows it; `busy` while that tool holds its lock.

    Of a table that the role may not read, `denied` names the role, and there are no rows.
    """

    tool: str
    schema: str
    table: str
    rows: tuple[Row, ...]
    locks: tuple[int, ...] = ()
    busy: bool = False
    denied: str = ""

    @property
    def where(self) -> str:
        """Name the table."""
        return f"{self.schema}.{self.table}"

    @property
    def title(self) -> str:
        """Name the tool and its table."""
        return f"{self.tool} ({self.where})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRow:
    """What a table says of one migration that is in effect; `at` is as the tool wrote it.

    `sure` is false where the tool does not know what became of it. `again` is one that runs
    whenever its text changes.
    """

    key: str
    name: str = ""
    sure: bool = True
    again: bool = False
    at: str = ""
    by: str = ""
    checksum: str = ""
    note: str = ""
    row: Row | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionRow:
    """One migration: what is believed of it, and whether the ledger has it already."""

    key: str
    file: str
    verdict: ImportConfidence
    note: str = ""
    at: str = ""
    known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What an import writes into the ledger; `pending` are files that the tool has not run."""

    json_kind: ClassVar[str] = "Adoption"

    slug: Slug
    target: TargetName
    database: DatabaseName
    source: str
    rows: tuple[AdoptionRow, ...]
    pending: int
    busy: bool = False

    @property
    def new(self) -> int:
        """Return how many the ledger does not have yet."""
        return sum(not row.known for row in self.rows)

    def count(self, verdict: ImportConfidence) -> int:
        """Return how many are believed that far."""
        return sum(row.verdict is verdict for row in self.rows)
