"""The lock of a project on a database: an advisory lock that excludes, and a row that tells."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg

from templedb_nb.errors import Busy, LedgerRefused
from templedb_nb.failpoints import reach
from templedb_nb.model.ledger import Holder
from templedb_nb.ports.claim import Claim
from templedb_nb.targets.postgres.connection.connect import Connection, first_line
from templedb_nb.targets.postgres.connection.wire import Link
from templedb_nb.targets.postgres.ledger import snapshot as ledger_sql
from templedb_nb.targets.postgres.ledger.repair import (
    create_what_is_missing,
    make_whole,
)


class AdvisoryLock:
    """The lock of *project*, as the session of *link* holds it; losing one loses the other."""

    def __init__(self, link: Link, project: str) -> None:
        """Take nothing yet."""
        self._link = link
        self._project = project
        self.key = lock_key(project)

    def take(self, claim: Claim, waiting: Callable[[str], None]) -> None:
        """Poll for the lock: a session that blocks in pg_advisory_lock deadlocks with others."""
        told = False
        end = time.monotonic() + claim.wait_s
        while not self._taken():
            holder = self._holder()
            if time.monotonic() > end:
                raise self._busy(holder)
            if not told:
                waiting(str(holder) if holder else _NOBODY)
                told = True
            time.sleep(random.uniform(0.05, 0.3))  # noqa: S311 - jitter

    def _taken(self) -> bool:
        """Take the lock, unless the server still works for a psql whose run is gone."""
        row = self._link.connection.execute(
            _TAKE.encode(), [self.key, *halves(psql_key(self._project))]
        )
        mine, psql = row.fetchone() or (False, False)
        if mine and psql:
            self._try("pg_advisory_unlock", self.key)
        return bool(mine) and not psql

    def try_transaction(self) -> bool:
        """Take the lock of the open transaction too; false if another session has the lock."""
        return self._try("pg_try_advisory_xact_lock", self.key)

    def again(self) -> str:
        """Return the query that takes the lock once more: true unless another session has it.

        A script may have let it go (``pg_advisory_unlock_all``, ``DISCARD ALL``).
        """
        return f"SELECT pg_catalog.pg_try_advisory_lock({self.key})"

    def create_ledger(
        self, wait_s: float, *, repair: bool = False, restores: Collection[str] = ()
    ) -> None:
        """Create the ledger, or bring it up to date, under a lock of its own.

        Other projects may be doing so right now. A ledger of which tables are gone is made whole
        with *repair* alone: else nobody would know any more what it had said. The rows of the keys
        that the run *restores* are left to it.
        """
        connection = self._link.connection
        end = time.monotonic() + max(wait_s, 5.0)
        if repair and ledger_sql.present(connection):
            with self._creating(end):
                make_whole(connection, self._project, restores)
        while not ledger_sql.ready(connection):
            try:
                self._bring_up_to_date(end, repair=repair)
            except Busy:
                if time.monotonic() > end:
                    raise
                time.sleep(random.uniform(0.05, 0.3))  # noqa: S311 - jitter

    @contextmanager
    def _creating(self, end: float) -> Iterator[None]:
        """Hold, in a transaction, the lock under which the ledger's tables are made."""
        with self._link.connection.transaction():
            while not self._try("pg_try_advisory_xact_lock", ledger_sql.CREATE_LOCK):
                if time.monotonic() > end:
                    raise Busy(f"another session is creating the ledger of {self._link.where}")
                time.sleep(random.uniform(0.02, 0.1))  # noqa: S311 - jitter
            yield

    def _bring_up_to_date(self, end: float, *, repair: bool) -> None:
        connection = self._link.connection
        with self._creating(end):
            if not ledger_sql.present(connection):
                self._create(connection, repair=repair)
            elif not ledger_sql.ready(connection):
                ledger_sql.upgrade(connection)
            reach("ledger.made", self._link.cut)

    def _create(self, connection: Connection, *, repair: bool) -> None:
        if repair:
            create_what_is_missing(connection)
            return
        if there := ledger_sql.remains(connection):
            message = (
                f"the ledger of {self._link.where} is incomplete: of its tables there are only"
            )
            hint = "on the machine that deployed it: templedb migration restore-ledger --reason WHY"
            raise LedgerRefused(f"{message} {', '.join(there)}", hint=hint)
        ledger_sql.create(connection)

    def write_row(self, claim: Claim) -> None:
        """Say who holds the lock."""
        connection = self._link.connection
        try:
            connection.execute(
                "INSERT INTO templedb.lock (project, run, owner, host, pid, backend_pid, reason)"
                " VALUES (%s, %s, %s, %s, %s, pg_catalog.pg_backend_pid(), %s)"
                " ON CONFLICT (project, scope) DO UPDATE SET run = excluded.run,"
                " owner = excluded.owner,"
                " host = excluded.host, pid = excluded.pid, backend_pid = excluded.backend_pid,"
                " reason = excluded.reason, since = excluded.since,"
                " heartbeat = excluded.heartbeat, cancel = '', until = NULL",
                [claim.project, claim.run, claim.owner, claim.host, claim.pid, claim.reason],
            )
        except psycopg.errors.InsufficientPrivilege as error:
            message = f"role {connection.info.user!r} may not write the ledger"
            hint = "templedb target ledger-sql prints the GRANTs for its owner"
            raise LedgerRefused(f"{message}: {first_line(error)}", hint=hint) from None

    def hold_until(self, claim: Claim, until: datetime | None) -> None:
        """Say until when the lock is meant to be kept; it may be let go earlier."""
        self._link.connection.execute(
            "UPDATE templedb.lock SET until = %s WHERE project = %s AND scope = '' AND run = %s",
            [until, claim.project, claim.run],
        )

    def release(self, claim: Claim) -> None:
        """Take the row away, then let the lock go, however often it was taken."""
        if self._link.lost:
            return
        # The row while the lock is ours: let go first, a run that takes it at once would read our
        # name. All of it at once, for `again` has taken it once more behind each migration.
        self._link.roll_back()
        self._link.connection.execute(
            "DELETE FROM templedb.lock WHERE project = %s AND scope = '' AND run = %s",
            [claim.project, claim.run],
        )
        self._link.connection.execute("SELECT pg_catalog.pg_advisory_unlock_all()")

    def _try(self, function: str, key: int) -> bool:
        row = self._link.connection.execute(f"SELECT pg_catalog.{function}(%s)".encode(), [key])
        return row.fetchone() == (True,)

    def _holder(self) -> Holder | None:
        connection = self._link.connection
        if not ledger_sql.present(connection):
            return None
        return ledger_sql.read_holder(connection, self._project, places(self._project))

    def _busy(self, holder: Holder | None) -> Busy:
        who, lasts = _NOBODY, ""
        if holder:
            who = str(holder)
            usual = ledger_sql.usual_duration_s(self._link.connection, self._project)
            lasts = f"; such runs usually last {_spoken(usual)}" if usual is not None else ""
        hint = "to wait: --lock-wait 15m; to watch: templedb run attach; who: templedb lock show"
        return Busy(f"{self._link.where} is locked by {who}{lasts}", hint=hint)


_NOBODY = "another session that is not identified yet"
_TAKE = """
SELECT pg_catalog.pg_try_advisory_lock(%s), EXISTS (
  SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
  AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND classid = %s AND objid = %s)
"""


def _spoken(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def lock_key(project: str) -> int:
    """Return the advisory lock's key: constant for a project, whatever its alias."""
    return int.from_bytes(hashlib.sha256(f"templedb:{project}".encode()).digest()[:8], signed=True)


def psql_key(project: str) -> int:
    """Return the key that a psql holds while the server works for it.

    It is a session of its own: where its run dies, that run's lock is free before its work is over.
    """
    return int.from_bytes(
        hashlib.sha256(f"templedb-psql:{project}".encode()).digest()[:8], signed=True
    )


def places(project: str) -> tuple[int, int, int, int]:
    """Return both keys of a project as pg_locks shows them: the run's, and that of its psql."""
    return *halves(lock_key(project)), *halves(psql_key(project))


def halves(key: int) -> tuple[int, int]:
    """Return the key as pg_locks shows it: two unsigned halves."""
    whole = key % (1 << 64)
    return whole >> 32, whole & 0xFFFFFFFF
