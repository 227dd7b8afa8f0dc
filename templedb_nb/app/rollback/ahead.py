"""Migrations that stay in effect although an earlier release does not have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from templedb_nb.core.compatibility.migrations import OrderedMigration, in_order
from templedb_nb.core.migrations.script import read_script
from templedb_nb.core.migrations.status import GroupMigrations, Ledgers
from templedb_nb.model.compatibility import Compat, Compatibility, breaks_old_code
from templedb_nb.model.layout import Reading
from templedb_nb.model.ledger import Entry, State
from templedb_nb.model.rollback_summary import Ahead
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.target import LedgerReader

Readings = Mapping[tuple[DatabaseName, str], Reading | None]
"""How the newest release reads each migration, by database and key."""


def ahead(
    sessions: Mapping[DatabaseName, LedgerReader],
    project: str,
    found: Sequence[GroupMigrations],
    ledgers: Ledgers,
    readings: Readings,
    *,
    protected: bool,
) -> tuple[Ahead, ...]:
    """Return what the ledgers have as applied, and no group of the release has."""
    told: list[Ahead] = []
    for database, own in left(found, ledgers):
        session = sessions.get(database)
        ran = session.applied_sql(project, [e.key for e in own]) if session and own else {}
        how = {e.key: readings.get((database, e.key)) for e in own}
        told += _told(database, own, ran, how, protected=protected)
    return tuple(told)


def left(
    found: Sequence[GroupMigrations], ledgers: Ledgers
) -> Iterator[tuple[DatabaseName, list[Entry]]]:
    """Yield what each ledger has as applied and no group of the release has."""
    for database, ledger in sorted(ledgers.items()):
        here = {key for each in found if each.database == database for key in _keys(each)}
        yield (
            database,
            [e for e in ledger.entries if e.state is State.APPLIED and e.key not in here],
        )


def _keys(each: GroupMigrations) -> Iterator[str]:
    for placed, _ in each.placed:
        yield placed.key
        yield placed.path


def _told(
    database: DatabaseName,
    entries: Sequence[Entry],
    ran: Mapping[str, str],
    readings: Mapping[str, Reading | None],
    *,
    protected: bool,
) -> Iterator[Ahead]:
    """Yield what each migration means for earlier code; of one without a text nobody knows."""
    texts = {key: text for key, text in ran.items() if text and not _replaced(text)}
    kept = [entry for entry in entries if entry.key in texts]
    words = in_order(
        OrderedMigration(e.key, database, read_script(texts[e.key].encode(), readings[e.key]))
        for e in kept
    )
    for entry in entries:
        found = words.get(entry.key) or Compatibility(
            word=Compat.UNKNOWN, reason="its text is not in the ledger"
        )
        yield Ahead(
            key=entry.key,
            file=entry.file,
            word=found.word.value,
            reason=found.reason,
            breaks=breaks_old_code(found, protected=protected),
        )


def _replaced(text: str) -> bool:
    """Return whether the ledger keeps the hash of a text that was too long for it."""
    return text.startswith("sha256:") and "\n" not in text
