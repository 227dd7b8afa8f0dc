"""The copies of targets' ledgers: kept, asked, forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from templedb_nb.model.ledger import Entry, Ledger, LedgerHead, State
from templedb_nb.model.project import Slug
from templedb_nb.model.serialization import Digest, to_plain
from templedb_nb.model.target import DatabaseName, TargetName
from templedb_nb.store.duckdb.rows import read
from templedb_nb.store.duckdb.state_file import StateFile
from templedb_nb.store.duckdb.times import bare, zoned

_APPLIED = """
SELECT DISTINCT key, body->>'$.checksums.tokens' FROM ledger_copies
WHERE project = ? AND target <> ? AND state = 'applied' AND list_contains(?::VARCHAR[], key)
"""


def applied_elsewhere(
    file: StateFile, slug: Slug, target: TargetName, keys: Iterable[str]
) -> frozenset[tuple[str, Digest]]:
    """Return which of *keys* other targets of the project have applied, with token checksums."""
    with file.session() as session:
        rows = session.execute(_APPLIED, [slug, target, sorted(keys)]).fetchall()
    return frozenset((key, Digest(tokens)) for key, tokens in rows)


class LedgerCopyRecords:
    """What targets' ledgers said when they were last whole."""

    def __init__(self, file: StateFile) -> None:
        """Remember in *file*."""
        self._file = file

    def copy_ledger(
        self,
        slug: Slug,
        target: TargetName,
        database: DatabaseName,
        ledger: Ledger,
        at: datetime,
    ) -> None:
        """Bring the copy of a ledger up to what the ledger said at *at*."""
        fresh = {e.key: (e.state.value, json.dumps(to_plain(e))) for e in ledger.entries}
        where = [slug, target, database]
        applied = [e for e in ledger.entries if e.state is State.APPLIED]
        with self._file.session() as session:
            known = session.execute(
                "SELECT key, state, body FROM ledger_copies"
                " WHERE project = ? AND target = ? AND database_name = ?",
                where,
            ).fetchall()
            old = {key: (state, body) for key, state, body in known}
            gone = [key for key in old if old[key] != fresh.get(key)]
            new = [key for key in fresh if fresh[key] != old.get(key)]
            session.execute(
                "DELETE FROM ledger_copies WHERE project = ? AND target = ?"
                " AND database_name = ? AND list_contains(?::VARCHAR[], key)",
                [*where, gone],
            )
            session.execute(
                "INSERT INTO ledger_copies SELECT ?, ?, ?, ?,"
                " unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[])",
                [*where, bare(at), new, [fresh[k][0] for k in new], [fresh[k][1] for k in new]],
            )
            session.execute(
                "INSERT OR REPLACE INTO ledger_heads VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [*where, ledger.uuid, ledger.head, len(applied), ledger.newest, bare(at)],
            )

    def ledger_heads(self, slug: Slug, target: TargetName) -> dict[DatabaseName, LedgerHead]:
        """Return which ledgers a target had when they were last read."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT database_name, uuid, head, applied, run_seq, read_at FROM ledger_heads"
                " WHERE project = ? AND target = ?",
                [slug, target],
            ).fetchall()
        return {
            DatabaseName(name): LedgerHead(
                uuid=uuid, head=Digest(head), applied=n, run_seq=seq, read_at=zoned(at)
            )
            for name, uuid, head, n, seq, at in rows
        }

    def ledger_copy(
        self, slug: Slug, target: TargetName, database: DatabaseName
    ) -> tuple[Entry, ...]:
        """Return what a ledger said when it was last whole, in the order of its migrations."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT body FROM ledger_copies WHERE project = ? AND target = ?"
                " AND database_name = ?",
                [slug, target, database],
            ).fetchall()
        found: list[Entry] = [read(Entry, body) for (body,) in rows]
        return tuple(sorted(found, key=lambda each: each.run_seq))

    def ledger_moved(
        self, slug: Slug, target: TargetName, database: DatabaseName, ledger: Ledger
    ) -> bool:
        """Return whether a ledger says anything that its copy does not."""
        known = self.ledger_heads(slug, target).get(database)
        return known is None or (known.uuid, known.head) != (ledger.uuid, ledger.head)

    def forget_ledger(self, slug: Slug, target: TargetName, at: datetime) -> None:
        """Forget which ledgers a target had: the next one that is read is the right one."""
        with self._file.session() as session:
            for table in ("ledger_heads", "ledger_copies"):
                session.execute(
                    f"DELETE FROM {table} WHERE project = ? AND target = ?",  # noqa: S608 - a constant
                    [slug, target],
                )
            session.execute("INSERT INTO rebinds VALUES (?, ?, ?)", [slug, target, bare(at)])
