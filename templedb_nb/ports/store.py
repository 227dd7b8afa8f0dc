"""What use cases ask of the state: settings, files, and the state as a whole; a protocol a role."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol  # Any: a config's document; a DataFrame, of a library loaded late

from templedb_nb.model.file import FileEntry, FileStamp
from templedb_nb.model.history import Answer
from templedb_nb.model.project import Changes, Project, Release, Slug
from templedb_nb.model.serialization import Digest
from templedb_nb.model.state import Inspection, JournalCheck
from templedb_nb.model.target import Target, TargetName
from templedb_nb.model.variable import Variable


class Transactions(Protocol):
    """Several calls of any role below, kept together or not at all."""

    def transaction(self) -> AbstractContextManager[None]:
        """Keep all that the block does, or nothing of it if it raises.

        Each call outside a block is a transaction of its own. A block inside another, in the same
        thread, belongs to the outer one.
        """
        ...


# --- what people set --------------------------------------------------------------------------


class ProjectStore(Protocol):
    """Projects, by slug."""

    def projects(self) -> tuple[Project, ...]:
        """Return every project, by slug."""
        ...

    def keep_project(self, project: Project) -> None:
        """Add a project, or replace the one of the same slug."""
        ...

    def remove_project(self, slug: Slug) -> None:
        """Forget a project's files, configs, targets and variables; its history stays."""
        ...


class ConfigStore(Protocol):
    """The versions of each project's config; none is ever changed."""

    def config(self, slug: Slug) -> tuple[int, dict[str, Any], datetime, str] | None:
        """Return the newest version: its number, document, when and who."""
        ...

    def configs(
        self, slug: Slug, *, last: int
    ) -> list[tuple[int, datetime, str, str, dict[str, Any]]]:
        """Return the newest versions, newest first: number, when, who, note and document."""
        ...

    def keep_config(
        self, slug: Slug, document: dict[str, Any], at: datetime, by: str, note: str
    ) -> int:
        """Add a version, and return its number: one more than the newest."""
        ...


class TargetStore(Protocol):
    """The targets of each project, by name."""

    def targets(self, slug: Slug) -> tuple[Target, ...]:
        """Return the targets of a project, by name."""
        ...

    def keep_targets(self, slug: Slug, targets: Sequence[Target]) -> None:
        """Add targets, or replace those of the same names; all or none."""
        ...

    def remove_targets(self, slug: Slug, names: Sequence[TargetName]) -> None:
        """Forget targets and their variables; their history stays."""
        ...


class VariableStore(Protocol):
    """Variables of projects and of single targets, as their text is kept: plain or sealed."""

    def variables(self, slug: Slug, target: TargetName | None = None) -> tuple[Variable, ...]:
        """Return the project's variables, with those of *target*, or of all targets."""
        ...

    def sealed(self) -> tuple[Variable, ...]:
        """Return every sealed variable, of all projects and targets."""
        ...

    def keep_variables(self, variables: Sequence[Variable]) -> None:
        """Set variables, all or none."""
        ...

    def remove_variable(self, slug: Slug, target: TargetName | None, name: str) -> bool:
        """Forget a variable; say whether it was there."""
        ...


class SettingsStore(ProjectStore, ConfigStore, TargetStore, VariableStore, Protocol):
    """Everything that people set."""


# --- files ------------------------------------------------------------------------------------


class BlobSink(Protocol):
    """Takes the bytes of one file after another.

    Each file is any number of `write` (none, if it is empty), then one `commit` or `discard`. What
    was committed is whole; a scan that raises may have committed files before, and it is the
    caller's transaction that rolls them back.
    """

    def write(self, part: bytes) -> None:
        """Take the next bytes of the current file."""
        ...

    def commit(self, blob: Digest, size: int) -> None:
        """Keep the bytes since the last call of `commit` or `discard`; *blob* is their SHA-256."""
        ...

    def discard(self) -> None:
        """Forget the bytes since the last call of `commit` or `discard`."""
        ...


class BlobStore(Protocol):
    """Contents of files, each kept once, by the SHA-256 of its bytes."""

    def read(self, blobs: Iterable[Digest]) -> dict[Digest, bytes]:
        """Return the contents at those addresses, verified; raise `StoreError` for what is not."""
        ...

    def sink(self) -> AbstractContextManager[BlobSink]:
        """Take contents in, in one transaction; they can be read when the block has ended."""
        ...


class ReleaseStore(Protocol):
    """The releases of each project, numbered from 1; none is ever changed."""

    def newest(self, slug: Slug) -> Release | None:
        """Return the newest release, if there is one."""
        ...

    def newest_tree(self, slug: Slug) -> tuple[int, Digest] | None:
        """Return number and tree of the newest release, without its files."""
        ...

    def release(self, slug: Slug, number: int) -> Release:
        """Return the release of that number, or raise `UnknownName`."""
        ...

    def first_releases(
        self, slug: Slug, paths: Sequence[str], changed: Sequence[str] = ()
    ) -> dict[str, tuple[int, datetime]]:
        """Return the oldest release that has a file at each of *paths*, and when it was made.

        Of those that *changed*, it is the oldest that has their newest text.
        """
        ...

    def keep_release(
        self, slug: Slug, files: Sequence[FileEntry], at: datetime, by: str
    ) -> tuple[Release, Changes]:
        """Make a release of *files*, unless it equals the newest; return it and what differs."""
        ...

    def releases(self, slug: Slug) -> list[tuple[int, str, int, int, datetime, str]]:
        """Return number, tree, files, bytes, when and who of every release, newest first."""
        ...


class ScanStore(Protocol):
    """What the files of a project's folder looked like, so that only changed ones are read."""

    def known(self, slug: Slug) -> tuple[dict[str, FileStamp], int]:
        """Return what each file looked like at the last scan, and when that was, in ns."""
        ...

    def keep_scan(
        self, slug: Slug, old: dict[str, FileStamp], files: Sequence[FileStamp], scanned_ns: int
    ) -> None:
        """Bring what is known from *old* up to *files*."""
        ...


class ContentStore(BlobStore, ReleaseStore, ScanStore, Protocol):
    """Everything that comes from the folders of projects."""


# --- the state as a whole ---------------------------------------------------------------------


class HistoryQuery(Protocol):
    """Questions in SQL to the views of the history; only read, and nothing beside the state."""

    def answer(self, sql: str) -> Answer:
        """Return the first rows as plain values, and whether there are more."""
        ...

    def frame(self, sql: str) -> Any:
        """Return every row as a DataFrame: times in UTC, durations, words as categories."""
        ...


class StateInspector(Protocol):
    """A look at the state that changes nothing, however broken it is."""

    @property
    def path(self) -> Path:
        """Return the state's file."""
        ...

    def inspect(self, wanted: Sequence[str]) -> Inspection:
        """Read everything; return what was found, with the rows of the *wanted* tables."""
        ...

    def journals(self) -> Iterator[JournalCheck]:
        """Yield what each file among the journals is."""
        ...
