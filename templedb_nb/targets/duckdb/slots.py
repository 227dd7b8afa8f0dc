"""What the ledger in a DuckDB file has of slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from templedb_nb.model.slots import SlotRecord
from templedb_nb.ports.claim import Claim
from templedb_nb.targets import ledger_rows, slot_rows
from templedb_nb.targets.duckdb import ledger
from templedb_nb.targets.duckdb.file import DuckdbFile
from templedb_nb.targets.duckdb.ledger_tables import version

_READ = (
    f"SELECT {slot_rows.COLUMNS} FROM templedb.slot"
    " WHERE project = ? AND scope = '' ORDER BY name, slot"
)
_KEEP = (
    f"INSERT OR REPLACE INTO templedb.slot (project, {slot_rows.COLUMNS})"
    f" VALUES (?, ?, ?, ?, ?, coalesce(?::TIMESTAMP, {ledger.NOW}), ?, ?)"
)


class DuckdbSlots(DuckdbFile):
    """The part of a session that keeps records of slots."""

    def slots(self, project: str) -> tuple[SlotRecord, ...]:
        """Return the record of each slot; nothing where no ledger has any."""
        if not self._path.exists():
            return ()
        with self._work() as connection:
            if not ledger.present(connection) or version(connection) < ledger_rows.SCOPED:
                return ()
            rows = connection.execute(_READ, [project]).fetchall()
        return tuple(slot_rows.record(row) for row in rows)

    def keep_slots(
        self, claim: Claim, records: Sequence[SlotRecord], what: str, detail: Mapping[str, str]
    ) -> None:
        """Write records, and that it happened, in one transaction."""
        with self._work() as connection:
            connection.execute("BEGIN")
            for each in records:
                row = [claim.project, *(_bare(value) for value in slot_rows.values(each))]
                connection.execute(_KEEP, row)
            if what:
                ledger.record(connection, claim.project, detail["slot"], "", what, dict(detail))
            connection.execute("COMMIT")


def _bare(value: Any) -> Any:
    """Return a time as UTC without its zone, as the file keeps it."""
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
