"""A copy of a PostgreSQL database's schema beside it on its server, dropped when done.

pg_dump reads the schema; a session of ours writes it, so that no psql obeys what a name in it says.
"""

from __future__ import annotations

import re
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
from templedb_nb.targets.postgres.connection.wire import CLEAN
from templedb_nb.targets.postgres.pg_dump import PgDump

_DENIED = "42501"
_SHOWN = 60
_DATABASE = """
SELECT pg_catalog.to_jsonb(d) || pg_catalog.jsonb_build_object(
  'encoding', pg_catalog.pg_encoding_to_char(d.encoding))
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""
_LOCALE = (
    ("encoding", "ENCODING"),
    ("datcollate", "LC_COLLATE"),
    ("datctype", "LC_CTYPE"),
    ("daticurules", "ICU_RULES"),
)
_PROVIDERS = {"i": "icu", "b": "builtin"}
"""Whose locale is not LC_COLLATE alone."""
_SET_HERE = """
SELECT DISTINCT of_it.name, pg_catalog.current_setting(of_it.name)
FROM pg_catalog.pg_db_role_setting, pg_catalog.unnest(setconfig) AS setting,
  pg_catalog.split_part(setting, '=', 1) AS of_it (name)
WHERE setdatabase = (
    SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
  AND coalesce((SELECT context = 'user' OR pg_catalog.current_setting('is_superuser') = 'on'
                FROM pg_catalog.pg_settings AS known WHERE known.name = of_it.name), true)
"""


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
                options = f"{_settings(admin)} {route.parameters.get('options', '')}"
                like = replace(own, parameters={**own.parameters, "options": options})
                connection = open_connection(like, "templedb:check")
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
        """Run every statement, in one transaction if the script is for one, in a clean session."""
        at = 0
        try:
            self._connection.execute(CLEAN.encode())
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
            connection.execute(text.encode(errors="surrogateescape"))
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
    line = text[start:].split("\n", 1)[0].strip()[:_SHOWN].encode(errors="replace").decode()
    message = (
        f"PostgreSQL {server[1]} rejects the schema that {pg_dump.path}"
        f" of {pg_dump.version} wrote: {first_line(error)}{f', at: {line}' if place else ''}"
    )
    return TargetError(message, hint=dumping.another(server[0]))


def _create(admin: Connection, name: str, where: str) -> None:
    made = sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}")
    try:
        admin.execute(made.format(sql.Identifier(name), _like_this(admin)))
    except psycopg.Error as error:
        if error.sqlstate != _DENIED:
            raise
        hint = "GRANT it CREATEDB where nothing is at stake, as on staging, and check there"
        message = f"role {admin.info.user!r} may not create the copy on {where}"
        raise TargetError(message, hint=hint) from None


def _like_this(admin: Connection) -> sql.Composed:
    """Return the encoding and the locale of the database of *admin*, for a new one."""
    row = admin.execute(_DATABASE).fetchone()
    assert row is not None  # noqa: S101 - the database that we are in
    about: dict[str, str | None] = row[0]
    words = [(word, about.get(key)) for key, word in _LOCALE]
    provider = _PROVIDERS.get(about.get("datlocprovider") or "")
    if provider:
        locale = about.get("datlocale") or about.get("daticulocale")
        words += [("LOCALE_PROVIDER", provider), (f"{provider.upper()}_LOCALE", locale)]
    given = [(word, value) for word, value in words if value]
    return sql.SQL(" ").join(
        sql.SQL("{} = {}").format(sql.SQL(word), sql.Literal(value)) for word, value in given
    )


def _settings(admin: Connection) -> str:
    """Return the settings of the database of *admin*, such as its search_path, as options.

    As options of a session, RESET ALL returns to them. What this role may not set is left out.
    """
    found = admin.execute(_SET_HERE).fetchall()
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in found)


def _escaped(value: str) -> str:
    return re.sub(r"([\\\s])", r"\\\1", value)
