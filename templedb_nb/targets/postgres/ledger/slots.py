"""What the ledger in PostgreSQL has of slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from templedb_nb.model.slots import SlotRecord
from templedb_nb.ports.claim import Claim
from templedb_nb.targets import ledger_rows, slot_rows
from templedb_nb.targets.postgres.connection.connect import Connection, translated
from templedb_nb.targets.postgres.connection.wire import Link
from templedb_nb.targets.postgres.ledger import snapshot
from templedb_nb.targets.postgres.ledger.records import record

_READ = (
    f"SELECT {slot_rows.COLUMNS} FROM templedb.slot"  # noqa: S608 - names of ours
    " WHERE project = %s AND scope = '' ORDER BY name, slot"
)
_KEEP = (
    f"INSERT INTO templedb.slot (project, {slot_rows.COLUMNS})"  # noqa: S608 - names of ours
    " VALUES (%s, %s, %s, %s, %s, coalesce(%s, pg_catalog.clock_timestamp()), %s, %s::jsonb)"
    " ON CONFLICT (project, scope, name, slot) DO UPDATE SET state = excluded.state,"
    " run = excluded.run, since = excluded.since, keep_until = excluded.keep_until,"
    " detail = excluded.detail"
)


class PostgresSlots:
    """The part of a session that keeps records of slots."""

    _link: Link

    def slots(self, project: str) -> tuple[SlotRecord, ...]:
        """Return the record of each slot; nothing where no ledger has any."""
        with translated(self._link.where):
            return read(self._link.connection, project)

    def keep_slots(
        self, claim: Claim, records: Sequence[SlotRecord], what: str, detail: Mapping[str, str]
    ) -> None:
        """Write records, and that it happened, in one transaction."""
        with translated(self._link.where), self._link.connection.transaction():
            for each in records:
                row = [claim.project, *slot_rows.values(each)]
                self._link.connection.execute(_KEEP, row)
            if what:
                record(self._link.connection, claim, detail["slot"], "", what, dict(detail))


def read(connection: Connection, project: str) -> tuple[SlotRecord, ...]:
    """Return the record of each slot of a project."""
    if not snapshot.present(connection) or snapshot.version(connection) < ledger_rows.SCOPED:
        return ()
    if "slot" not in snapshot.remains(connection):
        return ()
    rows = connection.execute(_READ, [project]).fetchall()
    return tuple(slot_rows.record(row) for row in rows)
