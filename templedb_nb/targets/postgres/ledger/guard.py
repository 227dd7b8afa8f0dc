"""The ledger in PostgreSQL, guarded: nothing commits with a transaction that changed it.

The good path reads no row: the catalog and the session's own counters of rows tell whether a
transaction had to do with the ledger's tables at all. Only where they say so are the rows compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from functools import cache
from importlib import resources

import psycopg
from psycopg.pq.abc import PGresult

from templedb_nb.core.run import ledger_guard
from templedb_nb.core.run.ledger_guard import HINT, TABLES, rows, touched_by
from templedb_nb.errors import StatementFailed, Unresolved
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.step import Migration
from templedb_nb.model.trace import ATTEMPTED
from templedb_nb.model.witness import Key, Witness
from templedb_nb.targets.postgres.connection.connect import Connection, first_line
from templedb_nb.targets.postgres.ledger.change_marks import (
    CounterBaseline,
    LedgerRelations,
    learn,
    relations,
)

_NO_TIMEOUT = "SET LOCAL statement_timeout = 0;"
AS_OURSELVES = f"SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL ROLE NONE; {_NO_TIMEOUT}"
"""A file's role and its statement_timeout are meant for its statements, and not for ours."""
_POINT = "templedb_guard"
STATEMENTS = 4
"""So many statements `check` has; its last one fails where the transaction is suspicious."""
OURS = """
pg_catalog.pg_xact_status(((pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8
  >> 32 << 32) + xmin::pg_catalog.text::pg_catalog.int8)::pg_catalog.text::pg_catalog.xid8)
  = 'in progress'
"""
"""A row that is visible although its transaction goes on was written by this very transaction."""
_PROJECT = "CASE scope WHEN '' THEN project ELSE pg_catalog.concat(project, '/', scope) END"
"""Whose a row is: in a witness, a project of one scope counts as one of its own."""
_MIGRATIONS = f"""
SELECT {_PROJECT}, key, pg_catalog.md5(pg_catalog.concat_ws('|', kind, state, checksum,
       token_checksum, step_done, step_started, attempt_id, run_seq, pg_catalog.octet_length(sql)))
FROM templedb.migration
"""  # noqa: S608 - a constant
_APPROVALS = """
SELECT pg_catalog.concat(id, '/' || nullif(scope, '')),
       pg_catalog.md5(pg_catalog.concat_ws('|', plan, content_hash, project, target, given_by,
       given_at, verdict, signature, proof))
FROM templedb.approval
"""


@dataclass(slots=True)
class LedgerMemory:
    """What a session knows of the ledger: what it read under its lock, and what it wrote since."""

    witness: Witness | None = None
    keys: set[Key] = field(default_factory=set)

    marks: LedgerRelations | None = None

    def read(self, witness: Witness) -> None:
        """Begin anew from what was just read."""
        self.witness, self.keys, self.marks = witness, set(witness.migrations), None

    def known(self, connection: Connection) -> LedgerRelations:
        """Return the marks of the ledger's tables; they are looked up outside of transactions."""
        if self.marks is None:
            self.marks = learn(connection)
        return self.marks


@cache
def marks_query() -> str:
    """Return a query that says what touches the ledger's tables, for a client that is not ours."""
    return _text("marks.sql").rstrip()


def check(marks: LedgerRelations, before: CounterBaseline) -> str:
    """Return the statements that fail where the open transaction may have touched the ledger.

    *before* is what the session had counted when it began. Deferred triggers run first: they could
    touch it.
    """
    same = f"coalesce({marks.unchanged(before)}, false)::pg_catalog.int4"
    return (
        f"SET CONSTRAINTS ALL IMMEDIATE; {_NO_TIMEOUT} SAVEPOINT {_POINT};"
        f" SELECT 1 OPERATOR(pg_catalog./) {same}"
    )


def suspicious(results: Sequence[PGresult], error: psycopg.Error | None, *, behind: int) -> bool:
    """Return whether it is `check` that failed, which stands behind so many statements."""
    return error is not None and len(results) == behind + STATEMENTS


def touched(
    connection: Connection, books: LedgerMemory, before: CounterBaseline, own: OwnRow
) -> tuple[str, ...]:
    """Return what the open transaction, which `check` found suspicious, did to the ledger.

    Where that is nothing it may be committed: it granted, or moved to another owner or tablespace.
    """
    connection.execute(f"ROLLBACK TO SAVEPOINT {_POINT}".encode())
    try:
        with _looking(connection):
            found = tuple(_touched(connection, books, before, own))
    except psycopg.Error as error:
        if error.sqlstate is None:
            raise
        return (f"this role cannot read it any more: {first_line(error)}",)
    if not found:
        books.marks = None
    return found


def refuse_lost(connection: Connection, books: LedgerMemory, project: str, step: Migration) -> None:
    """Raise where the ledger lost rows since this session read it, beside the row of *step*.

    Then a row that is not there does not prove that the server rolled back: somebody took rows away
    while the answer of a COMMIT was lost.
    """
    try:
        there = connection.execute(
            f"SELECT {_PROJECT}, key FROM templedb.migration".encode()  # noqa: S608 - a constant
        ).fetchall()
        found = tuple(ledger_guard.gone(books.keys - {(project, step.key)}, set(there)))
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        found = ("table templedb.migration is gone",)
    if found:
        told = f"the connection was lost at COMMIT, and the ledger lost rows: {'; '.join(found)}"
        raise Unresolved(f"{step.file}: {told}", hint=ledger_guard.RESTORE)


def number_again(connection: Connection, before: CounterBaseline) -> None:
    """Bring sequences back to where they were: no rollback does, and numbers are given once."""
    for name, last in before.numbers.items():
        number(connection, name, last)


def number(connection: Connection, sequence: str, used: int) -> None:
    """Let *sequence* give no number again that it gave already."""
    connection.execute(
        f"SELECT count(pg_catalog.nextval('templedb.{sequence}'))"  # noqa: S608 - a name of ours
        " FROM pg_catalog.generate_series(1, %s - (SELECT"
        f" coalesce(pg_catalog.pg_sequence_last_value('templedb.{sequence}'), 0)))".encode(),
        [used],
    )


def refusal(file: str, found: Sequence[str], stands: str = "") -> StatementFailed:
    """Return the error for a file that touched the ledger; *stands* is what is done of it."""
    hint = f"{HINT}; {stands or 'nothing of it was applied'}"
    return StatementFailed(
        touched_by(file, found), statement=-1, line=0, column=0, hint=hint, changed=bool(stands)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRow:
    """The row that the transaction itself wrote: whose, and what it must say."""

    project: str
    key: str
    attempt: str
    states: tuple[str, ...]


@contextmanager
def _looking(connection: Connection) -> Iterator[None]:
    """Look as ourselves, whatever the file has set, and leave that as it is."""
    try:
        connection.execute(f"{AS_OURSELVES} SET LOCAL search_path = ''".encode())
        yield
    finally:
        with suppress(psycopg.Error):
            connection.execute(f"ROLLBACK TO SAVEPOINT {_POINT}".encode())


def _touched(
    connection: Connection, books: LedgerMemory, before: CounterBaseline, own: OwnRow
) -> Iterator[str]:
    marks = books.known(connection)
    now = {name: (oid, file) for name, oid, file, kind, *_ in relations(connection) if kind == "r"}
    if lost := [name for name in marks.tables if name not in now]:
        for name in lost:
            yield f"dropped or renamed templedb.{name}"
        return
    for name, (oid, _) in marks.tables.items():
        if oid != now[name][0]:
            yield f"dropped templedb.{name} and made another one"
    there = shapes(connection)
    if books.witness is not None:
        known = Witness(shapes=books.witness.shapes)
        yield from ledger_guard.reshaped(known, Witness(shapes=there))
    yield from _numbers(connection, before)
    yield from _migrations(connection, books, own)
    removed, held = _removed(connection, marks, before), _written(connection)
    for name in marks.tables:
        if name != "migration":
            anew = now[name][1] != marks.tables[name][1]
            gone = removed[name] if name in held else 0
            yield from _rows(connection, name, own, books, anew=anew, removed=gone)


def _numbers(connection: Connection, before: CounterBaseline) -> Iterator[str]:
    for name, last in before.numbers.items():
        row = connection.execute(
            f"SELECT coalesce(pg_catalog.pg_sequence_last_value('templedb.{name}'), 0)".encode()
        ).fetchone()
        if row is None or row[0] < last:
            yield f"set templedb.{name} back"


def _removed(
    connection: Connection, marks: LedgerRelations, before: CounterBaseline
) -> dict[str, int]:
    """Return how many rows of each table the transaction took away."""
    row = connection.execute(marks.begin.encode()).fetchone()
    now, was = marks.deleted(str(row[0]) if row else ""), marks.deleted(before.counted)
    return {name: now[name] - was.get(name, 0) for name in now}


def _migrations(connection: Connection, books: LedgerMemory, own: OwnRow) -> Iterator[str]:
    found = connection.execute(_MIGRATIONS.encode()).fetchall()
    there = {(project, key) for project, key, _ in found}
    mine = (own.project, own.key)
    yield from ledger_guard.gone({*books.keys, mine}, there)
    edited = connection.execute(
        f"SELECT key FROM templedb.migration WHERE {OURS}"  # noqa: S608 - a constant
        " AND (project <> %s OR scope <> '' OR key <> %s OR attempt_id <> %s"
        " OR state <> ALL (%s))".encode(),
        [own.project, own.key, own.attempt, list(own.states)],
    ).fetchall()
    if edited:
        keys = sorted(key for (key,) in edited)
        yield f"{rows(len(keys))} of templedb.migration written ({ledger_guard.named(keys)})"


def _rows(
    connection: Connection, name: str, own: OwnRow, books: LedgerMemory, *, anew: bool, removed: int
) -> Iterator[str]:
    """Tell of rows of a table beside migrations, with which the transaction has no business."""
    mine = " AND attempt_id <> %s" if name == "event" else ""
    said = f" FILTER ({_said(name)})" if name == "event" else ""
    row = connection.execute(
        f"SELECT count(*){said}, count(*) FILTER (WHERE {OURS}{mine})"  # noqa: S608 - names of ours
        f" FROM templedb.{name}".encode(),
        [own.attempt] if mine else [],
    ).fetchone()
    count, written = row or (0, 0)
    known = books.witness.counts.get(name, 0) if books.witness else 0
    if written:
        yield f"{rows(written)} of templedb.{name} written"
    elif (anew and not count and known) or (name in ledger_guard.GROWS and count < known):
        yield f"rows of templedb.{name} removed: {count} are left"
    elif removed > 0:
        yield f"{rows(removed)} of templedb.{name} removed"


def _written(connection: Connection) -> frozenset[str]:
    """Return the ledger's tables that this transaction holds open for writing.

    What a subtransaction wrote and rolled back again is not among them.
    """
    found = connection.execute(
        "SELECT DISTINCT c.relname FROM pg_catalog.pg_locks l"
        " JOIN pg_catalog.pg_class c ON c.oid = l.relation"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'templedb'"
        " WHERE l.locktype = 'relation' AND l.pid = pg_catalog.pg_backend_pid()"
        " AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')"
    ).fetchall()
    return frozenset(name for (name,) in found)


# --- what a run must find again -----------------------------------------------------------------


@cache
def shapes_query() -> str:
    """Return the query for what each table of the ledger is made of; the search_path is empty."""
    return _text("shapes.sql").rstrip()


def shapes(connection: Connection) -> dict[str, str]:
    """Return what each readable table of the ledger is made of; the search_path is empty."""
    found = connection.execute(shapes_query().encode()).fetchall()
    return {name: shape for name, readable, shape in found if readable}


def witness(connection: Connection, run: str) -> Witness:
    """Return what the ledger holds now; raise nothing for what is gone of it."""
    with connection.transaction():
        connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute(f"{AS_OURSELVES} SET LOCAL search_path = ''".encode())
        there = shapes(connection)
        if not set(there) >= set(TABLES):
            return Witness(shapes=there)
        return _read(connection, run, there)


def _read(connection: Connection, run: str, there: dict[str, str]) -> Witness:
    each = (f"(SELECT count(*) FROM templedb.{name}{_said(name)})" for name in TABLES)  # noqa: S608 - names of ours
    ask = f"SELECT {', '.join(each)}"
    counts = connection.execute(ask.encode()).fetchone() or ()
    own = connection.execute(
        "SELECT EXISTS (SELECT FROM templedb.run WHERE id = %s AND scope = ''"
        " AND state = 'running'),"
        " EXISTS (SELECT FROM templedb.lock WHERE run = %s AND scope = '')",
        [run, run],
    ).fetchone()
    migrations = connection.execute(_MIGRATIONS.encode()).fetchall()
    return Witness(
        migrations={(project, key): told for project, key, told in migrations},
        approvals=dict(connection.execute(_APPROVALS.encode()).fetchall()),
        counts=dict(zip(TABLES, counts, strict=True)),
        facts=dict(
            connection.execute("SELECT k, v FROM templedb.meta WHERE scope = ''").fetchall()
        ),
        shapes=there,
        running=bool(own and own[0]),
        locked=bool(own and own[1]),
    )


def _said(table: str) -> str:
    """Return the condition that an event is somebody's word: runs leave others, as they go on."""
    words = ", ".join(f"'{word}'" for word in ATTEMPTED)
    return f" WHERE what NOT IN ({words})" if table == "event" else ""


def _text(name: str) -> str:
    return (resources.files("templedb_nb.targets.postgres") / "sql" / name).read_text(
        encoding="utf-8"
    )
