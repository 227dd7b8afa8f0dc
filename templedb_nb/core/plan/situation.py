"""What a plan follows from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import field

from templedb_nb.core.config import environ
from templedb_nb.core.migrations.layouts.placing import NOTHING_SEEN, FolderView
from templedb_nb.core.migrations.status import GroupMigrations, Hollow, Ledgers, Scripts
from templedb_nb.core.plan.rollback import WayBack
from templedb_nb.core.promotion.forward import WayForward
from templedb_nb.model.artifact import Artifact
from templedb_nb.model.config import DeployConfig, HealthCheck
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.file import FileEntry
from templedb_nb.model.foreign_history import ForeignHistory
from templedb_nb.model.lost import Suspicion
from templedb_nb.model.rollback_summary import Ahead, Fallback
from templedb_nb.model.serialization import Digest
from templedb_nb.model.slots import GroupSlots
from templedb_nb.model.step import Amendment, Restore, Revert
from templedb_nb.model.target import DatabaseName, Policy, TargetName


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotWish:
    """A slot that a person wants traffic to go to; with `retires`, one that is only stopped."""

    group: str
    slot: str
    reason: str
    retires: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What the person who plans wants to be different."""

    skip_groups: tuple[str, ...] = ()
    skip_validation: bool = False
    amend: tuple[Amendment | Revert | Restore, ...] = ()
    rollback: WayBack | None = None
    fallback: Fallback | None = None
    artifacts: Mapping[str, tuple[Artifact, ...]] = field(default_factory=dict)
    """What an earlier run kept, by group: it is placed, and those groups build and test nothing."""
    promotion: WayForward | None = None
    discard_old: bool = False
    """Whether a slot may be overwritten that keeps what served before."""
    switch: SlotWish | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that a plan follows from."""

    project: str
    target: TargetName
    policy: Policy
    config: DeployConfig
    files: tuple[FileEntry, ...]
    tree: Digest
    ledgers: Ledgers
    scripts: Scripts
    known: environ.KnownNames = field(default_factory=environ.KnownNames)
    options: PlanOptions = field(default_factory=PlanOptions)
    databases: tuple[DatabaseName, ...] = ()
    suspicions: Mapping[DatabaseName, Suspicion] = field(default_factory=dict)
    look: FolderView = NOTHING_SEEN
    migrations: tuple[GroupMigrations, ...] | None = None
    histories: Mapping[DatabaseName, Sequence[ForeignHistory]] = field(default_factory=dict)
    overlay: str = ""
    own: Policy | None = None
    """What the project itself demands, without its neighbours in the same databases."""
    bodies: Mapping[str, bytes] = field(default_factory=dict)
    """Of the files whose rows another tool's table is to get, by path."""
    elsewhere: AbstractSet[tuple[str, Digest]] = frozenset()
    """Keys and token checksums of what other targets have applied, where a file leaves nothing."""
    hollow: AbstractSet[Hollow] = frozenset()
    health: tuple[HealthCheck, ...] = ()
    """The target's own checks."""
    ahead: tuple[Ahead, ...] = ()
    """What a rollback leaves applied although its release does not have it."""
    slots: Mapping[str, GroupSlots] = field(default_factory=dict)
    """What router and record say of each group that has slots."""
    empty: AbstractSet[DatabaseName] = frozenset()
    """Databases in which no code uses anything, for there is nothing."""
    unmeasured: bool = False
    """Whether the newest run on the target was no success: then a soak is due, whatever is left."""
