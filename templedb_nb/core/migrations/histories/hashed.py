"""Tables that prove what ran: Prisma and sqlx by a hash of the file, Supabase by its statements."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence

from templedb_nb.core.migrations.histories.tool import Tool, newest, text
from templedb_nb.core.migrations.layouts import prisma, sqlx, supabase
from templedb_nb.core.migrations.layouts.placing import last, parent
from templedb_nb.core.sql import classify
from templedb_nb.core.sql.lexer import split
from templedb_nb.model.foreign_history import ForeignRow, ImportConfidence, Row
from templedb_nb.model.layout import Layout

_SQLX = 0x3D32AD9E
_WHOLE = 64


def _prisma_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    del local
    told = [_prisma_told(row) for row in sorted(rows, key=lambda row: text(row, "started_at"))]
    return [
        each for each in newest(told) if each.row is not None and each.row["rolled_back_at"] is None
    ]


def _prisma_told(row: Row) -> ForeignRow:
    finished, started = text(row, "finished_at"), text(row, "started_at")
    note = ""
    if not finished:
        note = "Prisma began it and did not finish"
    elif finished == started and not row.get("applied_steps_count"):
        note = "was marked as applied by prisma migrate resolve"
    return ForeignRow(
        key=text(row, "migration_name"),
        sure=bool(finished),
        at=finished or started,
        checksum=text(row, "checksum"),
        note=note,
        row=row,
    )


def _prisma_verifies(
    told: ForeignRow, body: bytes, values: tuple[tuple[str, str], ...]
) -> ImportConfidence:
    del values
    unix = body.replace(b"\r\n", b"\n")
    hashes = [hashlib.sha256(each) for each in (body, unix, unix.replace(b"\n", b"\r\n"))]
    known = [each.hexdigest() for each in hashes]
    if len(told.checksum) != _WHOLE:  # an early Prisma wrote no leading zeros
        known += ["".join(f"{byte:x}" for byte in each.digest()) for each in hashes]
    return ImportConfidence.VERIFIED if told.checksum in known else ImportConfidence.EDITED


def _supabase_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    del local
    ordered = sorted(rows, key=lambda row: text(row, "version"))
    return [
        ForeignRow(key=text(row, "version"), name=text(row, "name"), row=row) for row in ordered
    ]


def _supabase_verifies(
    told: ForeignRow, body: bytes, values: tuple[tuple[str, str], ...]
) -> ImportConfidence:
    """Compare the statements that ran with those of the file, token by token."""
    del values
    ran = told.row.get("statements") if told.row else None
    if not isinstance(ran, list):
        return ImportConfidence.ASSUMED
    here = body.decode("utf-8", "replace").removeprefix("\ufeff")
    there = "".join(f"{each}\n;\n" for each in ran)
    same = _tokens(here) == _tokens(there)
    return ImportConfidence.VERIFIED if same else ImportConfidence.EDITED


def _tokens(text: str) -> str:
    """Return the tokens of a text, whatever ends its lines."""
    return "".join(classify.canonical_tokens(split(text.replace("\r\n", "\n")).pieces))


def _supabase_key(path: str) -> str | None:
    found = supabase.NAME.fullmatch(last(path))
    return found["version"] if found else None


def _sqlx_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    del local
    ordered = sorted(rows, key=lambda row: (text(row, "installed_on"), int(text(row, "version"))))
    return [
        ForeignRow(
            key=text(row, "version"),
            name=text(row, "description"),
            sure=row.get("success") is not False,
            at=text(row, "installed_on"),
            checksum=text(row, "checksum").removeprefix("\\x"),
            note="" if row.get("success") is not False else "sqlx began it and did not finish",
            row=row,
        )
        for row in ordered
    ]


def _sqlx_verifies(
    told: ForeignRow, body: bytes, values: tuple[tuple[str, str], ...]
) -> ImportConfidence:
    del values
    same = hashlib.sha384(body).hexdigest() == told.checksum
    return ImportConfidence.VERIFIED if same else ImportConfidence.EDITED


def _sqlx_key(path: str) -> str | None:
    found = sqlx.NAME.fullmatch(last(path))
    return str(int(found["version"])) if found else None


def _sqlx_locks(schema: str, table: str, database: str) -> tuple[int, ...]:
    del schema, table
    return (_SQLX * zlib.crc32(database.encode()),)


PRISMA = Tool(
    layout=Layout.PRISMA,
    tables=("_prisma_migrations",),
    columns=("id", "checksum", "finished_at", "migration_name", "logs", "rolled_back_at",
             "started_at", "applied_steps_count"),
    anywhere=True,
    tell=_prisma_tells,
    key=lambda path: last(parent(path)) if last(path) == prisma.NAME else None,
    verify=_prisma_verifies,
    locks=lambda *_: (72707369,),
)  # fmt: skip
SUPABASE = Tool(
    layout=Layout.SUPABASE,
    tables=("schema_migrations",),
    columns=("version", "statements", "name"),
    schema="supabase_migrations",
    tell=_supabase_tells,
    key=_supabase_key,
    verify=_supabase_verifies,
)
SQLX = Tool(
    layout=Layout.SQLX,
    tables=("_sqlx_migrations",),
    columns=("version", "description", "installed_on", "success", "checksum", "execution_time"),
    exact=True,
    anywhere=True,
    tell=_sqlx_tells,
    key=_sqlx_key,
    verify=_sqlx_verifies,
    locks=_sqlx_locks,
)
