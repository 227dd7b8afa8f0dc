"""The one connection of a session: it both holds the lock and does the work."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import psycopg
from psycopg import ClientCursor, generators
from psycopg import errors as pg_errors
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult

from templedb_nb.core.address.route import alone
from templedb_nb.errors import TargetError, Unresolved
from templedb_nb.failpoints import reach
from templedb_nb.model.route import Route
from templedb_nb.model.server_message import MessageLevel, ServerMessage
from templedb_nb.model.target import DatabaseName, TargetName
from templedb_nb.targets.postgres.connection.connect import FINE, Connection, lost, open_connection
from templedb_nb.targets.postgres.connection.identity import Identity, identity
from templedb_nb.targets.postgres.connection.route import here
from templedb_nb.targets.postgres.ledger.guard import LedgerMemory

RECONNECT_S = 30.0
CANCEL_S = 5.0
Ear = Callable[[ServerMessage], None]
CLEAN = (
    "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; DEALLOCATE ALL;"
    " DISCARD TEMP; DISCARD SEQUENCES"
)
"""Resets what a script leaves in a session. Never DISCARD ALL: it drops the lock."""


class Link:
    """A connection that can be opened again; everybody who works on the session shares it."""

    def __init__(self, route: Route, target: TargetName, database: DatabaseName, name: str) -> None:
        """Connect by *route*, under *name* in pg_stat_activity."""
        self.route = route
        self.target = target
        self.database = database
        self.name = name
        self._ears: list[Ear] = []
        self._broken: BaseException | None = None
        self.connection: Connection = self._opened(route)
        self.here = here(route, self.connection)
        """The one server that was reached; other sessions of the run go there, too."""
        self.identity = Identity()
        self.books = LedgerMemory()
        """What the session knows of the ledger."""

    @property
    def where(self) -> str:
        """Return the target and its database, as messages name them."""
        return f"target {self.target} ({self.here.address})"

    def recognise(self) -> None:
        """Learn which database this is, so that no other one is taken for it later."""
        self.identity = identity(self.connection)

    def _opened(self, way: Route) -> Connection:
        connection = open_connection(way, self.name)
        connection.add_notice_handler(self._noticed)
        return connection

    def _noticed(self, told: Diagnostic) -> None:
        """Give on what the server says while somebody listens.

        The driver swallows what is raised here: it ends the statement, and is raised behind it.
        """
        try:
            if self._ears and self._broken is None:
                self._ears[-1](said(told))
        except BaseException as error:  # noqa: BLE001 - raised again by `hearing`
            self._broken = error
            with suppress(psycopg.Error):
                self.connection.cancel_safe(timeout=CANCEL_S)

    @contextmanager
    def hearing(self, ear: Ear) -> Iterator[None]:
        """Let *ear* hear what the server says beside its answers, while the block runs."""
        self._ears.append(ear)
        try:
            yield
        finally:
            self._ears.remove(ear)
            if self._broken is not None:
                broken, self._broken = self._broken, None
                raise broken

    def ranks(self) -> dict[str, MessageLevel]:
        """Return the server's words for its ranks, by a notice and a warning that do no harm."""
        found: list[tuple[str, MessageLevel]] = []

        def heard(told: Diagnostic) -> None:
            found.append((told.severity or "", said(told).level))

        self.connection.add_notice_handler(heard)
        try:
            self.connection.execute(f"SELECT 1 AS {'too_long_' * 8}".encode())
            self.connection.execute(b"ROLLBACK")
        finally:
            self.connection.remove_notice_handler(heard)
        return dict(found)

    @property
    def lost(self) -> bool:
        """Return whether the connection is of no more use."""
        return lost(self.connection)

    @property
    def in_transaction(self) -> bool:
        """Return whether a transaction is open and sound."""
        return self.connection.info.transaction_status == TransactionStatus.INTRANS

    def cut(self) -> None:
        """Drop the connection under the session's feet, as a network does: a rehearsal."""
        with socket.socket(fileno=os.dup(self.connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)

    def batch(
        self, text: str, values: Sequence[object] = (), sent: str | None = None
    ) -> list[PGresult]:
        """Send several statements in one message, and return what came back for each.

        The first that fails ends the batch, and its error is the last of the results. A lost
        connection raises `psycopg.OperationalError`. *sent* is the place to rehearse a failure
        between the message and its answer.
        """
        query = ClientCursor(self.connection).mogrify(text.encode(), values) if values else text
        pgconn = self.connection.pgconn
        pgconn.send_query(query.encode())
        if sent:
            self.connection.wait(generators.send(pgconn))
            try:
                reach(sent, self.cut)
            except BaseException:
                # The message is out: who asks the ledger next must ask behind its answer.
                self.drain()
                raise
        results: list[PGresult] = self.connection.wait(generators.execute(pgconn))
        return results

    def drain(self) -> None:
        """Read the answer to a message that is out, and leave it; the session is free then."""
        with suppress(psycopg.Error):
            self.connection.wait(generators.execute(self.connection.pgconn))

    def roll_back(self) -> None:
        """Leave whatever transaction is open."""
        with suppress(psycopg.Error):
            if not self.lost:
                self.connection.rollback()

    def clean(self) -> None:
        """Reset what a script leaves in the session: roles, settings, temporary tables."""
        with suppress(psycopg.Error):
            if not self.lost:
                self.connection.execute(CLEAN.encode())

    def reopen(self, about: str) -> None:
        """Connect again to the same database, for as long as it may take; *about* is at stake.

        Of several hosts another one may answer: a replica, which lags, or a stranger. Neither can
        say what became of the work.
        """
        with suppress(psycopg.Error):
            self.connection.close()
        end = time.monotonic() + RECONNECT_S
        while True:
            try:
                self._open_same(alone(self.route, self.here))
            except (TargetError, psycopg.Error) as error:
                if time.monotonic() > end:
                    hint = "the outcome, once the server answers: templedb migration status"
                    message = f"{about}: the connection was lost for good"
                    raise Unresolved(message, hint=hint, problems=[str(error)]) from None
                time.sleep(random.uniform(0.2, 1.0))  # noqa: S311 - jitter
            else:
                return

    def _open_same(self, ways: Sequence[Route]) -> None:
        """Open the first of *ways* that leads to the same database, or raise for the last one."""
        for way in ways[:-1]:
            with suppress(TargetError, psycopg.Error):
                return self._open(way)
        return self._open(ways[-1])

    def _open(self, way: Route) -> None:
        connection = self._opened(way)
        with ExitStack() as undone:
            undone.callback(connection.close)
            place = here(way, connection)
            if stranger := self.identity.refuses(connection):
                raise TargetError(f"{place.address} {stranger}")
            undone.pop_all()
        self.connection, self.here = connection, place


def said(told: Diagnostic) -> ServerMessage:
    """Return a message of the server by its own ranks, which no language changes."""
    rank = told.severity_nonlocalized or ""
    known = MessageLevel.__members__
    return ServerMessage(
        level=known.get(rank, MessageLevel.NOTICE),
        message=told.message_primary or "",
        sqlstate=told.sqlstate or "",
        detail=told.message_detail or "",
        hint=told.message_hint or "",
    )


def failure(results: Sequence[PGresult]) -> psycopg.Error | None:
    """Return the error that ended a batch, if one did."""
    if results and results[-1].status not in FINE:
        return pg_errors.error_from_result(results[-1], encoding="utf-8")
    return None
