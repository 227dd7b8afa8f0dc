"""A project and its releases: content-addressed snapshots of its files."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, NewType

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.file import FileEntry
from templedb_nb.model.serialization import Digest, digest

Slug = NewType("Slug", str)
"""What people call a project here: a local name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project; `known_as` is its name in every ledger and survives a change of the slug."""

    slug: Slug
    known_as: str
    root: str | None
    created_at: datetime


def tree_hash(files: Iterable[FileEntry]) -> Digest:
    """Return the address of a set of files: paths, contents and execute bits, in path order."""
    ordered = sorted(files, key=lambda each: each.path)
    return digest(tuple((each.path, each.blob, each.executable) for each in ordered))


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A project's files at one moment, in path order."""

    project: Slug
    number: int
    tree: Digest
    files: tuple[FileEntry, ...]
    made_at: datetime

    @property
    def paths(self) -> tuple[str, ...]:
        """Return every path, in order."""
        return tuple(each.path for each in self.files)

    def entry(self, path: str) -> FileEntry | None:
        """Return the file at *path*, if the release has one."""
        return next((each for each in self.files if each.path == path), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Which paths differ between two releases."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether anything differs."""
        return bool(self.added or self.changed or self.removed)


def changes(old: Iterable[FileEntry], new: Iterable[FileEntry]) -> Changes:
    """Return what turns *old* into *new*."""
    before = {each.path: (each.blob, each.executable) for each in old}
    after = {each.path: (each.blob, each.executable) for each in new}
    return Changes(
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(sorted(p for p in after.keys() & before.keys() if after[p] != before[p])),
        removed=tuple(sorted(before.keys() - after.keys())),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What an import or a sync came to; `left_out` says what was not taken, and why.

    `overlooked` are SQL files that are taken, and that no usual pattern of migrations matches.
    """

    json_kind: ClassVar[str] = "Synced"

    project: Project
    release: int
    tree: Digest
    files: int
    size: int
    changes: Changes
    left_out: tuple[str, ...] = ()
    overlooked: tuple[str, ...] = ()
    next: str = ""
