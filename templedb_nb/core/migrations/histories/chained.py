"""Tables of Atlas, graphile-migrate, postgrator, refinery, Sqitch and yoyo; most prove files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from templedb_nb.core.migrations.histories.tool import Tool, newest, text
from templedb_nb.core.migrations.layouts import atlas, graphile, postgrator, refinery, yoyo
from templedb_nb.core.migrations.layouts.placing import last
from templedb_nb.core.migrations.siphash import siphash13
from templedb_nb.model.foreign_history import ForeignRow, ImportConfidence, Row
from templedb_nb.model.layout import Layout

Values = tuple[tuple[str, str], ...]
_ATLAS_BASE = 1
_DEPLOYED = re.compile(r"(?:^|.*/)deploy/(?P<name>.+)\.sql")


def _same(found: object, known: str) -> ImportConfidence:
    if not known:
        return ImportConfidence.ASSUMED
    return ImportConfidence.VERIFIED if found == known else ImportConfidence.EDITED


# --- Atlas ----------------------------------------------------------------------------------------


def _atlas_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    foreign_rows: list[ForeignRow] = []
    for row in sorted(rows, key=lambda each: text(each, "version")):
        version = text(row, "version")
        if version.startswith("."):  # Atlas's own row
            continue
        if int(text(row, "type") or 0) & _ATLAS_BASE:
            note = f"stands below Atlas's baseline {version}: that it is in effect is assumed"
            foreign_rows += [ForeignRow(key=k, note=note, row=row) for k in local if k <= version]
            continue
        whole = text(row, "applied") == text(row, "total") and not text(row, "error")
        note = f"Atlas applied {text(row, 'applied')} of its {text(row, 'total')} statements"
        foreign_rows.append(
            ForeignRow(
                key=version,
                name=text(row, "description"),
                sure=whole,
                at=text(row, "executed_at"),
                checksum=text(row, "hash"),
                note="" if whole else note,
                row=row,
            )
        )
    return newest(foreign_rows)


def _atlas_key(path: str) -> str | None:
    found = atlas.NAME.fullmatch(last(path))
    return found["version"] if found else None


def _atlas_sums(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the hash of each version: each covers the files before it, so all must be here."""
    texts = {last(path): body.decode("utf-8", "surrogateescape") for path, body in files.items()}
    made = atlas.hashes(texts)
    return {
        key: made[last(path)] for path in files if (key := _atlas_key(path)) and last(path) in made
    }


# --- graphile-migrate -----------------------------------------------------------------------------


def _graphile_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    del local
    ordered = sorted(rows, key=lambda row: text(row, "filename"))
    return [
        ForeignRow(
            key=_graphile_key(text(row, "filename")) or text(row, "filename"),
            name=text(row, "filename"),
            at=text(row, "date"),
            checksum=text(row, "hash"),
            row=row,
        )
        for row in ordered
    ]


def _graphile_key(path: str) -> str | None:
    found = graphile.NAME.fullmatch(last(path))
    return str(int(found["version"])) if found else None


def _graphile_verifies(told: ForeignRow, body: bytes, values: Values) -> ImportConfidence:
    """Compute the hash anew, behind the one that the row itself names."""
    del values
    before = text(told.row or {}, "previous_hash")
    _, own = graphile.headers(body.decode("utf-8", "replace").replace("\r\n", "\n"))
    return _same(graphile.hashed(own, before), told.checksum)


# --- postgrator -----------------------------------------------------------------------------------


def _postgrator_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    del local
    told = _numbered(rows, at="run_at", checksum="md5")
    return [each for each in told if each.key != "0"]


def _numbered(rows: Sequence[Row], *, at: str, checksum: str) -> list[ForeignRow]:
    """Return the rows of a table with one row for each number, in their order."""
    ordered = sorted(rows, key=lambda row: int(text(row, "version")))
    return [
        ForeignRow(
            key=text(row, "version"),
            name=text(row, "name"),
            at=text(row, at),
            checksum=text(row, checksum),
            row=row,
        )
        for row in ordered
    ]


def _postgrator_key(path: str) -> str | None:
    name = last(path)
    found = postgrator.NAME.fullmatch(name) or postgrator.CODE.fullmatch(name)
    return str(int(found["version"])) if found and found["way"] == "do" else None


def _postgrator_verifies(told: ForeignRow, body: bytes, values: Values) -> ImportConfidence:
    """Compare MD5 of the text with its own line ends, and with those that it can be told to use."""
    del values
    unix = body.replace(b"\r\n", b"\n")
    texts = {body, unix, unix.replace(b"\n", b"\r\n"), unix.replace(b"\n", b"\r")}
    made = {hashlib.md5(each, usedforsecurity=False).hexdigest() for each in texts}
    return _same(told.checksum if told.checksum in made else "", told.checksum)


# --- refinery -------------------------------------------------------------------------------------


def _refinery_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    del local
    return _numbered(rows, at="applied_on", checksum="checksum")


def _refinery_key(path: str) -> str | None:
    found = refinery.NAME.fullmatch(last(path)) or refinery.CODE.fullmatch(last(path))
    return str(int(found["version"])) if found else None


def _refinery_verifies(told: ForeignRow, body: bytes, values: Values) -> ImportConfidence:
    """Hash name, number and text as Rust does, with a number of 32 or, since 0.9, of 64 bits."""
    del values
    name, end = told.name.encode(), b"\xff"
    made = {
        str(siphash13(name + end + int(told.key).to_bytes(width, "little") + body + end))
        for width in (4, 8)
    }
    return _same(told.checksum if told.checksum in made else "", told.checksum)


# --- Sqitch ---------------------------------------------------------------------------------------


def _sqitch_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    """Return the changes; one that was reworked has several rows, and as many files here."""
    seen: dict[str, int] = {}
    foreign_rows = []
    for row in sorted(rows, key=lambda each: text(each, "committed_at")):
        change = text(row, "change")
        files = [key for key in local if key.partition("@")[0] == change]
        number = seen[change] = seen.get(change, -1) + 1
        foreign_rows.append(
            ForeignRow(
                key=files[number] if number < len(files) else change,
                name=change,
                at=text(row, "committed_at"),
                by=text(row, "committer_name"),
                checksum=text(row, "script_hash"),
                row=row,
            )
        )
    return newest(foreign_rows)


def _sqitch_key(path: str) -> str | None:
    found = _DEPLOYED.fullmatch(path)
    return found["name"] if found else None


def _sqitch_verifies(told: ForeignRow, body: bytes, values: Values) -> ImportConfidence:
    del values
    return _same(hashlib.sha1(body, usedforsecurity=False).hexdigest(), told.checksum)


# --- yoyo -----------------------------------------------------------------------------------------


def _yoyo_tells(rows: Sequence[Row], local: Sequence[str]) -> list[ForeignRow]:
    del local
    note = "yoyo keeps a hash of the name alone"
    ordered = sorted(rows, key=lambda row: (text(row, "applied_at_utc"), text(row, "migration_id")))
    return [
        ForeignRow(key=text(r, "migration_id"), at=text(r, "applied_at_utc"), note=note, row=r)
        for r in ordered
    ]


def _yoyo_key(path: str) -> str | None:
    return None if path.endswith(".rollback.sql") else yoyo.stem(path)


ATLAS = Tool(
    layout=Layout.ATLAS,
    tables=("atlas_schema_revisions",),
    columns=("version", "description", "type", "applied", "total", "executed_at", "error", "hash"),
    anywhere=True,
    tell=_atlas_tells,
    key=_atlas_key,
    sums=_atlas_sums,
    locks=lambda *_: (2686470616,),
)
GRAPHILE = Tool(
    layout=Layout.GRAPHILE,
    tables=("migrations",),
    columns=("hash", "previous_hash", "filename", "date"),
    schema="graphile_migrate",
    exact=True,
    tell=_graphile_tells,
    key=_graphile_key,
    verify=_graphile_verifies,
    locks=lambda *_: (4727445306447283,),
)
POSTGRATOR = Tool(
    layout=Layout.POSTGRATOR,
    tables=("schemaversion",),
    columns=("version", "name", "md5", "run_at"),
    anywhere=True,
    tell=_postgrator_tells,
    key=_postgrator_key,
    verify=_postgrator_verifies,
)
REFINERY = Tool(
    layout=Layout.REFINERY,
    tables=("refinery_schema_history",),
    columns=("version", "name", "applied_on", "checksum"),
    exact=True,
    anywhere=True,
    tell=_refinery_tells,
    key=_refinery_key,
    verify=_refinery_verifies,
)
SQITCH = Tool(
    layout=Layout.SQITCH,
    tables=("changes",),
    columns=("change_id", "script_hash", "change", "project", "committed_at", "committer_name"),
    anywhere=True,
    tell=_sqitch_tells,
    key=_sqitch_key,
    verify=_sqitch_verifies,
    locks=lambda *_: (75474063,),
)
YOYO = Tool(
    layout=Layout.YOYO,
    tables=("_yoyo_migration",),
    columns=("migration_hash", "migration_id", "applied_at_utc"),
    exact=True,
    anywhere=True,
    tell=_yoyo_tells,
    key=_yoyo_key,
)
