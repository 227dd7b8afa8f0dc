"""Tables that hold keys and no proof: golang-migrate, dbmate, goose, diesel."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

from templedb_nb.core.migrations.histories.tool import Tool, below, newest, text
from templedb_nb.core.migrations.layouts import dbmate, diesel, golang_migrate, goose
from templedb_nb.core.migrations.layouts.placing import last, parent
from templedb_nb.model.foreign_history import ForeignRow, ImportConfidence, Row
from templedb_nb.model.layout import Layout

_GOLANG = 1486364155
_32_BITS = 0xFFFFFFFF


def _golang_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    """Return every file up to the one version that the table holds."""
    if not rows:
        return []
    row = rows[-1]
    version = str(int(text(row, "version")))
    if int(version) < 0:
        return []
    note = f"golang-migrate keeps one version ({version}): that the ones before it ran is assumed"
    told = below(version, local, ForeignRow(key=version, note=note, row=row))
    if row.get("dirty"):
        note = f"golang-migrate calls version {version} dirty: it broke off there, up or down"
        told[-1] = replace(told[-1], key=version, sure=False, note=note)
    return told


def _golang_locks(schema: str, table: str, database: str) -> tuple[int, ...]:
    """Return the keys: its command names a database by the path of the address."""
    names = (f"{schema}\0{table}\0{name}" for name in (database, f"/{database}"))
    return tuple((zlib.crc32(name.encode()) * _GOLANG) & _32_BITS for name in names)


def _golang_key(path: str) -> str | None:
    found = golang_migrate.NAME.fullmatch(last(path))
    return str(int(found["version"])) if found else _number(path)


def _number(path: str) -> str | None:
    found = goose.NAME.fullmatch(last(path)) or goose.CODE.fullmatch(last(path))
    return str(int(found["version"])) if found else None


def _dbmate_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    del local
    note = "dbmate keeps no checksum"
    keys = sorted(text(row, "version") for row in rows)
    return [ForeignRow(key=key, note=note, row={"version": key}) for key in keys]


def _dbmate_key(path: str) -> str | None:
    found = dbmate.NAME.fullmatch(last(path))
    return found["version"] if found else None


def _dbmate_verifies(
    told: ForeignRow, body: bytes, values: tuple[tuple[str, str], ...]
) -> ImportConfidence:
    """Doubt a file with several parts: of those, dbmate loses all but the first without a word."""
    del told, values
    ups = [m for m in dbmate.MARK.finditer(body.decode("utf-8", "replace")) if m["way"] == "up"]
    return ImportConfidence.IN_DOUBT if len(ups) > 1 else ImportConfidence.ASSUMED


def _goose_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    del local
    ordered = sorted(rows, key=lambda row: int(text(row, "id")))
    note = "goose keeps no checksum"
    told = [
        ForeignRow(key=text(row, "version_id"), at=text(row, "tstamp"), note=note, row=row)
        for row in ordered
    ]
    return [
        each
        for each in newest(told)
        if each.key != "0" and each.row is not None and each.row.get("is_applied")
    ]


def _diesel_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    del local
    ordered = sorted(rows, key=lambda row: (text(row, "run_on"), text(row, "version")))
    note = "diesel keeps no checksum"
    return [
        ForeignRow(key=text(row, "version"), at=text(row, "run_on"), note=note, row=row)
        for row in ordered
    ]


def _diesel_key(path: str) -> str | None:
    return diesel.key_of(last(parent(path))) if last(path) == "up.sql" else None


GOLANG_MIGRATE = Tool(
    layout=Layout.GOLANG_MIGRATE,
    tables=("schema_migrations",),
    columns=("version", "dirty"),
    exact=True,
    anywhere=True,
    tell=_golang_tells,
    key=_golang_key,
    locks=_golang_locks,
)
DBMATE = Tool(
    layout=Layout.DBMATE,
    tables=("schema_migrations",),
    columns=("version",),
    exact=True,
    tell=_dbmate_tells,
    key=_dbmate_key,
    verify=_dbmate_verifies,
    unless="ar_internal_metadata",
)
GOOSE = Tool(
    layout=Layout.GOOSE,
    tables=("goose_db_version",),
    columns=("id", "version_id", "is_applied", "tstamp"),
    anywhere=True,
    tell=_goose_tells,
    key=_number,
    locks=lambda *_: (4097083626,),
)
DIESEL = Tool(
    layout=Layout.DIESEL,
    tables=("__diesel_schema_migrations",),
    columns=("version", "run_on"),
    exact=True,
    tell=_diesel_tells,
    key=_diesel_key,
)
