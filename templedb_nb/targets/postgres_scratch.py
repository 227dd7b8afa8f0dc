"""A copy of a PostgreSQL database's schema beside it on its server, dropped when done.

pg_dump reads the schema and psql writes it; both come with PostgreSQL's client. Connections go by
PG* variables of the child alone: nothing of them is an argument, and nothing of them is left in a
file if we are killed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import psycopg
from psycopg import sql

from templedb_nb.core.lexer import position
from templedb_nb.core.script import Script
from templedb_nb.errors import ConfigError, TargetError
from templedb_nb.model.route import Route
from templedb_nb.model.step import Mode
from templedb_nb.model.target import TargetName
from templedb_nb.targets.postgres_connection import (
    Connection,
    first_line,
    open_connection,
    run,
    translated,
)

DUMP = ("--schema-only", "--exclude-schema=templedb", "--no-security-labels")
_NOISE = re.compile(r"--.*|\\(?:un)?restrict .*|SET .*|SELECT pg_catalog\.set_config.*|")
_DENIED = "42501"


Client: TypeAlias = Callable[[Route], Mapping[str, str]]
"""Returns the environment in which a program of PostgreSQL finds a database."""


@contextmanager
def copied(
    route: Route, target: TargetName, client: Client, number: str
) -> Iterator[PostgresScratch]:
    """Make a database beside that of *route* with the same schema, named by *number*; drop it."""
    pg_dump, psql = _Program("pg_dump", client), _Program("psql", client)
    name = f"templedb_check_{number}"
    where = f"target {target} ({route.address})"
    own = replace(route, parameters={**route.parameters, "dbname": name})
    with translated(where):
        admin = open_connection(route, "templedb:check")
        try:
            _create(admin, name, where)
            try:
                dump = pg_dump(DUMP, route)
                psql(("-X", "-q", "-v", "ON_ERROR_STOP=1"), own, _without_public(dump))
                connection = open_connection(own, "templedb:check")
                try:
                    yield PostgresScratch(connection, lambda: pg_dump(DUMP, own))
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
            line, _ = position(script.text, at)
            raise TargetError(f"{file}:{line}: {first_line(error)}") from None

    def schema(self) -> str:
        """Return pg_dump's words, without comments and settings."""
        lines = self._dump().splitlines()
        return "\n".join(line for line in lines if not _NOISE.fullmatch(line))


def _create(admin: Connection, name: str, where: str) -> None:
    try:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    except psycopg.Error as error:
        if error.sqlstate != _DENIED:
            raise
        hint = "GRANT it CREATEDB where nothing is at stake, as on staging, and check there"
        message = f"role {admin.info.user!r} may not create the copy on {where}"
        raise TargetError(message, hint=hint) from None


def _without_public(dump: str) -> str:
    """Leave out what every new database has."""
    return re.sub(r"(?m)^(?:CREATE|ALTER|COMMENT ON) SCHEMA public\b.*;$", "", dump)


class _Program:
    """One of PostgreSQL's own programs."""

    def __init__(self, name: str, client: Client) -> None:
        found = shutil.which(name)
        if found is None:
            hint = "install PostgreSQL's client, no older than the server"
            raise ConfigError(f"--check needs the program {name}", hint=hint)
        self._path = found
        self._client = client

    def __call__(self, words: Sequence[str], route: Route, text: str = "") -> str:
        done = subprocess.run(  # noqa: S603 - a program of PostgreSQL, with words of ours
            [self._path, *words],
            input=text,
            env=dict(self._client(route)),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            told = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
            raise TargetError(f"{Path(self._path).name}: {told[0]}")
        return done.stdout
