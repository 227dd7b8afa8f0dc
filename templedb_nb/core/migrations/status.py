"""Where each migration stands: the release's files against the ledger's entries.

Which are pending is a set difference, never a high-water mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from types import MappingProxyType

from templedb_nb.core.config import globs, groups
from templedb_nb.core.migrations.carried_keys import KeysInDatabase, with_keys
from templedb_nb.core.migrations.layouts import liquibase
from templedb_nb.core.migrations.layouts.arrange import Arranged, arrange
from templedb_nb.core.migrations.layouts.placing import (
    NOTHING_SEEN,
    FolderView,
    Placed,
    last,
    parent,
)
from templedb_nb.core.migrations.script import Script
from templedb_nb.model.config import DeployConfig, Group
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.file import FileEntry
from templedb_nb.model.layout import Address, Layout, address
from templedb_nb.model.ledger import Checksums, Entry, EntryKind, Ledger, State
from templedb_nb.model.serialization import Digest
from templedb_nb.model.status import IN_EFFECT, WAITING, FileState, Tracked
from templedb_nb.model.target import DatabaseName

Ledgers = Mapping[DatabaseName, Ledger]
Scripts = Mapping[Address, Script]
Hollow = tuple[DatabaseName, str]
"""An entry, by database and key, of which what ran had left nothing."""
NO_LEDGER = Ledger()
NO_LEDGERS: Ledgers = MappingProxyType({})
BESIDE = ("/metadata.toml", ".sql.conf", "atlas.sum", "sqitch.plan")
_WHOLE = frozenset({Layout.ATLAS, Layout.GRAPHILE, Layout.YOYO, Layout.LIQUIBASE, Layout.ALEMBIC})
"""Layouts whose order or proof is in their texts."""
_THERE = State.APPLIED
_RAN = frozenset({EntryKind.RUN, EntryKind.IMPORTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMigrations:
    """The migrations of one group, in their order; `arranged.files` tells how each is read."""

    group: Group
    database: DatabaseName
    files: tuple[FileEntry, ...]
    arranged: Arranged

    @property
    def placed(self) -> Iterator[tuple[Placed, FileEntry]]:
        """Yield each migration with its file."""
        return zip(self.arranged.files, self.files, strict=True)


def migrations(
    config: DeployConfig,
    files: Sequence[FileEntry],
    look: FolderView = NOTHING_SEEN,
    ledgers: Ledgers = NO_LEDGERS,
) -> tuple[GroupMigrations, ...]:
    """Return the migrations of every group, groups in their order."""
    paths = [each.path for each in files]
    entries = {each.path: each for each in files}
    found = []
    for group in groups.ordered(config.groups):
        if own := groups.migrating(group):
            known = {e.key for e in ledgers.get(own.database, NO_LEDGER).entries}
            arranged = arrange(group, paths, look, known)
            ups = tuple(entries[path] for path in arranged.paths)
            found.append(
                GroupMigrations(group=group, database=own.database, files=ups, arranged=arranged)
            )
    return _with_own_keys(found, ledgers)


def _with_own_keys(
    found: Sequence[GroupMigrations], ledgers: Ledgers
) -> tuple[GroupMigrations, ...]:
    """Return the migrations, where no two folders of one database claim a key."""
    by_database: dict[DatabaseName, KeysInDatabase] = {}
    for each in found:
        own = by_database.get(each.database)
        if own is None:
            entries = {e.key: e for e in ledgers.get(each.database, NO_LEDGER).entries}
            own = by_database[each.database] = KeysInDatabase(entries=entries, blobs={})
        own.blobs |= {file.path: file.blob for file in each.files}
        own.add(each.arranged.files)
    settled = {database: own.settle() for database, own in by_database.items()}
    if not any(keys or told for keys, told in settled.values()):
        return tuple(found)
    out: list[GroupMigrations] = []
    for each in found:
        keys, told = settled[each.database]
        files = with_keys(each.arranged.files, keys)
        here = {f"{placed.folder}/" for placed in files} | {placed.path for placed in files}
        findings = (*each.arranged.findings, *(f for f in told if f.where in here))
        out.append(replace(each, arranged=replace(each.arranged, files=files, findings=findings)))
    return tuple(out)


@dataclass(frozen=True, slots=True)
class WantedFiles:
    """Which files are to be read before their order is known.

    `marked` may bear marks of a tool, `beside` are small ones that stand beside some, and `whole`
    are migrations of tools whose order or proof is in their texts.
    """

    marked: frozenset[str]
    beside: frozenset[str]
    whole: frozenset[str]


def to_look_at(config: DeployConfig, paths: Sequence[str]) -> WantedFiles:
    """Return which files of the release tell of their layout and their order."""
    marked: set[str] = set()
    whole: set[str] = set()
    proved = {parent(path) for path in paths if last(path) == "atlas.sum"}
    proved |= {parent(path) for path in paths if last(parent(path)) == "committed"}
    yoyo = any(last(path) == "yoyo.ini" for path in paths)
    for group in config.groups:
        if not groups.migrating(group):
            continue
        for _, matched in globs.taken(group.file_patterns, paths):
            own = {path for path in matched if path.endswith((".sql", ".py"))}
            if group.layout is Layout.AUTO:
                whole |= {path for path in own if path.endswith(".py")}
            own = own if group.layout in _WHOLE else {p for p in own if p.endswith(".sql")}
            if group.layout is Layout.AUTO:
                marked |= own
                whole |= own if yoyo else {path for path in own if parent(path) in proved}
            elif group.layout in _WHOLE:
                whole |= own
    lists = {group.order_file for group in config.groups}
    beside = frozenset(
        path
        for path in paths
        if path.endswith(BESIDE) or path in lists or liquibase.ROOT.fullmatch(last(path))
    )
    return WantedFiles(frozenset(marked), beside, frozenset(whole))


def unread(found: Iterable[GroupMigrations], ledgers: Ledgers) -> frozenset[Address]:
    """Return where the texts are that must be read to track them: pending and edited ones."""
    sources = set()
    for each in found:
        applied = _in_effect(ledgers.get(each.database, NO_LEDGER))
        sources |= {
            address(file.blob, placed.reading)
            for placed, file in each.placed
            if applied.get(placed.key, applied.get(placed.path)) != file.blob
        }
    return frozenset(sources)


def _in_effect(ledger: Ledger) -> dict[str, Digest]:
    return {e.key: e.checksums.text for e in ledger.entries if e.state is State.APPLIED}


def edited(
    found: Iterable[GroupMigrations], ledgers: Ledgers
) -> Iterator[tuple[GroupMigrations, Placed, Entry]]:
    """Yield each migration that is applied, and whose file reads differently now."""
    for each in found:
        entries = {e.key: e for e in ledgers.get(each.database, NO_LEDGER).entries}
        for placed, file in each.placed:
            entry = _entry(entries, placed)
            if entry and entry.state is State.APPLIED and entry.checksums.text != file.blob:
                yield each, placed, entry


def track(
    found: Sequence[GroupMigrations],
    ledgers: Ledgers,
    scripts: Scripts,
    hollow: AbstractSet[Hollow] = frozenset(),
) -> tuple[Tracked, ...]:
    """Return every migration in the order of the plan, then those whose files are gone.

    What ran of the *hollow* ones had left nothing.
    """
    rows: list[Tracked] = []
    for each in found:
        entries = {e.key: e for e in ledgers.get(each.database, NO_LEDGER).entries}
        own = [
            _compare(each, placed, file, _entry(entries, placed), scripts)
            for placed, file in each.placed
        ]
        own = [_honest(row, scripts) if (row.database, row.key) in hollow else row for row in own]
        rows += _out_of_order(own, each.arranged.files, scripts)
    return tuple(_moved(rows, _gone(found, ledgers), scripts))


def _entry(entries: Mapping[str, Entry], placed: Placed) -> Entry | None:
    """Return the entry of a migration; one that was deployed as a plain file has its path."""
    return entries.get(placed.key) or entries.get(placed.path)


def _compare(
    each: GroupMigrations, placed: Placed, file: FileEntry, entry: Entry | None, scripts: Scripts
) -> Tracked:
    in_effect = entry and entry.state is State.APPLIED and entry.checksums.text == file.blob
    row = Tracked(
        group=each.group.name,
        database=each.database,
        key=entry.key if entry else placed.key,
        file=file.path,
        state=FileState.APPLIED if in_effect else FileState.PENDING,
        blob=file.blob,
        entry=entry,
        reading=placed.reading,
        down=placed.down,
    )
    if in_effect:
        return row
    if placed.reading and placed.reading.opaque and (entry is None or entry.state is not _THERE):
        mend = f"run it by {placed.reading.layout}, then: templedb migration mark-applied"
        note = placed.reading.opaque
        mend = f"{mend} {placed.path} --reason WHY"
        return replace(row, state=FileState.OPAQUE, note=note, mend=mend)
    if entry is None:
        return row
    match entry.state:
        case State.FAILED | State.RUNNING if entry.step_started or entry.state is State.RUNNING:
            note = f"{entry.step_done} of {entry.steps} steps took effect; the next run continues"
            return replace(row, state=FileState.PARTIAL, note=note)
        case State.FAILED:
            note = "its last attempt failed and changed nothing; the next run tries it again"
            return replace(row, state=FileState.FAILED, note=note)
        case State.REVERTED:
            return replace(row, note="was applied before and reverted")
        case State.RUNNING | State.IN_DOUBT:
            note = entry.error or "the outcome of its last attempt is unknown"
            mend = f"templedb migration resolve {file.path} --applied|--not-applied --reason WHY"
            return replace(row, state=FileState.IN_DOUBT, note=note, mend=mend)
        case State.APPLIED:
            return _applied(row, entry.checksums, scripts)


def _applied(row: Tracked, known: Checksums, scripts: Scripts) -> Tracked:
    script = scripts.get(row.source) if row.source else None
    if script is None or script.checksums.text == known.text:
        return replace(row, state=FileState.APPLIED)
    if script.asked.repeatable:
        return replace(row, note="is repeatable and changed: it runs again")
    mend = f"templedb migration accept-checksum {row.file} --reason WHY"
    if script.checksums.tokens == known.tokens:
        note = "comments or layout were edited after it was applied"
        return replace(row, state=FileState.COSMETIC, note=note, mend=mend)
    note = "was edited after it was applied"
    undo = f"undo the edit and write a new migration, or {mend}"
    return replace(row, state=FileState.CHANGED, note=note, mend=undo)


def _honest(row: Tracked, scripts: Scripts) -> Tracked:
    """Return an edited row of which nothing ran before: to accept its new text would be a lie."""
    script = scripts.get(row.source) if row.source else None
    if row.state is not FileState.CHANGED or (script and script.left and script.left.nothing):
        return row
    mend = (
        "undo the edit and write a new migration; or, to run this file:"
        f" templedb migration mark-reverted {row.file} --reason WHY, then deploy again"
    )
    note = (
        "was edited after it was applied, and its statements never ran: the first text left nothing"
    )
    return replace(row, note=note, mend=mend, hollow=True)


def _first_time(row: Tracked, scripts: Scripts) -> bool:
    """Return whether a file waits for its first run, and only that one."""
    script = scripts.get(row.source) if row.source else None
    return row.state is FileState.PENDING and not (script and script.asked.repeatable)


def _out_of_order(
    rows: Sequence[Tracked], placed: Sequence[Placed], scripts: Scripts
) -> list[Tracked]:
    """Mark what sorts before the newest one of its folder that a run applied."""
    newest: dict[str, int] = {}
    bases = [each.base for each in placed]
    for place, row in enumerate(rows):
        by_run = row.entry is not None and row.entry.kind in _RAN
        if by_run and row.state in IN_EFFECT:
            newest[bases[place]] = place
    return [
        replace(
            row,
            state=FileState.OUT_OF_ORDER,
            note=f"sorts before {rows[newest[bases[place]]].file}, which is applied",
        )
        if _first_time(row, scripts) and place < newest.get(bases[place], -1)
        else row
        for place, row in enumerate(rows)
    ]


def _gone(found: Sequence[GroupMigrations], ledgers: Ledgers) -> list[Tracked]:
    gone = []
    for database, ledger in sorted(ledgers.items()):
        own = [each for each in found if each.database == database]
        here = {key for each in own for p in each.arranged.files for key in (p.key, p.path)}
        group = next((each.group.name for each in found if each.database == database), "")
        gone += [
            Tracked(
                group=group,
                database=database,
                key=entry.key,
                file=entry.file,
                state=_left_behind(entry),
                entry=entry,
                note=f"{_standing(entry)}, and no group of the release has its file",
                mend=_way_on(entry),
            )
            for entry in ledger.entries
            if _matters(entry, ledger) and entry.key not in here
        ]
    return gone


def _matters(entry: Entry, ledger: Ledger) -> bool:
    """Return whether an entry tells of something that stands, or may stand."""
    match entry.state:
        case State.APPLIED | State.IN_DOUBT:
            return True
        case State.RUNNING:  # a run that goes on may have it from a newer release than this one
            return not (ledger.holder and ledger.holder.live)
        case State.FAILED:
            return entry.step_started > 0
        case State.REVERTED:
            return False


def _left_behind(entry: Entry) -> FileState:
    match entry.state:
        case State.APPLIED:
            return FileState.MISSING
        case State.IN_DOUBT:
            return FileState.IN_DOUBT
        case _:
            return FileState.PARTIAL


def _standing(entry: Entry) -> str:
    match entry.state:
        case State.APPLIED:
            return "is applied"
        case State.IN_DOUBT:
            return entry.error or "the outcome of its last attempt is unknown"
        case _:
            return f"{entry.step_done} of {entry.steps} steps took effect"


def _way_on(entry: Entry) -> str:
    match entry.state:
        case State.APPLIED:
            return "restore the file"
        case State.IN_DOUBT:
            return f"templedb migration resolve {entry.key} --applied|--not-applied --reason WHY"
        case _:
            return (
                f"restore the file; if it was renamed: templedb migration rename"
                f" {entry.key} NEW; if you undid its steps by hand: templedb migration"
                f" mark-reverted {entry.key} --reason WHY"
            )


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
        stands = _standing(old.entry) if old.entry else ""
        note, mend = f"{stands}, as {old.key}", f"templedb migration rename {old.key} {row.file}"
        moved = replace(row, state=FileState.MOVED, entry=old.entry, was=old.key)
        joined.append(replace(moved, note=note, mend=mend))
    return [*joined, *left]


def _same_text(row: Tracked, gone: Tracked, scripts: Scripts) -> bool:
    script = scripts.get(row.source) if row.source else None
    if row.state not in WAITING or row.entry is not None or script is None or gone.entry is None:
        return False
    if gone.state is FileState.IN_DOUBT:  # it is settled first, under the name that it has
        return False
    if not script.statements:  # all empty files are equal: that proves nothing
        return False
    return row.database == gone.database and script.checksums.text == gone.entry.checksums.text
