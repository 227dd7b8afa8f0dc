"""What one server does: a statement runs in an open transaction, the catalogue is read, nothing stays."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import psycopg

from tests.effects.stages import setup

MODES = ("ACS", "RS", "RX", "SUE", "S", "SRX", "X", "AX")
"""Modes of locks, the weakest first, as the record writes them."""
_NAMES = (
    "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock",
    "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
)  # fmt: skip
_SHORT = dict(zip(_NAMES, MODES, strict=True))
HELD = {
    "ACS": "ACCESS SHARE",
    "RX": "ROW EXCLUSIVE",
    "SUE": "SHARE UPDATE EXCLUSIVE",
    "AX": "ACCESS EXCLUSIVE",
}
"""Modes that a second session holds: a statement waits for each at another of its own.

It goes on behind its first wait: a lock that it takes right after is seen only by the mode that
lets the former pass (VACUUM first takes ACCESS SHARE, then SHARE UPDATE EXCLUSIVE).
"""

_TABLES = {"r", "p", "m", b"r", b"p", b"m"}
THERE = """
SELECT c.oid::bigint, CASE WHEN n.nspname = 'pg_toast' THEN
    CASE c.relkind WHEN 't' THEN 'toast of ' || owner.relname ELSE 'toast index of ' || owner.relname END
  ELSE c.relname END, c.relkind, c.relfilenode::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class owner ON owner.reltoastrelid IN (c.oid, (SELECT indrelid FROM pg_index WHERE indexrelid = c.oid))
  AND n.nspname = 'pg_toast'
WHERE c.oid >= 16384 AND (n.nspname = 'public' OR n.nspname = 'pg_toast')
"""
AFTER = """
SELECT json_build_object(
  'locks', (SELECT coalesce(json_agg(json_build_array(relation::bigint, mode)), '[]') FROM pg_locks
   WHERE locktype = 'relation' AND pid = pg_backend_pid() AND relation = ANY (%(oids)s::oid[])),
  'reads', (SELECT json_object_agg(oid, pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))
   FROM unnest(%(tables)s::oid[]) oid),
  'files', (SELECT coalesce(json_object_agg(oid, relfilenode::bigint), '{}') FROM pg_class WHERE oid = ANY (%(oids)s::oid[])),
  'built', EXISTS (SELECT FROM pg_index JOIN pg_class ON oid = indexrelid
          WHERE indexrelid > %(last)s AND indrelid = ANY (%(tables)s::oid[]) AND relkind = 'i'))
"""
_MEASURING = """
CREATE OR REPLACE FUNCTION pg_temp.measured(statements text[], OUT code text, OUT told json)
RETURNS SETOF record LANGUAGE plpgsql SET search_path = public AS $body$
DECLARE sql text; before json;
BEGIN
  FOREACH sql IN ARRAY statements LOOP
    BEGIN
      before := (AFTER)->'reads';
      EXECUTE sql;
      told := (AFTER)::jsonb || jsonb_build_object('before', before);
      RAISE EXCEPTION 'undone' USING ERRCODE = 'ZZ999';
    EXCEPTION WHEN OTHERS THEN
      code := CASE SQLSTATE WHEN 'ZZ999' THEN '' ELSE SQLSTATE END;
    END;
    RETURN NEXT;
  END LOOP;
END $body$
"""
_STREAMS = re.compile(r"^COPY|^SHOW|^SELECT .* INTO |^SET ")
"""Statements that no function may execute."""
LOCKS = """
SELECT relation, mode FROM pg_locks
WHERE locktype = 'relation' AND pid = %s AND relation = ANY (%s)
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
WAITS = "SELECT locktype FROM pg_locks WHERE pid = %s AND NOT granted"
GRAPH = {
    "parents": "SELECT inhrelid, inhparent FROM pg_inherits",
    "default": "SELECT partrelid, partdefid FROM pg_partitioned_table WHERE partdefid <> 0",
    "references": "SELECT DISTINCT conrelid, confrelid FROM pg_constraint WHERE contype = 'f'",
    "table": "SELECT indexrelid, indrelid FROM pg_index UNION ALL SELECT reltoastrelid, oid FROM pg_class WHERE reltoastrelid <> 0",
    "reads": "SELECT DISTINCT r.ev_class, d.refobjid FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class",
    "needs": "SELECT tgrelid, tgconstrrelid FROM pg_trigger WHERE tgconstrrelid <> 0 AND NOT tgisinternal UNION SELECT adrelid, refobjid FROM pg_depend JOIN pg_attrdef ON pg_attrdef.oid = objid WHERE classid = 'pg_attrdef'::regclass AND refclassid = 'pg_class'::regclass AND adrelid <> refobjid",
    "owner": "SELECT objid, refobjid FROM pg_depend WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i') AND refobjsubid > 0",
}


@dataclass(slots=True)
class Measured:
    """What a statement did on one server: `refused` has the server's code, where it did not run."""

    locks: dict[str, str] = field(default_factory=dict)
    rewritten: list[str] = field(default_factory=list)
    built: bool = False
    read: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    refused: str = ""

    def text(self) -> str:
        """Return it as the record has it."""
        if self.refused:
            return f"!{self.refused}"
        parts = [
            " ".join(f"{mode}:{name}" for name, mode in sorted(self.locks.items())),
            " ".join(sorted(each.replace(" ", "_") for each in self.rewritten)),
            " ".join(sorted(self.read)),
            "built" if self.built else "",
            " ".join(self.waits),
        ]
        return "|".join(parts).rstrip("|")


class Stage:
    """A database of one kind, and a connection to it."""

    def __init__(self, admin: str, kind: str) -> None:
        self.kind = kind
        self.admin = admin
        self.dsn = psycopg.conninfo.make_conninfo(admin, dbname="stage")

    def __enter__(self) -> Self:
        with psycopg.connect(self.admin, autocommit=True) as admin:
            admin.execute("DROP DATABASE IF EXISTS stage WITH (FORCE)")
            admin.execute("DROP ROLE IF EXISTS reader_of_effects")
            admin.execute("CREATE DATABASE stage")
        self.connection = psycopg.connect(self.dsn, autocommit=True)
        self.holder = psycopg.connect(self.dsn)
        self.waiter = psycopg.connect(self.dsn, autocommit=True)
        self.connection.execute("SET client_min_messages = error; CREATE SCHEMA elsewhere")
        with self.connection.transaction():
            self.connection.execute(setup(self.kind).encode())
        self.connection.execute("GRANT CREATE ON SCHEMA public, elsewhere TO reader_of_effects")
        self.connection.execute("VACUUM ANALYZE")
        self.look()
        return self

    def look(self) -> None:
        """Take in what is there before a statement, and in which files."""
        self.names: dict[int, str] = {}
        self.files: dict[int, int] = {}
        tables = []
        for oid, name, kind, node in self.connection.execute(THERE).fetchall():
            self.names[oid] = name.replace(" ", "_")
            self.files[oid] = node
            if kind in _TABLES:
                tables.append(oid)
        last = max(self.names)
        self.about = {"oids": list(self.names), "tables": tables, "last": last}

    def __exit__(self, *_: object) -> None:
        for each in (self.connection, self.holder, self.waiter):
            each.close()

    def graph(self) -> dict[str, Any]:
        """Return what is there, and how it hangs together, by name."""
        found: dict[str, Any] = {
            "kinds": {
                self.names[oid]: kind if isinstance(kind, str) else kind.decode()
                for oid, _, kind, _ in self.connection.execute(THERE).fetchall()
            }
        }
        for word, query in GRAPH.items():
            pairs = [
                [self.names[one], self.names[other]]
                for one, other in self.connection.execute(query.encode()).fetchall()
                if one in self.names and other in self.names
            ]
            found[word] = sorted(pairs)
        return found

    def inside(self, statements: list[str]) -> dict[str, Measured]:
        """Measure each in a transaction of its own that is rolled back."""
        own = self.kind in {"identity", "sequence"}  # a lock on a sequence stays after a savepoint
        alone = [sql for sql in statements if own or _STREAMS.search(sql)]
        others = [sql for sql in statements if sql not in alone]
        told = self._rolled_back(others)
        return dict(zip(others, told, strict=True)) | {sql: self._single(sql) for sql in alone}

    def _rolled_back(self, statements: list[str]) -> list[Measured]:
        """Measure within subtransactions of one call: a round trip for each would take hours."""
        asked = AFTER
        for name, value in self.about.items():
            array = f"ARRAY{value}::oid[]" if isinstance(value, list) else str(value)
            asked = asked.replace(f"%({name})s", array)
        self.connection.execute(_MEASURING.replace("AFTER", asked).encode())
        with self.connection.cursor() as cursor:
            rows = cursor.execute("SELECT * FROM pg_temp.measured(%s)", [statements]).fetchall()
        return [Measured(refused=code) if code else self._told(told) for code, told in rows]

    def _told(self, told: dict[str, Any]) -> Measured:
        found = Measured(built=told["built"])
        self.take(found, told["locks"])
        reads, before = told["reads"], told["before"]
        found.read = [self.names[int(oid)] for oid in reads if reads[oid] > before[oid]]
        self.moved(found, told["files"])
        return found

    def _single(self, sql: str) -> Measured:
        try:
            with self.connection.transaction(force_rollback=True):
                before = self._ask()
                self.connection.execute(sql.encode())
                return self._told(self._ask() | {"before": before["reads"]})
        except psycopg.Error as error:
            return Measured(refused=error.sqlstate or "?")

    def _ask(self) -> dict[str, Any]:
        with self.connection.cursor() as cursor:
            row = cursor.execute(AFTER, self.about).fetchone()
        assert row is not None
        told: dict[str, Any] = row[0]
        return told

    def take(self, found: Measured, rows: list[Any]) -> None:
        """Take in locks, the strongest of each relation."""
        for oid, mode in rows:
            name, short = self.names[oid], _SHORT[mode]
            held = found.locks.get(name, short)
            found.locks[name] = max(held, short, key=MODES.index)

    def moved(self, found: Measured, files: dict[str, int]) -> None:
        """Take in which files are others now."""
        for oid, node in files.items():
            if node != self.files[int(oid)]:
                found.rewritten.append(self.names[int(oid)])

    def holders(self) -> Iterator[tuple[str, str]]:
        """Yield what a second session holds while a statement runs, one lock each time."""
        query = """
            SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
              AND relname IN ('t', 't1', 't2', 'td', 'near')
            ORDER BY 1"""
        for (name,) in self.connection.execute(query).fetchall():
            for short in HELD:
                yield name, short


def outside(stage: Stage, sql: str, undo: str) -> Measured:
    """Measure a statement that commits: each lock that it waits for is read at that wait."""
    found = Measured()
    for name, short in (("", ""), *stage.holders()):
        _once(stage, sql, name, short, found)
        if found.refused:
            break
        if undo:
            stage.connection.execute(undo.encode())
        stage.look()
    return found


def _once(stage: Stage, sql: str, name: str, short: str, found: Measured) -> None:
    """Run it while another session holds one lock; take in what is seen at each wait."""

    def run(connection: psycopg.Connection[Any]) -> None:
        try:
            connection.execute(sql.encode())
        except psycopg.Error as error:
            found.refused = error.sqlstate or "?"

    holder, waiter = stage.holder, stage.waiter
    if name:
        holder.execute(f"LOCK TABLE ONLY {name} IN {HELD[short]} MODE".encode())
    pid = waiter.info.backend_pid
    thread = threading.Thread(target=run, args=[waiter], daemon=True)
    thread.start()
    end = time.monotonic() + 30
    while thread.is_alive() and time.monotonic() < end:
        waiting = stage.connection.execute(WAITS, [pid]).fetchall()
        stage.take(found, stage.connection.execute(LOCKS, [pid, list(stage.names)]).fetchall())
        for (kind,) in waiting:
            if kind != "relation" and kind not in found.waits:
                found.waits.append(kind)
        if waiting:
            holder.rollback()
        thread.join(0.003)
    holder.rollback()
    thread.join(30)
    assert not thread.is_alive(), sql
    if not name and not found.refused:
        told = stage._ask()
        found.built = told["built"]
        stage.moved(found, told["files"])
