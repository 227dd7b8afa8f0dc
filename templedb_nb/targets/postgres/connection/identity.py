"""Which database a connection has reached, identified by what no other one has."""

from __future__ import annotations

from contextlib import suppress

import psycopg

from templedb_nb.model.dataclass import dataclass
from templedb_nb.targets.postgres.connection.connect import Connection
from templedb_nb.targets.postgres.ledger import snapshot as ledger_sql

_UUID = "SELECT v FROM templedb.meta WHERE k = 'target_uuid'"
_REPLICA = "SELECT pg_catalog.pg_is_in_recovery()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The server's system identifier with the database's number, and the ledger's own id.

    Either is empty where it is not known.
    """

    system: str = ""
    ledger: str = ""

    def refuses(self, connection: Connection) -> str:
        """Return why a connection is not one to this database, or nothing."""
        if connection.execute(_REPLICA).fetchone() == (True,):
            return "is a replica now: what it holds may be behind"
        found = identity(connection)
        one = self.system and found.system and self.system != found.system
        other = self.ledger and self.ledger != found.ledger
        return "is another database than before" if one or other else ""


def identity(connection: Connection) -> Identity:
    """Return which database this is, as far as the role may know."""
    return Identity(system=ledger_sql.system(connection), ledger=_ledger(connection))


def _ledger(connection: Connection) -> str:
    with suppress(psycopg.Error), connection.transaction():
        row = connection.execute(_UUID).fetchone()
        return str(row[0]) if row else ""
    return ""
