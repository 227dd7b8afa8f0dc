"""The objects of a DuckDB file, and those that runs left, kept in its ledger as in PostgreSQL's.

The tables of the base are made when there is something to keep: the ledgers of files that an
earlier templedb made have none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING

from templedb_nb.core.catalog.drift import Row, behind, other_words, outdated, seen, told
from templedb_nb.core.migrations.histories.known import Table
from templedb_nb.core.migrations.histories.noticed import everybody, wanted_columns
from templedb_nb.model.drift import CatalogMark, Drift, KeptBase, LedgerStanding, Printer
from templedb_nb.model.foreign_history import ForeignHistory
from templedb_nb.ports.claim import Claim
from templedb_nb.targets import drift_base
from templedb_nb.targets.duckdb.ledger import NOW, record

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

Locked = Callable[[str], bool]
"""Returns whether a process holds a project's lock file."""
_TABLE = """
CREATE TABLE IF NOT EXISTS templedb.object (
    name       VARCHAR PRIMARY KEY,
    digest     VARCHAR NOT NULL,
    definition VARCHAR NOT NULL
);
COMMENT ON TABLE templedb.object IS 'The objects of this file as runs left them.';
"""
_TABLES = """
SELECT schema_name, table_name, list(column_name) FROM duckdb_columns()
WHERE database_name = current_database() AND NOT internal AND schema_name <> 'templedb'
  AND table_name IN (
    SELECT t.table_name FROM duckdb_tables() t WHERE t.database_name = current_database()
  )
GROUP BY ALL
"""
_STANDING = """
SELECT project, sha256(string_agg(fact, chr(10) ORDER BY fact)) FROM (
  SELECT project, key || ' by ' || attempt_id FROM templedb.migration WHERE state = 'applied'
  UNION ALL SELECT project, 'commands: ' || count(*) FROM templedb.command GROUP BY project
) AS standing (project, fact) GROUP BY project
"""
_GOING = """
SELECT r.project FROM templedb.run r JOIN templedb.lock l ON l.run = r.id
WHERE r.state = 'running' AND r.id <> ?
"""


def catalog(connection: Connection) -> dict[str, str]:
    """Return the definition of each object, by its kind and name."""
    rows = connection.execute(_catalog()).fetchall()
    return {
        name: _type(connection, space, own) if definition is None else definition
        for name, definition, space, own in rows
    }


def histories(connection: Connection) -> tuple[ForeignHistory, ...]:
    """Return every table that is another tool's, with its rows."""
    tables = {(schema, table): columns for schema, table, columns in _tables(connection)}
    return tuple(
        ForeignHistory(
            tool=tool.title,
            schema=table[0],
            table=table[1],
            rows=tuple(_rows(connection, table, tables[table], wanted_columns(tool))),
        )
        for tool, table in everybody(tables)
    )


def _tables(connection: Connection) -> list[tuple[str, str, list[str]]]:
    return connection.execute(_TABLES).fetchall()


def _rows(
    connection: Connection, table: Table, columns: Sequence[str], wanted: Sequence[str]
) -> Iterator[dict[str, object]]:
    """Yield the *wanted* columns of each row as texts, and others as nothing."""
    there = {each.lower(): each for each in columns if each.lower() in wanted}
    shown = ", ".join(f"CAST({_quoted(each)} AS VARCHAR)" for each in there.values())
    query = f"SELECT {shown or '1'} FROM {_quoted(table[0])}.{_quoted(table[1])}"
    for row in connection.execute(query).fetchall():
        yield dict.fromkeys(wanted) | dict(zip(there, row, strict=False))


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def drift(connection: Connection, locked: Locked) -> Drift:
    """Return how the objects differ from those that the last run left; the ledger is there."""
    kept = _kept(connection)
    if kept is None:
        return Drift()
    now, ask = _standing(connection, locked), partial(_changed, connection)
    return seen(kept, _printer(), now, ask)


def mark(connection: Connection, claim: Claim, locked: Locked) -> CatalogMark:
    """Return what the objects are before a run, with a base that the run's end can go on from."""
    with _writing(connection):
        kept, now = _kept(connection), _standing(connection, locked, claim.run)
        here = catalog(connection)
        if kept is None:
            _keep_all(connection, here, now, claim.run, claim.client)
        elif outdated(kept, now):
            found = _compared(connection, kept)
            names = [*(each.name for each in found.changes), *found.reprinted]
            _keep_all(connection, here, now, claim.run, claim.client)
            _rebased(connection, claim, behind(kept, now), names)
        elif kept.printer != _printer():
            _reword(connection, kept, here, claim)
    return CatalogMark(digests=_digests(here))


def keep(
    connection: Connection, before: CatalogMark, claim: Claim, locked: Locked, *, changed: bool
) -> None:
    """Keep what changed since *before* as what the run left, if it *changed* anything."""
    with _writing(connection):
        kept, now = _kept(connection), _standing(connection, locked)
        if kept is None:
            return
        if changed:
            here = catalog(connection)
            digests = _digests(here)
            own = {n: here[n] for n in here if digests[n] != before.digests.get(n)}
            _keep_some(connection, own, sorted(before.digests.keys() - here.keys()))
        at = _clock(connection) if changed else None
        _write(connection, drift_base.after(kept, now, claim, at))


def accept(connection: Connection, project: str, by: str, reason: str, locked: Locked) -> None:
    """Keep all that is there now as what it is compared with, with an event that says why."""
    with _writing(connection):
        _keep_all(connection, catalog(connection), _standing(connection, locked), "", by)
        record(connection, project, "", "", "accept-drift", {"by": by, "reason": reason})


# --- the base -----------------------------------------------------------------------------------


@contextmanager
def _writing(connection: Connection) -> Iterator[None]:
    connection.execute(_TABLE)
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _kept(connection: Connection) -> KeptBase | None:
    row = connection.execute("SELECT v FROM templedb.meta WHERE k = ?", [drift_base.KEY]).fetchone()
    return drift_base.read(row[0]) if row else None


def _write(connection: Connection, kept: KeptBase) -> None:
    fact = drift_base.written(kept)
    connection.execute(
        "INSERT OR REPLACE INTO templedb.meta (k, v) VALUES (?, ?)", [drift_base.KEY, fact]
    )


def _standing(connection: Connection, locked: Locked, own: str = "") -> LedgerStanding:
    """Return what the ledger says that runs did; the run *own* counts as none that goes on."""
    going = [name for (name,) in connection.execute(_GOING, [own]).fetchall()]
    return LedgerStanding(
        projects=dict(connection.execute(_STANDING).fetchall()),
        going=frozenset(name for name in going if locked(name)),
    )


def _compared(connection: Connection, kept: KeptBase) -> Drift:
    return told(kept, _printer(), _changed(connection))


def _changed(connection: Connection) -> list[Row]:
    """Return what differs from the base, whose definitions are whole here."""
    rows = connection.execute("SELECT name, definition FROM templedb.object").fetchall()
    there: dict[str, str] = dict(rows)
    here = catalog(connection)
    names = sorted(n for n in there.keys() | here.keys() if there.get(n) != here.get(n))
    return [(n, there.get(n), here.get(n)) for n in names]


def _keep_all(
    connection: Connection, here: Mapping[str, str], now: LedgerStanding, run: str, by: str
) -> None:
    connection.execute("DELETE FROM templedb.object")
    _keep_some(connection, here, [])
    _write(connection, drift_base.whole(now, _printer(), run, by, _clock(connection)))


def _keep_some(connection: Connection, objects: Mapping[str, str], gone: list[str]) -> None:
    digests = _digests(objects)
    connection.execute(
        "INSERT OR REPLACE INTO templedb.object SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[]),"
        " unnest(?::VARCHAR[])",
        [list(objects), [digests[name] for name in objects], list(objects.values())],
    )
    connection.execute(
        "DELETE FROM templedb.object WHERE list_contains(?::VARCHAR[], name)", [gone]
    )


def _reword(connection: Connection, kept: KeptBase, here: Mapping[str, str], claim: Claim) -> None:
    """Take over how this DuckDB, or this templedb, words definitions; the rest stays."""
    found, printer = _compared(connection, kept), _printer()
    _keep_some(connection, {name: here[name] for name in found.reprinted}, [])
    known = LedgerStanding(projects=kept.projects or {})
    _write(
        connection, drift_base.whole(known, printer, claim.run, claim.client, _clock(connection))
    )
    _rebased(connection, claim, other_words(kept.printer, printer), list(found.reprinted))


def _rebased(connection: Connection, claim: Claim, reason: str, names: list[str]) -> None:
    detail = drift_base.rebased(claim, reason, names)
    record(connection, claim.project, "", "", drift_base.EVENT, detail)


def _clock(connection: Connection) -> datetime:
    row = connection.execute(f"SELECT {NOW}").fetchone()
    assert row is not None  # noqa: S101 - a query without a table gives one row
    at: datetime = row[0]
    return at.replace(tzinfo=UTC)


# --- the question -------------------------------------------------------------------------------


@cache
def _catalog() -> str:
    return (resources.files("templedb_nb.targets.duckdb") / "sql" / "catalog.sql").read_text()


def _type(connection: Connection, space: str, name: str) -> str:
    """Return what a type of the file is: the catalog does not tell the fields of a STRUCT."""
    quoted = '"."'.join(part.replace('"', '""') for part in (space, name))
    row = connection.execute(f'SELECT typeof(CAST(NULL AS "{quoted}"))').fetchone()
    return str(row[0]) if row else ""


def _digests(objects: Mapping[str, str]) -> dict[str, str]:
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in objects.items()}


def _printer() -> Printer:
    import duckdb

    version = ".".join(duckdb.__version__.split(".")[:2])
    asked = hashlib.sha256(_catalog().encode()).hexdigest()[:12]
    return Printer(server=f"DuckDB {version}", question=asked)
