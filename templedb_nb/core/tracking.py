"""Where each migration stands: the release's files against the ledger's entries.

Which are pending is a set difference, never a high-water mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from templedb_nb.core import groups
from templedb_nb.core.layouts import plain
from templedb_nb.core.script import Script
from templedb_nb.model.config import DeployConfig, Group
from templedb_nb.model.file import FileEntry
from templedb_nb.model.ledger import Checksums, Entry, EntryKind, Ledger, State
from templedb_nb.model.plain import Digest
from templedb_nb.model.status import IN_EFFECT, WAITING, FileState, Tracked
from templedb_nb.model.target import DatabaseName

Ledgers = Mapping[DatabaseName, Ledger]
Scripts = Mapping[Digest, Script]
NO_LEDGER = Ledger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """The migrations of one group, in their order."""

    group: Group
    database: DatabaseName
    files: tuple[FileEntry, ...]
    arranged: plain.Arranged


def migrations(config: DeployConfig, files: Sequence[FileEntry]) -> tuple[Migrations, ...]:
    """Return the migrations of every group, groups in their order."""
    paths = [each.path for each in files]
    entries = {each.path: each for each in files}
    found = []
    for group in groups.ordered(config.groups):
        if own := groups.migrating(group):
            arranged = plain.arrange(group.file_patterns, paths)
            ups = tuple(entries[path] for path in arranged.paths)
            found.append(
                Migrations(group=group, database=own.database, files=ups, arranged=arranged)
            )
    return tuple(found)


def unread(found: Iterable[Migrations], ledgers: Ledgers) -> frozenset[Digest]:
    """Return the blobs whose text must be read to track them: pending ones and edited ones."""
    blobs = set()
    for each in found:
        applied = _in_effect(ledgers.get(each.database, NO_LEDGER))
        blobs |= {f.blob for f in each.files if applied.get(f.path) != f.blob}
    return frozenset(blobs)


def _in_effect(ledger: Ledger) -> dict[str, Digest]:
    return {e.key: e.checksums.text for e in ledger.entries if e.state is State.APPLIED}


def track(found: Sequence[Migrations], ledgers: Ledgers, scripts: Scripts) -> tuple[Tracked, ...]:
    """Return every migration in the order of the plan, then those whose files are gone."""
    rows: list[Tracked] = []
    for each in found:
        entries = {e.key: e for e in ledgers.get(each.database, NO_LEDGER).entries}
        own = [_compare(each, file, entries.get(file.path), scripts) for file in each.files]
        rows += _out_of_order(own, scripts)
    return tuple(_moved(rows, _gone(found, ledgers), scripts))


def _compare(each: Migrations, file: FileEntry, entry: Entry | None, scripts: Scripts) -> Tracked:
    in_effect = entry and entry.state is State.APPLIED and entry.checksums.text == file.blob
    row = Tracked(
        group=each.group.name,
        database=each.database,
        key=file.path,
        file=file.path,
        state=FileState.APPLIED if in_effect else FileState.PENDING,
        blob=file.blob,
        entry=entry,
    )
    if entry is None or in_effect:
        return row
    match entry.state:
        case State.FAILED | State.RUNNING if entry.step_started or entry.state is State.RUNNING:
            note = (
                f"{entry.step_done} of {entry.steps} steps stand; the next run goes on from there"
            )
            return replace(row, state=FileState.PARTIAL, note=note)
        case State.FAILED:
            note = "its last attempt failed and left nothing; the next run tries it again"
            return replace(row, state=FileState.FAILED, note=note)
        case State.REVERTED:
            return replace(row, note="was applied before and reverted")
        case State.RUNNING | State.IN_DOUBT:
            note = entry.error or "its last attempt ended in a way that nobody can tell"
            mend = f"templedb migration resolve {file.path} --applied|--not-applied --reason WHY"
            return replace(row, state=FileState.IN_DOUBT, note=note, mend=mend)
        case State.APPLIED:
            return _applied(row, entry.checksums, file, scripts)


def _applied(row: Tracked, known: Checksums, file: FileEntry, scripts: Scripts) -> Tracked:
    script = scripts.get(file.blob)
    if script is None or script.checksums.text == known.text:
        return replace(row, state=FileState.APPLIED)
    if script.asked.repeatable:
        return replace(row, note="is repeatable and changed: it runs again")
    mend = f"templedb migration accept-checksum {row.file} --reason WHY"
    if script.checksums.tokens == known.tokens:
        note = "comments or layout were edited after it was applied"
        return replace(row, state=FileState.COSMETIC, note=note, mend=mend)
    note = "was edited after it was applied"
    undo = f"take the edit back and write a new migration, or {mend}"
    return replace(row, state=FileState.CHANGED, note=note, mend=undo)


def _first_time(row: Tracked, scripts: Scripts) -> bool:
    """Return whether a file waits for its first run, and only that one."""
    script = scripts.get(row.blob) if row.blob else None
    return row.state is FileState.PENDING and not (script and script.asked.repeatable)


def _out_of_order(rows: Sequence[Tracked], scripts: Scripts) -> list[Tracked]:
    """Mark what sorts before the newest one of its folder that a run applied."""
    newest: dict[str, int] = {}
    for place, row in enumerate(rows):
        by_run = row.entry is not None and row.entry.kind is EntryKind.RUN
        if by_run and row.state in IN_EFFECT:
            newest[plain.folder(row.file)] = place
    return [
        replace(
            row,
            state=FileState.OUT_OF_ORDER,
            note=f"sorts before {rows[newest[plain.folder(row.file)]].file}, which is applied",
        )
        if _first_time(row, scripts) and place < newest.get(plain.folder(row.file), -1)
        else row
        for place, row in enumerate(rows)
    ]


def _gone(found: Sequence[Migrations], ledgers: Ledgers) -> list[Tracked]:
    gone = []
    for database, ledger in sorted(ledgers.items()):
        here = {f.path for each in found if each.database == database for f in each.files}
        group = next((each.group.name for each in found if each.database == database), "")
        gone += [
            Tracked(
                group=group,
                database=database,
                key=entry.key,
                file=entry.file,
                state=FileState.MISSING,
                entry=entry,
                note="is applied, and no group of the release has its file",
                mend="bring the file back",
            )
            for entry in ledger.entries
            if entry.state is State.APPLIED and entry.key not in here
        ]
    return gone


def _moved(rows: Sequence[Tracked], gone: Sequence[Tracked], scripts: Scripts) -> list[Tracked]:
    """Join a waiting file with a gone one of the same text: it is applied, under its old name."""
    left = list(gone)
    joined: list[Tracked] = []
    for row in rows:
        old = next((each for each in left if _same_text(row, each, scripts)), None)
        if old is None:
            joined.append(row)
            continue
        left.remove(old)
        note, mend = f"is applied, as {old.key}", f"templedb migration rename {old.key} {row.file}"
        moved = replace(row, state=FileState.MOVED, entry=old.entry, was=old.key)
        joined.append(replace(moved, note=note, mend=mend))
    return [*joined, *left]


def _same_text(row: Tracked, gone: Tracked, scripts: Scripts) -> bool:
    script = scripts.get(row.blob) if row.blob else None
    if row.state not in WAITING or row.entry is not None or script is None or gone.entry is None:
        return False
    return row.database == gone.database and script.checksums.text == gone.entry.checksums.text
