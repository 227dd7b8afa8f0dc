"""What the catalog of PostgreSQL says of a statement that no transaction could prove."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import assert_never

import psycopg

from templedb_nb.core.sql.probes import (
    CatalogQuestion,
    Detached,
    IndexBuilt,
    IndexGone,
    Probe,
    Reindexed,
    Repeated,
    Unprovable,
)
from templedb_nb.model.dataclass import dataclass
from templedb_nb.targets.postgres.apply.detach import elsewhere, finish, pending
from templedb_nb.targets.postgres.apply.invalid_indexes import leftovers
from templedb_nb.targets.postgres.connection.connect import Connection, first_line


class EffectStanding(StrEnum):
    """What is true of one statement's effect."""

    DONE = "done"
    ABSENT = "absent"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeVerdict:
    """What is true, what proves it, and what repairs it if it is broken.

    With `instead`, the repair does the statement's whole work. Where the role lacks a right to it,
    an `optional` one is left to somebody else: the statement does its work all the same.
    """

    standing: EffectStanding
    evidence: str = ""
    repair: tuple[str, ...] = ()
    instead: bool = False
    optional: bool = False


ABSENT = ProbeVerdict(standing=EffectStanding.ABSENT)
UNSEEN = ProbeVerdict(standing=EffectStanding.UNKNOWN, evidence="the catalog could not be read")


def ask(connection: Connection, probe: Probe, spared: Collection[int] = ()) -> ProbeVerdict:
    """Return what the catalog says; it is asked in the session's own search path.

    Indexes whose oids are *spared* were invalid before the statement ran for the first time.
    """
    match probe:
        case IndexBuilt():
            return _built(connection, probe)
        case IndexGone(name=name):
            return _gone(connection, name)
        case Reindexed():
            return _reindexed(connection, probe, spared)
        case Detached():
            return _detached(connection, probe)
        case Repeated():
            return ABSENT
        case CatalogQuestion(sql=query):
            return _asked(connection, query)
        case Unprovable():
            told = "nothing in the catalog shows whether it took effect"
            return ProbeVerdict(standing=EffectStanding.UNKNOWN, evidence=told)
        case _:
            assert_never(probe)


def nothing_there(connection: Connection, probe: Probe) -> bool:
    """Return whether what a statement takes away is not there, before it ever ran.

    That is not proof that it took effect: the server itself must say what it makes of the name.
    """
    match probe:
        case Detached():
            return pending(connection, probe) is None
        case IndexGone():
            return ask(connection, probe).standing is EffectStanding.DONE
        case _:
            return False


def named_before(connection: Connection, probe: Probe) -> ProbeVerdict | None:
    """Return what has the name of an index that a statement builds, before it ever ran.

    That is somebody else's: the server itself must say what it makes of it. Nothing is returned
    where the catalog can prove the statement's effect.
    """
    if not isinstance(probe, IndexBuilt):
        return None
    verdict = ask(connection, probe)
    return verdict if verdict.standing is EffectStanding.UNKNOWN else None


def _gone(connection: Connection, name: str) -> ProbeVerdict:
    oid = _oid(connection, name)
    if oid is None:
        return ProbeVerdict(standing=EffectStanding.DONE, evidence=f"there is no index {name}")
    row = connection.execute(
        "SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = %s", [oid]
    ).fetchone()
    if row == (False,):
        told = f"{name} exists but is invalid, as an interrupted DROP INDEX CONCURRENTLY leaves it"
        return ProbeVerdict(standing=EffectStanding.BROKEN, evidence=told)
    return ABSENT


def _reindexed(connection: Connection, probe: Reindexed, spared: Collection[int]) -> ProbeVerdict:
    left = leftovers(connection, probe, spared)
    if not left:
        return ABSENT
    return ProbeVerdict(
        standing=EffectStanding.BROKEN,
        evidence=f"invalid indexes are left: {', '.join(each.title for each in left)}",
        repair=tuple(each.drop for each in left),
        optional=True,
    )


def _oid(connection: Connection, name: str) -> int | None:
    row = connection.execute("SELECT pg_catalog.to_regclass(%s)::oid", [name]).fetchone()
    return row[0] if row else None


def _built(connection: Connection, probe: IndexBuilt) -> ProbeVerdict:
    """Look for the index in its table's schema; compare it with a twin that the server builds."""
    table = _oid(connection, probe.table)
    if table is None or not probe.name:
        return _unnamed(connection, probe, table)
    row = connection.execute(
        "SELECT i.indisvalid AND i.indisready, i.indrelid,"
        " pg_catalog.pg_get_indexdef(c.oid),"
        " pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)"
        " FROM pg_catalog.pg_class t"
        " JOIN pg_catalog.pg_class c ON c.relnamespace = t.relnamespace"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid"
        " WHERE t.oid = %s AND c.relname = (pg_catalog.parse_ident(%s))[1]",
        [table, probe.name],
    ).fetchone()
    if row is None:
        return ABSENT
    valid, on, definition, name = row
    if valid is None:
        return ProbeVerdict(
            standing=EffectStanding.UNKNOWN, evidence=f"{name} exists but is not an index"
        )
    wanted = _twin(connection, probe)
    if on != table or (wanted and _shape(definition) != _shape(wanted)):
        invalid = "" if valid else ", and is invalid"
        told = f"{name} exists with another definition{invalid}: {definition}"
        return ProbeVerdict(standing=EffectStanding.UNKNOWN, evidence=told)
    if not valid:
        told = f"{name} exists but is invalid"
        repair = (f"DROP INDEX CONCURRENTLY IF EXISTS {name}",)
        return ProbeVerdict(standing=EffectStanding.BROKEN, evidence=told, repair=repair)
    if not wanted:
        told = f"{name} exists, but its definition could not be compared: {definition}"
        return ProbeVerdict(standing=EffectStanding.UNKNOWN, evidence=told)
    return ProbeVerdict(standing=EffectStanding.DONE, evidence=f"{name} exists, valid, as defined")


def _unnamed(connection: Connection, probe: IndexBuilt, table: int | None) -> ProbeVerdict:
    """Compare an index whose name the server chose with every index of its table."""
    if table is None:
        return ABSENT
    wanted = _twin(connection, probe)
    found = connection.execute(
        "SELECT indisvalid, pg_catalog.pg_get_indexdef(indexrelid), indexrelid::regclass::text"
        " FROM pg_catalog.pg_index WHERE indrelid = %s",
        [table],
    ).fetchall()
    same = [(valid, name) for valid, shape, name in found if _shape(shape) == _shape(wanted)]
    if not same:
        return ABSENT
    if any(valid for valid, _ in same):
        return ProbeVerdict(standing=EffectStanding.DONE, evidence=f"{same[0][1]} exists, valid")
    repair = tuple(f"DROP INDEX CONCURRENTLY IF EXISTS {name}" for _, name in same)
    return ProbeVerdict(
        standing=EffectStanding.BROKEN, evidence=f"{same[0][1]} is invalid", repair=repair
    )


def _twin(connection: Connection, probe: IndexBuilt) -> str:
    """Return the definition of the same index on an empty copy of its table, or nothing."""
    name, table = "templedb_twin_index", "pg_temp.templedb_twin"
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL lock_timeout = '2s'")
            connection.execute(
                f"CREATE TEMP TABLE templedb_twin (LIKE {probe.table}) ON COMMIT DROP".encode()
            )
            connection.execute(probe.twin.format(name=name, table=table).encode())
            row = connection.execute(
                "SELECT pg_catalog.pg_get_indexdef(pg_catalog.to_regclass(%s))",
                [f"pg_temp.{name}"],
            ).fetchone()
    except psycopg.Error:
        return ""
    return str(row[0]) if row and row[0] else ""


def _shape(definition: str) -> str:
    """Return what an index is, without its name and its table: uniqueness, columns, conditions."""
    head, using, rest = definition.partition(" USING ")
    return f"{'UNIQUE' if head.startswith('CREATE UNIQUE') else ''}{using}{rest}"


def _detached(connection: Connection, probe: Detached) -> ProbeVerdict:
    match pending(connection, probe):
        case None:
            if told := elsewhere(connection, probe):
                return ProbeVerdict(standing=EffectStanding.UNKNOWN, evidence=told)
            return ProbeVerdict(
                standing=EffectStanding.DONE, evidence=f"{probe.partition} is not a partition"
            )
        case False:
            return ABSENT
        case True:
            told = f"the detachment of {probe.partition} is half done"
            repair = (finish(probe),)
            return ProbeVerdict(
                standing=EffectStanding.BROKEN, evidence=told, repair=repair, instead=True
            )


def _asked(connection: Connection, query: str) -> ProbeVerdict:
    try:
        row = connection.execute(query.encode()).fetchone()
    except psycopg.Error as error:
        told = f"its templedb:probe failed: {first_line(error)}"
        return ProbeVerdict(standing=EffectStanding.UNKNOWN, evidence=told)
    if row == (True,):
        return ProbeVerdict(standing=EffectStanding.DONE, evidence="its templedb:probe is true")
    return ProbeVerdict(standing=EffectStanding.ABSENT, evidence="its templedb:probe is not true")
