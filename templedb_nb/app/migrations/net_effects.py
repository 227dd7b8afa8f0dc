"""What an empty file, or one that undoes itself, was before it is asked what it is now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from templedb_nb.core.migrations.script import read_script
from templedb_nb.core.migrations.status import GroupMigrations, Hollow, Ledgers, Scripts, edited
from templedb_nb.model.layout import Reading, address
from templedb_nb.model.ledger import Entry
from templedb_nb.model.project import Slug
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import DatabaseName, TargetName
from templedb_nb.ports.records import LedgerCopyStore
from templedb_nb.ports.target import LedgerReader


def hollow(
    sessions: Mapping[DatabaseName, LedgerReader],
    project: str,
    found: Sequence[GroupMigrations],
    ledgers: Ledgers,
) -> frozenset[Hollow]:
    """Return the edited migrations of which what ran had left nothing, as the ledgers keep it."""
    wanted: dict[DatabaseName, list[tuple[Entry, Reading | None]]] = {}
    for each, placed, entry in edited(found, ledgers):
        wanted.setdefault(each.database, []).append((entry, placed.reading))
    out: set[Hollow] = set()
    for database, entries in wanted.items():
        session = sessions.get(database)
        keys = [entry.key for entry, _ in entries]
        ran = session.applied_sql(project, keys) if session else {}
        out |= {(database, e.key) for e, reading in entries if _left_nothing(e, reading, ran)}
    return frozenset(out)


def _left_nothing(entry: Entry, reading: Reading | None, ran: Mapping[str, str]) -> bool:
    text = ran.get(entry.key, "")
    if not text:  # not kept, or really nothing
        return entry.checksums.tokens == read_script(b"").checksums.tokens
    left = read_script(text.encode(), reading).left
    return left is not None and left.nothing


def elsewhere(
    records: LedgerCopyStore,
    slug: Slug,
    target: TargetName,
    found: Iterable[GroupMigrations],
    scripts: Scripts,
) -> frozenset[tuple[str, Digest]]:
    """Return keys and token checksums of what other targets have applied, of doubtful files."""
    doubtful = {
        placed.key
        for each in found
        for placed, file in each.placed
        if (script := scripts.get(address(file.blob, placed.reading))) and script.left
    }
    return records.applied_elsewhere(slug, target, doubtful) if doubtful else frozenset()
