"""A copy of a PostgreSQL database's schema beside it on its server, dropped when done.

pg_dump reads the schema; a session of ours writes it, so that no psql obeys what a name in it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
from psycopg import sql

from templedb_nb.core.migrations.script import Script
from templedb_nb.errors import TargetError
from templedb_nb.model.route import Route
from templedb_nb.model.step import Mode
from templedb_nb.model.target import TargetName
from templedb_nb.targets.postgres import pg_dump as dumping
from templedb_nb.targets.postgres.connection.connect import (
    Connection,
    first_line,
    open_connection,
    run,
    translated,
)
from templedb_nb.targets.postgres.pg_dump import PgDump

_DENIED = "42501"
_SHOWN = 60


@contextmanager
def copied(
    route: Route, target: TargetName, client: dumping.Client, named: str | None, number: str
) -> Iterator[PostgresScratch]:
    """Make a database beside that of *route* with the same schema, called by *number*; drop it.

    *named* is the program pg_dump, where it is not the first one on the PATH.
    """
    pg_dump = dumping.found(client, route, named)
    name = f"templedb_check_{number}"
    where = f"target {target} ({route.address})"
    own = replace(route, parameters={**route.parameters, "dbname": name})
    with translated(where):
        admin = open_connection(route, "templedb:check")
        try:
            pg_dump = pg_dump.for_server(*_version(admin))
            _create(admin, name, where)
            try:
                _fill(own, pg_dump, pg_dump(route))
                connection = open_connection(own, "templedb:check")
                try:
                    yield PostgresScratch(connection, lambda: pg_dump(own))
                finally:
                    connection.close()
            finally:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        finally:
            admin.close()


class PostgresScratch:
    """Runs scripts on the copy."""

    def __init__(self, connection: Connection, dump: Callable[[], str]) -> None:
        """Use *connection* to the copy, of which *dump* tells the schema."""
        self._connection = connection
        self._dump = dump

    def run(self, script: Script, file: str) -> None:
        """Run every statement: in one transaction, if the script is for one."""
        at = 0
        try:
            if script.mode is Mode.TRANSACTION:
                run(self._connection, "BEGIN")
            for statement in script.statements:
                at = statement.start
                if statement.data is None:
                    run(self._connection, statement.text)
                else:
                    text = statement.text.encode()
                    with self._connection.cursor() as cursor, cursor.copy(text) as copy:
                        copy.write(statement.data)
            if script.mode is Mode.TRANSACTION:
                run(self._connection, "COMMIT")
        except psycopg.Error as error:
            if not self._connection.closed:
                self._connection.rollback()
            line, _ = script.position(at)
            raise TargetError(f"{file}:{line}: {first_line(error)}") from None

    def schema(self) -> str:
        """Return pg_dump's words, without comments and settings."""
        return dumping.schema(self._dump())


def _version(connection: Connection) -> tuple[int, str]:
    """Return the server's major version, and all that it calls itself."""
    said = connection.info.parameter_status("server_version") or ""
    return connection.info.server_version // 10_000, said.split(" ")[0]


def _fill(route: Route, pg_dump: PgDump, dump: str) -> None:
    """Write the dump in a session of its own, whose settings end with it, all or nothing."""
    connection = open_connection(route, "templedb:check")
    try:
        names = connection.execute("SELECT name FROM pg_catalog.pg_settings").fetchall()
        text = dumping.fitting(dump, {name for (name,) in names})
        try:
            connection.execute(text.encode())
        except psycopg.Error as error:
            raise _not_taken(error, text, pg_dump, _version(connection)) from None
    finally:
        connection.close()


def _not_taken(
    error: psycopg.Error, text: str, pg_dump: PgDump, server: tuple[int, str]
) -> TargetError:
    """Return what an error in the dump means, with its place if the server reported one."""
    place = error.diag.statement_position
    start = text.rfind("\n", 0, int(place) - 1) + 1 if place else 0
    line = text[start:].split("\n", 1)[0].strip()[:_SHOWN]
    message = (
        f"PostgreSQL {server[1]} rejects the schema that {pg_dump.path}"
        f" of {pg_dump.version} wrote: {first_line(error)}{f', at: {line}' if place else ''}"
    )
    return TargetError(message, hint=dumping.another(server[0]))


def _create(admin: Connection, name: str, where: str) -> None:
    try:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    except psycopg.Error as error:
        if error.sqlstate != _DENIED:
            raise
        hint = "GRANT it CREATEDB where nothing is at stake, as on staging, and check there"
        message = f"role {admin.info.user!r} may not create the copy on {where}"
        raise TargetError(message, hint=hint) from None
