"""Runbooks that ran, and what of each is proven done; a lock on a file tells which still run."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from templedb_nb.model.runbook import Done, Execution, ExecutionEnd
from templedb_nb.model.serialization import Digest, to_plain
from templedb_nb.store.duckdb.rows import read
from templedb_nb.store.duckdb.state_file import StateFile
from templedb_nb.store.duckdb.times import bare

FOLDER = "runbooks"


class Runbooks:
    """What runbooks did, by name; each method is one short session."""

    def __init__(self, file: StateFile) -> None:
        """Remember in *file*."""
        self._file = file
        self._held: dict[str, int] = {}

    def begin(self, execution: Execution) -> None:
        """Record that a runbook began, and hold its lock until `end` or the end of the process."""
        folder = self._file.folder / FOLDER
        with self._file.session() as session:
            session.execute(
                "INSERT INTO runbooks VALUES (?, ?, ?, ?, ?)",
                [execution.id, execution.name, execution.given, json.dumps(to_plain(execution)),
                 bare(execution.started_at)],
            )  # fmt: skip
            folder.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            handle = os.open(folder / execution.id, flags, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._held[execution.id] = handle

    def end(self, named: str, ended: ExecutionEnd) -> None:
        """Record how it ended, and let its lock go."""
        body = json.dumps(to_plain(ended))
        with self._file.session() as session:
            session.execute(
                "INSERT INTO runbook_ends VALUES (?, ?, ?, ?)",
                [named, ended.exit_code, body, bare(ended.ended_at)],
            )
        if named in self._held:
            with suppress(OSError):
                (self._file.folder / FOLDER / named).unlink()
            os.close(self._held.pop(named))

    def live(self, named: str) -> bool:
        """Return whether the process that runs it is there."""
        if named in self._held:
            return True
        try:
            handle = os.open(self._file.folder / FOLDER / named, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(handle)

    def add(self, done: Done) -> None:
        """Record that a command was carried out, or that the run of one has begun."""
        row: list[Any] = [done.key, done.runbook, done.run]
        row += [json.dumps(to_plain(done)), bare(done.done_at)]
        with self._file.session() as session:
            session.execute("INSERT INTO runbook_steps VALUES (?, ?, ?, ?, ?)", row)

    def done(self, key: Digest, among: Sequence[str]) -> Done | None:
        """Return what was last recorded under *key* by one of the runbooks *among*."""
        with self._file.session() as session:
            row = session.execute(
                "SELECT body FROM runbook_steps WHERE key = ? AND list_contains(?::VARCHAR[],"
                " runbook) ORDER BY done_at DESC LIMIT 1",
                [key, list(among)],
            ).fetchone()
        found: Done | None = read(Done, row[0]) if row else None
        return found

    def broken_off(self, name: str, given: Digest) -> tuple[str, ...]:
        """Return the newest executions of that name and those parameters that came to no good end.

        They reach back to the last one that did; newest first.
        """
        with self._file.session() as session:
            rows = session.execute(
                "SELECT id, exit_code FROM runbooks LEFT JOIN runbook_ends USING (id)"
                " WHERE name = ? AND parameters = ? ORDER BY id DESC LIMIT 100",
                [name, given],
            ).fetchall()
        found = []
        for named, code in rows:
            if code == 0:
                break
            found.append(named)
        return tuple(found)

    def executions(
        self, name: str | None, last: int
    ) -> tuple[tuple[Execution, ExecutionEnd | None], ...]:
        """Return the newest executions, of one runbook or of all, newest first."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT b.body, e.body FROM runbooks b LEFT JOIN runbook_ends e USING (id)"
                " WHERE ? IS NULL OR name = ? ORDER BY id DESC LIMIT ?",
                [name, name, last],
            ).fetchall()
        return tuple((read(Execution, b), read(ExecutionEnd, e) if e else None) for b, e in rows)

    def steps(self, named: str) -> tuple[Done, ...]:
        """Return what an execution recorded, in order."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT body FROM runbook_steps WHERE runbook = ? ORDER BY done_at", [named]
            ).fetchall()
        return tuple(read(Done, body) for (body,) in rows)
