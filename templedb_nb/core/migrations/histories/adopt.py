"""What an import would write: each row of a tool's table, held against the files that are here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from templedb_nb.core.migrations.histories.known import TOOLS
from templedb_nb.core.migrations.histories.tool import Tool
from templedb_nb.core.migrations.layouts.placing import parent
from templedb_nb.core.secrets.sql_passwords import redacted
from templedb_nb.errors import Ambiguous, TargetError, UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.foreign_history import (
    AdoptionRow,
    ForeignHistory,
    ForeignRow,
    ImportConfidence,
)
from templedb_nb.model.layout import Layout
from templedb_nb.model.ledger import Checksums, State
from templedb_nb.model.serialization import Digest
from templedb_nb.model.status import Tracked
from templedb_nb.model.step import ImportEntry, Verb
from templedb_nb.model.target import DatabaseName

Values = tuple[tuple[str, str], ...]
NOTHING = Digest("")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedMigration:
    """One migration that a tool's table tells of, and its file, if that is here."""

    told: ForeignRow
    verdict: ImportConfidence
    row: Tracked | None

    @property
    def key(self) -> str:
        """Return its key in the ledger."""
        return self.row.key if self.row else self.told.key

    @property
    def carries_folder(self) -> bool:
        """Return whether its key is the tool's with a folder before it."""
        row = self.row
        return bool(row and row.reading and row.key.endswith(f"/{self.told.key}"))

    @property
    def known(self) -> bool:
        """Return whether the ledger has it already."""
        return self.row is not None and self.row.entry is not None


def local_keys(history: ForeignHistory, rows: Iterable[Tracked]) -> dict[str, Tracked]:
    """Return the files that the tool would know, by its own key."""
    tool = TOOLS[history.tool]
    own = [row for row in rows if row.blob is not None]
    if tool.by_row:
        return {row.key: row for row in own if row.reading and row.reading.layout is tool.layout}
    keyed = ((tool.key(row.file), row) for row in own)
    return {key: row for key, row in keyed if key is not None}


def of_folder(
    history: ForeignHistory, rows: Sequence[Tracked], folder: str | None
) -> tuple[Tracked, ...]:
    """Return the files that a table may tell of: those of *folder*, if that is named.

    Raises `Ambiguous` where several folders of the tool have a version in common.
    """
    tool = TOOLS[history.tool]
    if folder is not None:
        named = folder.strip("/").removeprefix("./")
        within = "" if named in {"", "."} else f"{named}/"
        found = tuple(row for row in rows if row.file.startswith(within))
        if not any(row.blob for row in found):
            raise UsageProblem(f"there is no migration in {folder}")
        return found
    if tool.by_row:
        return tuple(rows)
    by_key: dict[str, set[str]] = {}
    for row in rows:
        own = row.reading is not None and row.reading.layout is tool.layout
        if own and row.blob is not None and (key := tool.key(row.file)) is not None:
            by_key.setdefault(key, set()).add(row.key)
    shared = {each for own in by_key.values() if len(own) > 1 for each in own}
    if not shared:
        return tuple(rows)
    folders = sorted({parent(row.file) for row in rows if row.key in shared})
    message = f"several folders have the versions that {history.title} lists"
    hint = f"say whose table it is: --folder {folders[0]}"
    raise Ambiguous(message, problems=folders, hint=hint)


def with_folder(
    found: Sequence[ImportedMigration], rows: Sequence[Tracked]
) -> list[ImportedMigration]:
    """Return what a table tells, where also keys without a file carry the folder of the others."""
    starts = {
        each.row.key.removesuffix(each.told.key)
        for each in found
        if each.row and each.carries_folder
    }
    known = {row.key for row in rows if row.blob is not None}
    if len(starts) != 1 or any(each.told.key in known for each in found):
        return list(found)
    (start,) = starts
    return [
        each if each.row else replace(each, told=replace(each.told, key=f"{start}{each.told.key}"))
        for each in found
    ]


def told_by(history: ForeignHistory, local: Sequence[str]) -> list[ForeignRow]:
    """Return what a table tells; raise `TargetError` where its rows are none of that tool's."""
    try:
        return TOOLS[history.tool].tell(history.rows, local)
    except ValueError as error:
        message = f"{history.where} has a row that {history.tool} does not write: {error}"
        raise TargetError(message) from None


def ran_here(history: ForeignHistory, rows: Sequence[Tracked]) -> list[str]:
    """Return the waiting files that the tool says it ran, where the folder is that tool's."""
    files = {
        key: row
        for key, row in local_keys(history, rows).items()
        if row.entry is None and row.reading and str(row.reading.layout) == history.tool
    }
    if not files:
        return []
    told = told_by(history, tuple(files))
    return [files[each.key].file for each in told if each.key in files]


def believed(
    history: ForeignHistory, rows: Sequence[Tracked], bodies: Mapping[Digest, bytes], values: Values
) -> list[ImportedMigration]:
    """Return each migration that is in effect by the tool's table, in its order."""
    tool, files = TOOLS[history.tool], local_keys(history, rows)
    told = told_by(history, tuple(files))
    here = {row.file: bodies[row.blob] for row in files.values() if row.blob}
    if tool.parents and tool.graph:
        told = tool.graph(history.rows, tool.parents(here))
    sums = tool.sums(here) if tool.sums else None
    return [_one(tool, each, files.get(each.key), bodies, values, sums) for each in told]


def _one(
    tool: Tool,
    foreign: ForeignRow,
    row: Tracked | None,
    bodies: Mapping[Digest, bytes],
    values: Values,
    sums: Mapping[str, str] | None,
) -> ImportedMigration:
    if not foreign.sure:
        return ImportedMigration(told=foreign, verdict=ImportConfidence.IN_DOUBT, row=row)
    if row is None or row.blob is None:
        return ImportedMigration(told=foreign, verdict=ImportConfidence.MISSING, row=None)
    if row.reading and row.reading.opaque:
        return ImportedMigration(told=foreign, verdict=ImportConfidence.ASSUMED, row=row)
    if sums is not None and foreign.checksum:
        same = sums.get(foreign.key) == foreign.checksum
        return ImportedMigration(
            told=foreign,
            verdict=ImportConfidence.VERIFIED if same else ImportConfidence.EDITED,
            row=row,
        )
    return ImportedMigration(
        told=foreign, verdict=tool.verify(foreign, bodies[row.blob], values), row=row
    )


_SAYS = {
    ImportConfidence.VERIFIED: "its checksum is that of the file here",
    ImportConfidence.ASSUMED: "nothing proves that it is the file here",
    ImportConfidence.EDITED: "the file here is not the one that ran",
    ImportConfidence.MISSING: "its file is not here",
    ImportConfidence.IN_DOUBT: "nobody knows what became of it",
}
_TWO_PARTS = "it has several '-- migrate:up', of which dbmate loses all but the first"


def note(each: ImportedMigration) -> str:
    """Return what is to say of one migration."""
    if each.told.note and each.verdict in {
        ImportConfidence.ASSUMED,
        ImportConfidence.IN_DOUBT,
        ImportConfidence.MISSING,
    }:
        doubted = each.verdict is ImportConfidence.IN_DOUBT and each.told.sure
        return _TWO_PARTS if doubted else each.told.note
    return each.told.note or _SAYS[each.verdict]


def shown(each: ImportedMigration) -> AdoptionRow:
    """Return one migration as people see it."""
    file = each.row.file if each.row else each.told.name
    return AdoptionRow(
        key=each.key,
        file=file,
        verdict=each.verdict,
        note=note(each),
        at=each.told.at,
        known=each.known,
    )


def step(
    history: ForeignHistory,
    each: ImportedMigration,
    group: str,
    database: DatabaseName,
    sums: Checksums | None,
    reason: str,
) -> ImportEntry:
    """Return the step that writes one migration into the ledger."""
    row = each.row
    return ImportEntry(
        group=group,
        database=database,
        verb=Verb.IMPORT,
        key=each.key,
        file=row.file if row else each.told.name or each.told.key,
        checksums=_sums(each, sums),
        reason=reason,
        source=history.title,
        verdict=each.verdict,
        state=State.IN_DOUBT if each.verdict is ImportConfidence.IN_DOUBT else State.APPLIED,
        note=f"imported from {history.title}: {each.verdict}: {note(each)}",
        at=each.told.at,
        by=each.told.by,
        row=json.dumps(_row(each), sort_keys=True, default=str),
        ran="" if each.verdict in _SAME else _ran(each),
        locks=history.locks,
        layout=str(row.reading.layout if row and row.reading else Layout.PLAIN),
        blob=row.blob if row and each.verdict in _SAME else None,
        reading=row.reading if row else None,
    )


def _row(each: ImportedMigration) -> dict[str, object]:
    """Return the table's own row, without the text that some keep."""
    return {name: value for name, value in (each.told.row or {}).items() if name != "statements"}


def _ran(each: ImportedMigration) -> str:
    """Return the statements that ran, where the tool has kept them, without their passwords."""
    kept = (each.told.row or {}).get("statements")
    said = kept if isinstance(kept, list) else []
    return redacted("".join(f"{statement};\n" for statement in said))


_SAME = frozenset({ImportConfidence.VERIFIED, ImportConfidence.ASSUMED})


def _sums(each: ImportedMigration, sums: Checksums | None) -> Checksums:
    """Return the checksums of the file here; of a repeatable that changed, none: it runs again."""
    changed = each.told.again and each.verdict is ImportConfidence.EDITED
    return Checksums(text=NOTHING, tokens=NOTHING) if sums is None or changed else sums
