"""Another tool's table that is written along with ours, so that one can go back to the tool."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DualWriteTable:
    """Whose table a project's ledger writes along."""

    tool: str
    schema: str
    table: str

    @property
    def title(self) -> str:
        """Name the tool and its table."""
        return f"{self.tool} ({self.schema}.{self.table})"


@dataclass(frozen=True, slots=True, kw_only=True)
class DualWrite:
    """What stands in the tool's table of one migration, as the tool itself would write it.

    `key` is the migration's in the ledger; `version` is empty for what Flyway repeats.
    """

    into: DualWriteTable
    key: str
    version: str
    name: str = ""
    script: str = ""
    checksum: str = ""
