"""Receivers, and from which files of projects some of them were read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from templedb_nb.model.project import Slug
from templedb_nb.model.receiver import Receiver, ReceiverFilter, ReceiverKind, ReceiverState
from templedb_nb.model.serialization import to_plain
from templedb_nb.model.variable import Variable
from templedb_nb.store.duckdb.rows import read
from templedb_nb.store.duckdb.state_file import StateFile
from templedb_nb.store.duckdb.times import bare, zoned


class ReceiverRecords:
    """Everybody who is notified; each method is one short session."""

    _file: StateFile

    def any_receivers(self) -> bool:
        """Return whether there is anybody."""
        with self._file.session() as session:
            row = session.execute("SELECT EXISTS (FROM receivers)").fetchone()
        return bool(row and row[0])

    def unread_projects(self, path: str) -> tuple[tuple[Slug, int, str, str], ...]:
        """Return the projects whose newest release was not looked at: number, tree, file at *path*.

        The file is the address of its content; empty for a release without it.
        """
        with self._file.session() as session:
            rows = session.execute(
                "SELECT n.*, coalesce((SELECT max(sha256) FROM project_files f"
                " WHERE f.project = n.project AND f.path = ? AND f.until IS NULL), '')"
                " FROM (SELECT project, max(number), arg_max(tree, number) AS tree FROM releases"
                " GROUP BY project) n WHERE NOT EXISTS"
                " (FROM receiver_files f WHERE f.project = n.project AND f.tree = n.tree)",
                [path],
            ).fetchall()
        return tuple((Slug(slug), number, tree, blob) for slug, number, tree, blob in rows)

    def receivers(self) -> tuple[Receiver, ...]:
        """Return every receiver, by name."""
        with self._file.session() as session:
            rows = session.execute("SELECT * FROM receivers ORDER BY name").fetchall()
        return tuple(_receiver(row) for row in rows)

    def keep_receiver(self, receiver: Receiver) -> None:
        """Add a receiver, or replace the one of the same name."""
        row: list[Any] = [receiver.name, receiver.kind]
        row += [json.dumps(to_plain(receiver.secrets)), json.dumps(to_plain(receiver.settings))]
        row += [json.dumps(to_plain(receiver.filter)), bare(receiver.since), receiver.added_by]
        row += [receiver.origin, receiver.state, receiver.why]
        with self._file.session() as session:
            session.execute(
                "INSERT OR REPLACE INTO receivers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row
            )

    def remove_receiver(self, name: str) -> None:
        """Forget a receiver and everything that it is owed."""
        with self._file.session() as session:
            session.execute("DELETE FROM receivers WHERE name = ?", [name])
            session.execute("DELETE FROM deliveries WHERE receiver = ?", [name])

    def set_state(self, name: str, state: ReceiverState, why: str) -> None:
        """Say whether a receiver gets what is owed to it; what failed before counts anew."""
        with self._file.session() as session:
            session.execute(
                "UPDATE receivers SET state = ?, why = ? WHERE name = ?", [state, why, name]
            )
            if state is ReceiverState.ACTIVE:
                session.execute(
                    "UPDATE deliveries SET failing_since = NULL, due_at = NULL, not_before = NULL"
                    " WHERE receiver = ? AND state = 'waiting'",
                    [name],
                )

    def file_read(self, slug: Slug) -> tuple[str, str] | None:
        """Return the tree and the file from which a project's receivers were read last."""
        with self._file.session() as session:
            row = session.execute(
                "SELECT tree, sha256 FROM receiver_files WHERE project = ?", [slug]
            ).fetchone()
        return (str(row[0]), str(row[1])) if row else None

    def keep_file_read(self, slug: Slug, tree: str, blob: str) -> None:
        """Record from which release's file a project's receivers were read."""
        with self._file.session() as session:
            session.execute(
                "INSERT OR REPLACE INTO receiver_files VALUES (?, ?, ?)", [slug, tree, blob]
            )


def _receiver(row: Sequence[Any]) -> Receiver:
    name, kind, secrets, settings, wanted, since, by, origin, state, why = row
    pairs = json.loads(settings)
    return Receiver(
        name=name,
        kind=ReceiverKind(kind),
        secrets=read(tuple[Variable, ...], secrets),
        settings=tuple((key, value) for key, value in pairs),
        filter=read(ReceiverFilter, wanted),
        since=zoned(since),
        added_by=by,
        origin=origin,
        state=ReceiverState(state),
        why=why,
    )
