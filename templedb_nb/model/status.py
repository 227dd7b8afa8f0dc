"""Where each migration of a project stands on a target."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from templedb_nb.model.compatibility import Compatibility
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome
from templedb_nb.model.health import Measured
from templedb_nb.model.layout import Address, Reading, address
from templedb_nb.model.ledger import Entry
from templedb_nb.model.project import Slug
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.serialization import Digest
from templedb_nb.model.slots import SlotRecord
from templedb_nb.model.target import DatabaseName, TargetName
from templedb_nb.model.waiting_files import WaitingFiles
from templedb_nb.model.window import WindowState


class FileState(StrEnum):
    """What is true of one migration file on one target."""

    APPLIED = "applied"
    COSMETIC = "cosmetic"
    PENDING = "pending"
    OUT_OF_ORDER = "out of order"
    FAILED = "failed"
    PARTIAL = "partly applied"
    CHANGED = "changed"
    MOVED = "moved"
    MISSING = "missing"
    IN_DOUBT = "in doubt"
    OPAQUE = "opaque"


IN_EFFECT = frozenset({FileState.APPLIED, FileState.COSMETIC, FileState.CHANGED})
WAITING = frozenset(
    {FileState.PENDING, FileState.OUT_OF_ORDER, FileState.FAILED, FileState.PARTIAL}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """One migration: the file as the release has it, the entry as the ledger has it.

    `reading` is how another layout than the plain one reads the file; `down` rolls it back.
    `hollow` says that the file was edited, and that what ran of it had left nothing.
    `compatibility` is what one that waits means for older code, where that was asked.
    """

    group: str
    database: DatabaseName
    key: str
    file: str
    state: FileState
    blob: Digest | None = None
    entry: Entry | None = None
    was: str = ""
    note: str = ""
    mend: str = ""
    reading: Reading | None = None
    down: str = ""
    hollow: bool = False
    compatibility: Compatibility | None = None

    @property
    def source(self) -> Address | None:
        """Return where its script is read from, if its file is there."""
        return address(self.blob, self.reading) if self.blob else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStatus:
    """Every migration of a project on one target, in the order in which they run."""

    json_kind: ClassVar[str] = "MigrationStatus"

    slug: Slug
    target: TargetName
    rows: tuple[Tracked, ...]
    only: tuple[FileState, ...] | None = None

    @property
    def applied(self) -> int:
        """Return how many are in effect."""
        return sum(row.state in IN_EFFECT for row in self.rows)

    @property
    def pending(self) -> int:
        """Return how many wait to be applied."""
        return sum(row.state in WAITING for row in self.rows)

    @property
    def shown(self) -> tuple[Tracked, ...]:
        """Return the rows that were asked for."""
        return tuple(r for r in self.rows if self.only is None or r.state in self.only)

    def count(self, state: FileState) -> int:
        """Return how many are in that state."""
        return sum(row.state is state for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStatus:
    """One target of a project at a glance; counts are None where they could not be read."""

    slug: Slug
    target: TargetName
    protected: bool
    release: int
    applied: int | None = None
    pending: int | None = None
    attention: int | None = None
    last_outcome: Outcome | None = None
    last_run: str = ""
    last_at: datetime | None = None
    note: str = ""
    last_health: Measured | None = None
    last_kind: RunKind | None = None
    windows: WindowState | None = None
    """What its deployment windows say now; None where it has none, or they could not be read."""
    waiting: WaitingFiles | None = None
    """Its pending files that have been in the releases for too long."""
    slots: tuple[SlotRecord, ...] = ()
    """What is recorded of the slots of its groups; no router was asked."""

    @property
    def wants(self) -> bool:
        """Return whether it waits for something: a pending migration, a look, an end."""
        ended_well = self.last_outcome in {None, Outcome.SUCCEEDED}
        return bool(self.pending or self.attention or self.note or not ended_well)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTable:
    """A project on its targets."""

    json_kind: ClassVar[str] = "StatusTable"

    slug: Slug
    rows: tuple[TargetStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a deployment of a project may be made of: its targets, releases and groups.

    `releases` are numbers and what is told of them, newest first.
    """

    json_kind: ClassVar[str] = "Choices"

    slug: Slug
    targets: tuple[str, ...]
    releases: tuple[tuple[int, str], ...]
    groups: tuple[str, ...]
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """What somebody picked of the choices: no `release` stands for the newest.

    `left` are the groups to leave out.
    """

    choices: Choices
    target: str = ""
    release: int | None = None
    left: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """Return the command that deploys it."""
        words = ["templedb deploy run", self.choices.slug]
        words += [f"--target {self.target}"] if self.target else []
        words += [f"--release {self.release}"] if self.release else []
        return " ".join([*words, *(f"--skip-group {name}" for name in self.left)])
