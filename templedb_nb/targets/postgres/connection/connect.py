"""One libpq connection: how it is opened, what it must be able to do, what its errors mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors as pg_errors
from psycopg import generators
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from templedb_nb.core.address.dsn import ESCAPES, FORM
from templedb_nb.core.address.route import PLACE, told
from templedb_nb.core.run.ledger_guard import TABLES
from templedb_nb.errors import ConfigError, Held, TargetError, Unreachable
from templedb_nb.model.route import Route

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
_INTERPRETED = "SELECT pg_catalog.set_config('jit', 'off', true)"
FINE = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.EMPTY_QUERY)

Connection = psycopg.Connection[tuple[Any, ...]]


@contextmanager
def connect(route: Route, name: str) -> Iterator[Connection]:
    """Open a session called *name* in pg_stat_activity, and close it."""
    connection = open_connection(route, name)
    try:
        yield connection
    finally:
        connection.close()


def open_connection(route: Route, name: str) -> Connection:
    """Open a session in autocommit mode; the caller closes it."""
    wanted: dict[str, Any] = {
        **_KEEPALIVES,
        "connect_timeout": CONNECT_TIMEOUT_S,
        **{key: value for key, value in route.whole.items() if value or key in PLACE},
        "application_name": name.encode()[:NAME_LIMIT].decode(errors="ignore"),
        "client_encoding": "utf8",
    }
    own = route.parameters.get("options", "")
    try:
        try:
            return _opened(wanted | {"options": _options(_SETTINGS | _NOTICE_LOSS, own)})
        except psycopg.OperationalError as error:
            if not any(name in str(error) for name in _NOTICE_LOSS):
                raise
            return _opened(wanted | {"options": _options(_SETTINGS, own)})
    except psycopg.OperationalError as error:
        raise _unreachable(route, error) from None
    except psycopg.ProgrammingError:
        message = f"{route.name} is not a PostgreSQL database address"
        raise ConfigError(message, hint=f"{FORM}; {ESCAPES}") from None


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


def catalog_rows(
    connection: Connection, query: str, values: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """Return what a query on the catalog finds; it is not compiled, which takes longer than it.

    Both statements go in one message, which is one transaction: what follows may be compiled.
    """
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(f"{_INTERPRETED};{query}".encode(), values)
        cursor.nextset()
        return cursor.fetchall()


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


_OURS = re.compile(rf"\b({'|'.join(TABLES)}|migration_seq|event_id_seq|templedb)\b")
_GRANTS = (
    "if that is a table of the ledger (schema templedb): templedb target ledger-sql --role ROLE"
    " prints the GRANTs for its owner"
)
_HELD = (
    "another session holds a lock on it: run again when that session has ended; to see it:"
    " SELECT pid, state, xact_start, query FROM pg_stat_activity WHERE pid IN (SELECT pid FROM"
    " pg_locks WHERE mode = 'AccessExclusiveLock' AND granted)"
)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what the driver raises into a `TargetError` that names the target."""
    try:
        yield
    except psycopg.OperationalError as error:
        if error.sqlstate is None:
            raise Unreachable(f"lost the connection to {where}: {first_line(error)}") from None
        said = f"{where} refused: {first_line(error)} ({error.sqlstate})"
        if error.sqlstate == "55P03":
            raise Held(said, hint=_HELD) from None
        raise TargetError(said) from None
    except psycopg.Error as error:
        said = f"{where} refused: {first_line(error)} ({error.sqlstate})"
        denied = isinstance(error, psycopg.errors.InsufficientPrivilege)
        hint = _GRANTS if denied and _OURS.search(first_line(error)) else ""
        raise TargetError(said, hint=hint) from None


def _opened(wanted: Mapping[str, Any]) -> Connection:
    return psycopg.connect(**wanted, autocommit=True, prepare_threshold=None)


def _options(settings: Mapping[str, str], given: str) -> str:
    ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return f"{ours} {given}".strip()


def _unreachable(route: Route, error: psycopg.OperationalError) -> Unreachable:
    said = first_line(error)
    if "startup parameter" in str(error):
        hint = "use the database's direct address; on Supabase port 5432, not 6543"
        message = f"{route.address} is a connection pooler that refuses session settings: {said}"
        return Unreachable(message, hint=hint)
    hint = f"check {route.name}, the network and the role: templedb target test"
    problems = [*told(route), *(_attempts(error) if route.several else ())]
    return Unreachable(f"cannot reach {route.address}: {said}", hint=hint, problems=problems)


def _attempts(error: psycopg.OperationalError) -> Iterator[str]:
    """Yield what became of each host, where there were several."""
    for line in str(error).splitlines():
        if line.startswith("- "):
            yield line.partition(": connection failed: ")[2] or line.removeprefix("- ")
