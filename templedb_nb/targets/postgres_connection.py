"""One libpq connection: how it is opened, what it must be able to do, what its errors mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import conninfo, generators
from psycopg import errors as pg_errors
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from templedb_nb.errors import ConfigError, TargetError, Unreachable
from templedb_nb.model.secret import Secret

NAME_LIMIT = 63
CONNECT_TIMEOUT_S = 15
LOCK_TIMEOUT = "5s"
_SETTINGS = {"lock_timeout": LOCK_TIMEOUT, "statement_timeout": "0"}
_NOTICE_LOSS = {"client_connection_check_interval": "1s"}  # PostgreSQL 14, and not on every system
_KEEPALIVES = {
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
FINE = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.EMPTY_QUERY)

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a database is, as people may see it: never with a password."""

    user: str
    host: str
    port: str
    database: str

    def __str__(self) -> str:
        """Return the address as people read it."""
        user = f"{self.user}@" if self.user else ""
        return f"{user}{self.host}:{self.port}/{self.database}"


def address(url: Secret) -> Address:
    """Return where *url* leads, or raise `ConfigError` without a word of the value."""
    given = _parsed(url)
    return Address(
        user=str(given.get("user", "")),
        host=str(given.get("host", given.get("hostaddr", "local socket"))),
        port=str(given.get("port", "5432")),
        database=str(given.get("dbname", given.get("user", ""))),
    )


@contextmanager
def connect(url: Secret, name: str) -> Iterator[Connection]:
    """Open a session called *name* in pg_stat_activity, and close it."""
    connection = open_connection(url, name)
    try:
        yield connection
    finally:
        connection.close()


def open_connection(url: Secret, name: str) -> Connection:
    """Open a session in autocommit mode; the caller closes it."""
    given = _parsed(url)
    wanted = {**_KEEPALIVES, "connect_timeout": CONNECT_TIMEOUT_S, **given}
    wanted["application_name"] = name.encode()[:NAME_LIMIT].decode(errors="ignore")
    own = str(given.get("options", ""))
    try:
        try:
            return _opened(wanted | {"options": _options(_SETTINGS | _NOTICE_LOSS, own)})
        except psycopg.OperationalError as error:
            if not any(name in str(error) for name in _NOTICE_LOSS):
                raise
            return _opened(wanted | {"options": _options(_SETTINGS, own)})
    except psycopg.OperationalError as error:
        raise _unreachable(url, error) from None


def run(connection: Connection, statement: str) -> list[PGresult]:
    """Run one statement by the extended protocol: the server refuses two in one message.

    Text is sent as it stands, without parameters, so that ``%`` means nothing.
    """
    connection.pgconn.send_query_params(statement.encode(), None)
    results: list[PGresult] = connection.wait(generators.execute(connection.pgconn))
    for result in results:
        if result.status not in FINE:
            raise pg_errors.error_from_result(result, encoding="utf-8")
    return results


def in_transaction(connection: Connection) -> bool:
    """Return whether a transaction is open and sound."""
    return connection.info.transaction_status == TransactionStatus.INTRANS


def lost(connection: Connection) -> bool:
    """Return whether the connection is of no more use."""
    return connection.closed or connection.info.transaction_status == TransactionStatus.UNKNOWN


def first_line(error: psycopg.Error) -> str:
    """Return what the server said, without the context that libpq adds."""
    said = error.diag.message_primary or str(error)
    return said.strip().split("\n", 1)[0]


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what the driver raises into a `TargetError` that names the target."""
    try:
        yield
    except psycopg.OperationalError as error:
        if error.sqlstate is None:
            raise Unreachable(f"lost the connection to {where}: {first_line(error)}") from None
        raise TargetError(f"{where} refused: {first_line(error)} ({error.sqlstate})") from None
    except psycopg.Error as error:
        raise TargetError(f"{where} refused: {first_line(error)} ({error.sqlstate})") from None


def _parsed(url: Secret) -> Mapping[str, Any]:
    text = url.reveal().strip()
    ambiguous = "://" in text and text.count("@") > 1
    given: Mapping[str, Any] = {}
    try:
        if "://" in text:
            _ = urlsplit(text).port
        given = conninfo.conninfo_to_dict(text)
    except (psycopg.Error, ValueError):
        ambiguous = True
    if ambiguous:
        hint = "postgresql://USER:PASSWORD@HOST/DATABASE, with @ / : % as %40 %2F %3A %25"
        raise ConfigError(f"{url.name} is no address of a PostgreSQL database", hint=hint)
    return given


def _opened(wanted: Mapping[str, Any]) -> Connection:
    return psycopg.connect(
        **wanted, autocommit=True, prepare_threshold=None, client_encoding="utf8"
    )


def _options(settings: Mapping[str, str], given: str) -> str:
    ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return f"{ours} {given}".strip()


def _unreachable(url: Secret, error: psycopg.OperationalError) -> Unreachable:
    said = first_line(error)
    if "startup parameter" in str(error):
        hint = "use the database's direct address; on Supabase port 5432, not 6543"
        message = f"{address(url)} is a connection pooler that refuses session settings: {said}"
        return Unreachable(message, hint=hint)
    hint = f"check {url.name}, the network and the role: templedb target test"
    return Unreachable(f"cannot reach {address(url)}: {said}", hint=hint)
