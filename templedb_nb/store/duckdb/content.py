"""File contents by address, and the releases that are made of them.

A release costs what changed: `project_files` holds each version of a file once, with the releases
that it belongs to.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from templedb_nb.errors import StoreError, UnknownName
from templedb_nb.model.file import FileEntry, FileStamp
from templedb_nb.model.project import Changes, Release, Slug, changes, tree_hash
from templedb_nb.model.serialization import Digest
from templedb_nb.store.duckdb.state_file import StateFile
from templedb_nb.store.duckdb.times import bare, zoned

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

BATCH = 32 << 20
_WORTH = 0.9
_LEAST = 128
_RAW, _ZLIB = "raw", "zlib"


class BlobWriter:
    """Takes files as they are read, and stores those that are not there yet, in batches.

    Everything happens in the session that it was given: if that is rolled back, nothing stays.
    """

    def __init__(self, session: Connection) -> None:
        """Write through *session*."""
        self._session = session
        self._parts: list[tuple[int, str, bytes]] = []
        self._batch: list[tuple[str, int, int, str, bytes]] = []
        self._waiting = 0
        self._spilled = 0

    @cached_property
    def _known(self) -> set[str]:
        rows = self._session.execute("SELECT DISTINCT sha256 FROM content_blobs").fetchall()
        return {row[0] for row in rows}

    def write(self, part: bytes) -> None:
        """Take the next bytes of the current file."""
        packed = zlib.compress(part, 1) if len(part) >= _LEAST else part
        worth = len(packed) < len(part) * _WORTH
        row = (len(part), _ZLIB, packed) if worth else (len(part), _RAW, part)
        self._parts.append(row)
        if sum(len(body) for _, _, body in self._parts) > BATCH:
            self._spill()

    def commit(self, blob: Digest, size: int) -> None:
        """Keep the current file under its address."""
        del size
        rows = self._parts or ([] if self._spilled else [(0, _RAW, b"")])
        if blob not in self._known:
            first = self._spilled
            self._batch += [(blob, first + n, *row) for n, row in enumerate(rows)]
            self._waiting += sum(len(body) for _, _, body in rows)
            self._adopt(blob)
        self._known.add(blob)
        self.discard()
        if self._waiting > BATCH:
            self.flush()

    def discard(self) -> None:
        """Forget the current file."""
        if self._spilled:
            self._session.execute("DELETE FROM content_blobs WHERE sha256 = ''")
        self._parts, self._spilled = [], 0

    def flush(self) -> None:
        """Write what waits."""
        if self._batch:
            columns = [list(column) for column in zip(*self._batch, strict=True)]
            self._session.execute(
                "INSERT INTO content_blobs SELECT unnest(?::VARCHAR[]), unnest(?::INTEGER[]),"
                " unnest(?::BIGINT[]), unnest(?::VARCHAR[]), unnest(?::BLOB[])",
                columns,
            )
        self._batch, self._waiting = [], 0

    def _spill(self) -> None:
        """Write the parts of a large file before its address is known, under none."""
        rows = [("", self._spilled + n, *row) for n, row in enumerate(self._parts)]
        self._session.executemany("INSERT INTO content_blobs VALUES (?, ?, ?, ?, ?)", rows)
        self._spilled += len(self._parts)
        self._parts = []

    def _adopt(self, blob: Digest) -> None:
        if self._spilled:
            self._session.execute("UPDATE content_blobs SET sha256 = ? WHERE sha256 = ''", [blob])
            self._spilled = 0


class Content:
    """Blobs, stat caches and releases; each method is one short session."""

    def __init__(self, file: StateFile) -> None:
        """Keep contents in *file*."""
        self._file = file

    def known(self, slug: Slug) -> tuple[dict[str, FileStamp], int]:
        """Return what each file looked like at the last scan, and when that was, in ns."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT path, sha256, size, mtime_ns, ctime_ns, inode, executable"
                " FROM file_stats WHERE project = ?",
                [slug],
            ).fetchall()
            at = session.execute(
                "SELECT scanned_ns FROM scans WHERE project = ?", [slug]
            ).fetchone()
        names = ("path", "blob", "size", "mtime_ns", "ctime_ns", "inode", "executable")
        seen = (FileStamp(**dict(zip(names, row, strict=True))) for row in rows)
        return {each.path: each for each in seen}, int(at[0]) if at else 0

    def keep_scan(
        self, slug: Slug, old: dict[str, FileStamp], files: Sequence[FileStamp], scanned_ns: int
    ) -> None:
        """Bring the stat cache from *old* up to *files*, writing what differs."""
        fresh = [each for each in files if old.get(each.path) != each]
        gone = sorted(old.keys() - {each.path for each in files})
        stale = gone + [each.path for each in fresh if each.path in old]
        with self._file.session() as session:
            session.execute(
                "DELETE FROM file_stats WHERE project = ? AND list_contains(?::VARCHAR[], path)",
                [slug, stale],
            )
            session.execute(
                "INSERT INTO file_stats SELECT ?, unnest(?::VARCHAR[]), unnest(?::VARCHAR[]),"
                " unnest(?::BIGINT[]), unnest(?::BIGINT[]), unnest(?::BIGINT[]),"
                " unnest(?::UBIGINT[]), unnest(?::BOOLEAN[])",
                [slug, *_stat_columns(fresh)],
            )
            session.execute("INSERT OR REPLACE INTO scans VALUES (?, ?)", [slug, scanned_ns])

    def newest(self, slug: Slug) -> Release | None:
        """Return the newest release, if there is one."""
        return self._release(slug, "ORDER BY number DESC LIMIT 1", [])

    def newest_tree(self, slug: Slug) -> tuple[int, Digest] | None:
        """Return number and tree of the newest release, without its files."""
        with self._file.session() as session:
            row = session.execute(
                "SELECT number, tree FROM releases WHERE project = ? ORDER BY number DESC LIMIT 1",
                [slug],
            ).fetchone()
        return (row[0], Digest(row[1])) if row else None

    def release(self, slug: Slug, number: int) -> Release:
        """Return the release of that number."""
        found = self._release(slug, "AND number = ?", [number])
        if found is None:
            hint = f"templedb project show {slug}"
            raise UnknownName(f"project {slug} has no release {number}", hint=hint)
        return found

    def first_releases(
        self, slug: Slug, paths: Sequence[str], changed: Sequence[str] = ()
    ) -> dict[str, tuple[int, datetime]]:
        """Return the oldest release that has a file at each of *paths*, and when it was made.

        Of those that *changed*, it is the oldest that has their newest text.
        """
        with self._file.session() as session:
            rows = session.execute(
                "SELECT f.path, f.first, r.made_at FROM (SELECT path, CASE WHEN list_contains("
                "$changed::VARCHAR[], path) THEN max(since) ELSE min(since) END AS first"
                " FROM project_files WHERE project = $slug"
                " AND list_contains($paths::VARCHAR[], path) GROUP BY path) f"
                " JOIN releases r ON r.project = $slug AND r.number = f.first",
                {"slug": slug, "paths": list(paths), "changed": list(changed)},
            ).fetchall()
        return {path: (number, zoned(at)) for path, number, at in rows}

    def keep_release(
        self, slug: Slug, files: Sequence[FileEntry], at: datetime, by: str
    ) -> tuple[Release, Changes]:
        """Make a release of *files*, unless it equals the newest; return it and what differs."""
        with self._file.session() as session:
            last = self.newest(slug)
            differs = changes(last.files if last else (), files)
            if last and not differs:
                return last, differs
            number = last.number + 1 if last else 1
            _write_changes(session, slug, files, differs, number)
            tree, size = tree_hash(files), sum(each.size for each in files)
            session.execute(
                "INSERT INTO releases VALUES (?, ?, ?, ?, ?, ?, ?)",
                [slug, number, tree, len(files), size, bare(at), by],
            )
            ordered = tuple(sorted(files, key=lambda each: each.path))
            made = Release(project=slug, number=number, tree=tree, files=ordered, made_at=at)
            return made, differs

    def releases(self, slug: Slug) -> list[tuple[int, str, int, int, datetime, str]]:
        """Return number, tree, files, bytes, when and who of every release, newest first."""
        with self._file.session() as session:
            rows = session.execute(
                "SELECT number, tree, files, size, made_at, made_by FROM releases"
                " WHERE project = ? ORDER BY number DESC",
                [slug],
            ).fetchall()
        return [(n, tree, files, size, zoned(at), by) for n, tree, files, size, at, by in rows]

    def read(self, blobs: Iterable[Digest]) -> dict[Digest, bytes]:
        """Return the contents at those addresses; each is verified."""
        wanted = sorted(set(blobs))
        if not wanted:
            return {}
        with self._file.session() as session:
            rows = session.execute(
                "SELECT sha256, encoding, body FROM content_blobs"
                " WHERE list_contains(?::VARCHAR[], sha256) ORDER BY sha256, part",
                [wanted],
            ).fetchall()
        found: dict[Digest, bytes] = {}
        parts: dict[Digest, list[bytes]] = {}
        for blob, encoding, body in rows:
            parts.setdefault(blob, []).append(_unpacked(encoding, body))
        for blob, pieces in parts.items():
            found[blob] = b"".join(pieces)
        _verify(wanted, found)
        return found

    @contextmanager
    def sink(self) -> Iterator[BlobWriter]:
        """Take contents in, in one transaction; they can be read when the block has ended."""
        with self._file.session() as session:
            writer = BlobWriter(session)
            yield writer
            writer.flush()

    def _release(self, slug: Slug, condition: str, values: list[Any]) -> Release | None:
        with self._file.session() as session:
            row = session.execute(
                f"SELECT number, tree, made_at FROM releases WHERE project = ? {condition}",  # noqa: S608 - constants of ours
                [slug, *values],
            ).fetchone()
            if row is None:
                return None
            number, tree, made_at = row
            rows = session.execute(
                "SELECT path, sha256, size, executable FROM project_files WHERE project = ?"
                " AND since <= ? AND (until IS NULL OR until > ?) ORDER BY path",
                [slug, number, number],
            ).fetchall()
        files = tuple(
            FileEntry(path=path, blob=blob, size=size, executable=executable)
            for path, blob, size, executable in rows
        )
        at = zoned(made_at)
        return Release(project=slug, number=number, tree=tree, files=files, made_at=at)


def _write_changes(
    session: Connection, slug: Slug, files: Sequence[FileEntry], differs: Changes, number: int
) -> None:
    ended = [*differs.changed, *differs.removed]
    session.execute(
        "UPDATE project_files SET until = ? WHERE project = ? AND until IS NULL"
        " AND list_contains(?::VARCHAR[], path)",
        [number, slug, ended],
    )
    begun = {*differs.added, *differs.changed}
    rows = [each for each in files if each.path in begun]
    session.execute(
        "INSERT INTO project_files SELECT ?, unnest(?::VARCHAR[]), unnest(?::VARCHAR[]),"
        " unnest(?::BIGINT[]), unnest(?::BOOLEAN[]), ?, NULL",
        [
            slug,
            [each.path for each in rows],
            [each.blob for each in rows],
            [each.size for each in rows],
            [each.executable for each in rows],
            number,
        ],
    )


def _stat_columns(files: Sequence[FileStamp]) -> Iterator[list[Any]]:
    for name in ("path", "blob", "size", "mtime_ns", "ctime_ns", "inode", "executable"):
        yield [getattr(each, name) for each in files]


def _unpacked(encoding: str, body: bytes) -> bytes:
    return zlib.decompress(body) if encoding == _ZLIB else body


def _verify(wanted: Sequence[Digest], found: dict[Digest, bytes]) -> None:
    for blob in wanted:
        if blob not in found:
            raise StoreError(f"the store has no content {blob[:12]}", hint="templedb project sync")
        if hashlib.sha256(found[blob]).hexdigest() != blob:
            raise StoreError(f"the content {blob[:12]} is damaged", hint="restore a state backup")
