"""Flyway's table: a row for whatever it did, with a CRC of the file's lines."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

from templedb_nb.core.migrations.histories.tool import Tool, newest, text
from templedb_nb.core.migrations.layouts import flyway
from templedb_nb.core.migrations.layouts.placing import last
from templedb_nb.model.foreign_history import ForeignRow, ImportConfidence, Row
from templedb_nb.model.layout import Layout, Reading

_LOCK = 77431708279161
_HASH_BITS = 0xFFFFFFFF
_SIGN = 0x80000000


def checksum(body: str) -> int:
    """Return Flyway's checksum of a text: its lines without their ends, as a signed number."""
    lines = re.split(r"\r\n|\n|\r", body.removeprefix("\ufeff"))
    if lines and not lines[-1]:
        lines.pop()
    crc = 0
    for line in lines:
        crc = zlib.crc32(line.encode(), crc)
    return _signed(crc)


def _signed(number: int) -> int:
    return number - (_HASH_BITS + 1) if number & _SIGN else number


def _tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    foreign_rows: list[ForeignRow] = []
    for row in sorted(rows, key=lambda each: int(text(each, "installed_rank"))):
        kind, name = text(row, "type"), text(row, "version")
        key = flyway.key_of(name) if name else flyway.repeatable_key(text(row, "description"))
        if kind == "SCHEMA":
            continue
        if kind == "DELETE" or kind.startswith("UNDO"):
            foreign_rows = [each for each in foreign_rows if each.key != key]
        elif kind == "BASELINE":
            foreign_rows += _base(row, key, local)
        else:
            foreign_rows.append(_one(row, key))
    return newest(foreign_rows)


def _one(row: Row, key: str) -> ForeignRow:
    failed = row.get("success") is False
    return ForeignRow(
        key=key,
        name=text(row, "script"),
        sure=not failed,
        again=not text(row, "version"),
        at=text(row, "installed_on"),
        by=text(row, "installed_by"),
        checksum=text(row, "checksum"),
        note="Flyway recorded that it failed" if failed else "",
        row=row,
    )


def _base(row: Row, key: str, local: Sequence[str]) -> list[ForeignRow]:
    """Return the files that a baseline says are in effect: Flyway never looks at them."""
    highest = flyway.version(key)
    note = f"stands below Flyway's baseline {key}: that it is in effect is assumed"
    return [
        ForeignRow(
            key=each, at=text(row, "installed_on"), by=text(row, "installed_by"), note=note, row=row
        )
        for each in local
        if not each.startswith("R__") and flyway.version(each) <= highest
    ]


def _verifies(
    told: ForeignRow, body: bytes, values: tuple[tuple[str, str], ...]
) -> ImportConfidence:
    """Compare checksums; that of a repeatable is of its text with the placeholders' values."""
    if not told.checksum:
        return ImportConfidence.ASSUMED
    raw = body.decode("utf-8", "replace")
    reading = Reading(layout=Layout.FLYWAY, values=values)
    texts = {raw, flyway.parts(raw, reading).up} if told.again else {raw}
    same = any(str(checksum(each)) == told.checksum for each in texts)
    return ImportConfidence.VERIFIED if same else ImportConfidence.EDITED


def _key(path: str) -> str | None:
    name = last(path)
    found = flyway.NAME.fullmatch(name) or flyway.CODE.fullmatch(name)
    if found is None:
        return None
    if found["again"]:
        return flyway.repeatable_key(found["title"])
    return flyway.key_of(found["version"]) if name[0] in "VB" else None


def _locks(schema: str, table: str, database: str) -> tuple[int, ...]:
    """Return the key that Flyway makes of the table's name, as Java hashes a text."""
    del database
    code = 0
    for character in f'"{schema}"."{table}"':
        code = (code * 31 + ord(character)) & _HASH_BITS
    return (_LOCK + _signed(code),)


FLYWAY = Tool(
    layout=Layout.FLYWAY,
    tables=("flyway_schema_history", "schema_version"),
    columns=("installed_rank", "version", "description", "type", "script", "checksum",
             "installed_by", "installed_on", "execution_time", "success"),
    anywhere=True,
    tell=_tells,
    key=_key,
    verify=_verifies,
    locks=_locks,
)  # fmt: skip
