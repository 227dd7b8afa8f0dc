"""What another tool would write into its table of a migration that we bring into effect."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from templedb_nb.core.migrations.histories.flyway import checksum
from templedb_nb.core.migrations.histories.known import TOOLS
from templedb_nb.core.migrations.layouts import diesel, flyway, sqlx
from templedb_nb.core.migrations.layouts.placing import last, parent
from templedb_nb.model.dual_write import DualWrite, DualWriteTable
from templedb_nb.model.layout import Layout, Reading

SHADOWED = tuple(
    str(each)
    for each in (
        Layout.FLYWAY,
        Layout.GOLANG_MIGRATE,
        Layout.DBMATE,
        Layout.GOOSE,
        Layout.PRISMA,
        Layout.SUPABASE,
        Layout.SQLX,
        Layout.DIESEL,
    )
)
"""The tools whose tables can be written."""
Told = dict[str, str]


def shadow(
    into: DualWriteTable, key: str, file: str, body: bytes, reading: Reading | None
) -> DualWrite | None:
    """Return the row of a migration; None where the tool would not know the file."""
    known = TOOLS[into.tool].key(file)
    if known is None or (reading is not None and key.endswith(f"/{known}")):
        return None  # a folder whose keys carry its name has another table, or none
    tell = _TELL.get(into.tool, _bare)
    return DualWrite(into=into, key=key, **{"version": known, **tell(file, body, reading)})


def _bare(file: str, body: bytes, reading: Reading | None) -> Told:
    del file, body, reading
    return {}


def _flyway(file: str, body: bytes, reading: Reading | None) -> Told:
    name = last(file)
    found = flyway.NAME.fullmatch(name)
    assert found is not None  # noqa: S101 - it has a key
    text = body.decode("utf-8", "replace")
    if found["again"] and reading:
        text = flyway.parts(text, reading).text or text
    version = "" if found["again"] else found["version"].replace("_", ".")
    told = {"version": version, "name": found["title"].replace("_", " "), "script": name}
    return {**told, "checksum": str(checksum(text))}


def _prisma(file: str, body: bytes, reading: Reading | None) -> Told:
    del file, reading
    return {"checksum": hashlib.sha256(body).hexdigest()}


def _supabase(file: str, body: bytes, reading: Reading | None) -> Told:
    del body, reading
    return {"name": last(file).partition("_")[2].removesuffix(".sql")}


def _sqlx(file: str, body: bytes, reading: Reading | None) -> Told:
    del reading
    found = sqlx.NAME.fullmatch(last(file))
    assert found is not None  # noqa: S101 - it has a key
    name = found["title"].replace("_", " ")
    return {"name": name, "checksum": hashlib.sha384(body).hexdigest()}


def _diesel(file: str, body: bytes, reading: Reading | None) -> Told:
    del body, reading
    return {"name": last(parent(file)), "version": diesel.key_of(last(parent(file))) or ""}


_TELL: Mapping[str, Callable[[str, bytes, Reading | None], Told]] = {
    "flyway": _flyway,
    "prisma": _prisma,
    "supabase": _supabase,
    "sqlx": _sqlx,
    "diesel": _diesel,
}
