"""What the older TempleDB wrote of migrations: in its own SQLite file, not in the target."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from templedb_nb.core.migrations.histories.tool import Tool, newest, text
from templedb_nb.model.foreign_history import ForeignRow, ImportConfidence, Row
from templedb_nb.model.layout import Layout

OLDER = "templedb"
TABLE = "migration_history"
_BY_EXIT_CODE = "the older TempleDB went by psql's exit code, which is 0 for most errors"
_NO_ZONE = len("2026-01-01 00:00:00")


def _tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    """Return the migrations in effect; what failed may have left a part, for it ran bare."""
    del local
    foreign_rows = []
    for row in sorted(rows, key=lambda each: (text(each, "applied_at"), text(each, "id"))):
        status = text(row, "status")
        if status == "rolled_back":
            continue
        failed = f"it failed there, and a part of it may stand: {text(row, 'error_message')}"
        at = text(row, "applied_at")
        foreign_rows.append(
            ForeignRow(
                key=text(row, "migration_file"),
                name=text(row, "migration_file"),
                sure=status == "success",
                at=f"{at}+00:00" if len(at) == _NO_ZONE else at,
                by=text(row, "applied_by"),
                checksum=text(row, "migration_checksum"),
                note=_BY_EXIT_CODE if status == "success" else failed,
                row=row,
            )
        )
    return newest(foreign_rows)


def _verifies(
    told: ForeignRow, body: bytes, values: tuple[tuple[str, str], ...]
) -> ImportConfidence:
    del values
    if not told.checksum:
        return ImportConfidence.ASSUMED
    unix = body.replace(b"\r\n", b"\n")
    made = {hashlib.sha256(each).hexdigest() for each in (body, unix)}
    return ImportConfidence.VERIFIED if told.checksum in made else ImportConfidence.EDITED


OLDER_TEMPLEDB = Tool(
    layout=Layout.PLAIN, tables=(), columns=(), tell=_tells, key=str, verify=_verifies
)
