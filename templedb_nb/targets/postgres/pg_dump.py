"""The program pg_dump, which reads a schema, and what a server takes of what it wrote.

Connections go by PG* variables of the child alone: nothing of them is an argument, and nothing of
them is left in a file if we are killed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

from templedb_nb.core.sql.lexer import split
from templedb_nb.errors import ConfigError, TargetError
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.route import Route

NAMED = "TEMPLEDB_PG_DUMP"
"""The variable that names the program, where it is not the first one on the PATH."""
WORDS = (
    "--schema-only",
    "--encoding=UTF8",
    "--exclude-schema=templedb",
    "--no-security-labels",
    "--no-subscriptions",
)
_HEAD = re.compile(r"(?:(?:--.*|\\restrict .*|SET .*|SELECT pg_catalog\.set_config.*|)\n)*")
_SETTING = re.compile(r"(?m)^SET (\w+) = .*;$")
_RESTRICT = re.compile(r"(?m)^\\(?:un)?restrict \w+$")
_SETTINGS = ("SET ", "SELECT pg_catalog.set_config(")
_PUBLIC = re.compile(r"(?m)^(?:CREATE|ALTER|COMMENT ON) SCHEMA public\b.*;$")
_VERSION = re.compile(r"\(PostgreSQL\) ([0-9]++)(\S*)")

Client: TypeAlias = Callable[[Route], Mapping[str, str]]
"""Returns the environment in which a program of PostgreSQL finds a database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PgDump:
    """The program at `path`, of PostgreSQL `major`; `version` is all that it calls itself."""

    path: str
    major: int
    version: str
    client: Client

    def __call__(self, route: Route) -> str:
        """Return the schema of a database, as SQL."""
        done = _run([self.path, *WORDS], self.client(route))
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
            told = "; ".join(line.removeprefix("pg_dump: ") for line in lines)
            told = told.encode(errors="replace").decode()
            raise TargetError(f"{self.path} ({self.version}): {told}")
        return done.stdout

    def for_server(self, server: int, version: str) -> PgDump:
        """Return this program, or raise where it is older than the server of that major version."""
        if self.major >= server:
            return self
        message = (
            f"{self.path} is of PostgreSQL {self.version}, and the server of {version}:"
            " pg_dump reads no server newer than itself"
        )
        raise ConfigError(message, hint=another(server))


def found(client: Client, route: Route, named: str | None) -> PgDump:
    """Return the program that is *named*, else the first one on the PATH."""
    environment = client(route)
    path = shutil.which(named or "pg_dump", path=environment.get("PATH"))
    if path is None:
        what = f"the program {named}, which {NAMED} names" if named else "the program pg_dump"
        raise ConfigError(f"--check needs {what}, which was not found", hint=another(0))
    try:
        said = _run([path, "--version"], environment).stdout
    except OSError as error:
        raise ConfigError(f"{path} cannot be run: {error.strerror}", hint=another(0)) from None
    known = _VERSION.search(said)
    if known is None:
        raise ConfigError(f"{path} --version says no version of PostgreSQL", hint=another(0))
    return PgDump(path=path, major=int(known[1]), version=f"{known[1]}{known[2]}", client=client)


def fitting(dump: str, settings: Collection[str]) -> str:
    """Return a dump as a server takes it that knows *settings*: without psql's own commands.

    A newer pg_dump sets at the head what an older server does not know. What every new database has
    is left out, too.
    """
    head, rest = _without_psql(dump)
    first = _SETTING.sub(lambda found: found[0] if found[1] in settings else "", head)
    return _PUBLIC.sub("", first + rest)


def schema(dump: str) -> str:
    """Return a dump without comments and settings between statements: equal for equal schemas.

    What looks like one in the body of a function, or in a text, belongs to the schema.
    """
    texts = [each.text for each in split("".join(_without_psql(dump))).statements]
    kept = [f"{text};" for text in texts if not text.startswith(_SETTINGS)]
    return "\n".join(kept).encode(errors="backslashreplace").decode()


def _without_psql(dump: str) -> tuple[str, str]:
    """Return the head and the rest of a dump, without what only psql takes."""
    head = _HEAD.match(dump)
    end = head.end() if head else 0
    return _RESTRICT.sub("", dump[:end]), _without_last(dump[end:])


def _without_last(text: str) -> str:
    """Take the last command of psql's off; a line like it in a function's body stays."""
    marks = list(_RESTRICT.finditer(text))
    if not marks or text[marks[-1].end() :].strip():
        return text
    return text[: marks[-1].start()]


def _run(words: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    # Bytes of a database without an encoding (SQL_ASCII) go through as they are.
    return subprocess.run(  # noqa: S603 - a program of PostgreSQL, with words of ours
        words,
        env=dict(environment),
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )


def another(major: int) -> str:
    """Return what helps where the program is not the right one."""
    number = str(major) if major else "N"
    install = f"install PostgreSQL {number}'s client" if major else "install PostgreSQL's client"
    return f"{install}, or name another: export {NAMED}=/usr/lib/postgresql/{number}/bin/pg_dump"
