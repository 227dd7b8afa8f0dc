"""The steps of a plan, and what each kind declares of itself.

A kind of step says what proves it, whether it deploys and whether the target changes by it; whoever
needs to know asks the step, and never keeps a list of kinds. A base that steps share stands outside
of the union, so that a `match` over `Step` names every member.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, TypeAlias, get_args

from templedb_nb.model.artifact_step import KeepArtifacts, PlaceArtifacts
from templedb_nb.model.config import Executor
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.dual_write import DualWrite, DualWriteTable
from templedb_nb.model.event import Evidence, StepLabel
from templedb_nb.model.foreign_history import ImportConfidence
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.layout import Address, Layout, Reading, address
from templedb_nb.model.ledger import Checksums, Entry, State
from templedb_nb.model.phase import Phase
from templedb_nb.model.serialization import Digest
from templedb_nb.model.switch_step import SlotUse, SwitchSlot
from templedb_nb.model.target import DatabaseName, Policy
from templedb_nb.model.work_folder import WorkFolderKind


class Mode(StrEnum):
    """How a migration reaches the server."""

    TRANSACTION = "transaction"
    STATEMENTS = "statements"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCommand:
    """Run a command of the config; nobody can say beforehand what it does."""

    kind: ClassVar[str] = "command"
    past: ClassVar[str] = "run"
    proof: ClassVar[Evidence] = Evidence.JOURNAL
    deploys: ClassVar[bool] = True
    opaque: ClassVar[bool] = True
    group: str
    phase: Phase
    command: str
    file: str | None = None
    blob: Digest | None = None
    environment: tuple[tuple[str, str], ...] = ()
    allow_dangerous_env: tuple[str, ...] = ()
    workdir: WorkFolderKind = WorkFolderKind.RELEASE
    timeout_s: int | None = None
    attempts: int = 1
    retry_delay_s: int = 0
    mutates: bool = False
    critical: bool = True
    slot: SlotUse | None = None

    @property
    def key(self) -> str:
        """Return the slot that it writes to, while that serves nobody; empty for other commands."""
        return self.slot.slot if self.slot else ""

    @property
    def title(self) -> str:
        """Name the step in one line."""
        about = f"  [{self.file}]" if self.file else ""
        return f"{self.command}{about}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScript:
    """Run the project's own deploy.sh; nobody can say beforehand what it does."""

    kind: ClassVar[str] = "script"
    past: ClassVar[str] = "run"
    proof: ClassVar[Evidence] = Evidence.JOURNAL
    deploys: ClassVar[bool] = True
    mutates: ClassVar[bool] = True
    opaque: ClassVar[bool] = True
    group: str
    file: str
    blob: Digest
    arguments: tuple[str, ...]
    executable: bool
    workdir: WorkFolderKind = WorkFolderKind.RELEASE

    @property
    def phase(self) -> Phase:
        """A script is a deployment."""
        return Phase.DEPLOY

    @property
    def title(self) -> str:
        """Name the step in one line."""
        return " ".join([self.file, *self.arguments])


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnMigration:
    """What a step that runs a migration's SQL has: the script, and the row that is its proof.

    `shadow` is what another tool's table says of it from then on.
    """

    proof: ClassVar[Evidence] = Evidence.LEDGER
    mutates: ClassVar[bool] = True
    opaque: ClassVar[bool] = False
    group: str
    database: DatabaseName
    key: str
    file: str
    blob: Digest
    checksums: Checksums
    mode: Mode = Mode.TRANSACTION
    executor: Executor = Executor.NATIVE
    reading: Reading | None = None
    shadow: DualWrite | None = None

    @property
    def source(self) -> Address:
        """Return where its script is read from."""
        return address(self.blob, self.reading)

    @property
    def layout(self) -> str:
        """Return the convention that gave its key."""
        return str(self.reading.layout if self.reading else Layout.PLAIN)

    @property
    def phase(self) -> Phase:
        """A migration runs among the migrations."""
        return Phase.MIGRATIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply(_OnMigration):
    """Bring a migration into effect, together with its ledger row."""

    kind: ClassVar[str] = "apply"
    past: ClassVar[str] = "applied"
    deploys: ClassVar[bool] = True

    @property
    def title(self) -> str:
        """Name the step in one line."""
        part = self.reading.part if self.reading else ""
        return f"{self.file}  [{part}]" if part else self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert(_OnMigration):
    """Roll a migration back by its down part, together with its ledger row.

    `key` and `checksums` are the migration's own; `file` and `blob` are where its down part
    stands: in the migration's file, or in one of its own beside it.
    """

    kind: ClassVar[str] = "revert"
    past: ClassVar[str] = "rolled back"
    deploys: ClassVar[bool] = False
    reason: str = ""

    @property
    def title(self) -> str:
        """Name the step in one line."""
        beside = f" (by {self.file})" if self.file != self.key else ""
        return f"roll back {self.key}{beside}"


class Verb(StrEnum):
    """What a person may say of a migration, in place of running it."""

    MARK_APPLIED = "mark-applied"
    MARK_REVERTED = "mark-reverted"
    ACCEPT_CHECKSUM = "accept-checksum"
    RENAME = "rename"
    RESOLVE_APPLIED = "resolve-applied"
    RESOLVE_NOT_APPLIED = "resolve-not-applied"
    IMPORT = "import"
    SHADOW = "shadow"
    NO_SHADOW = "no-shadow"
    EXEMPT = "exempt"
    NO_EXEMPT = "no-exempt"
    MAKE_TABLES = "restore-ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnLedger:
    """What a step that changes the ledger alone has; its event in the ledger is its proof.

    `shadow` is what another tool's table says of the migration, `into` whose table is written along
    from then on, and `behind` what it does not have yet.
    """

    proof: ClassVar[Evidence] = Evidence.LEDGER
    deploys: ClassVar[bool] = False
    mutates: ClassVar[bool] = True
    opaque: ClassVar[bool] = False
    group: str
    database: DatabaseName
    verb: Verb
    key: str
    file: str
    checksums: Checksums
    reason: str
    old_key: str = ""
    old_checksum: str = ""
    shadow: DualWrite | None = None
    into: DualWriteTable | None = None
    behind: tuple[DualWrite, ...] = ()

    @property
    def phase(self) -> Phase:
        """An amendment stands among the migrations."""
        return Phase.MIGRATIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend(_OnLedger):
    """Change the ledger on a person's word; no SQL of the project runs.

    `exempts` is the policy that the project need not obey any more: that of the other project that
    `key` names.
    """

    kind: ClassVar[str] = "amend"
    past: ClassVar[str] = "recorded"
    exempts: Policy | None = None

    @property
    def title(self) -> str:
        """Name the step in one line."""
        if self.verb in {Verb.EXEMPT, Verb.NO_EXEMPT}:
            does = "be exempt from" if self.verb is Verb.EXEMPT else "obey"
            return f"{does} the policy of project {self.key}"
        if self.verb is Verb.MAKE_TABLES:
            _, _, parts = self.file.partition(": ")
            missing = f" ({parts})" if parts else ""
            return f"make the missing tables of the ledger again{missing}"
        if self.verb is Verb.NO_SHADOW:
            return "write no other tool's table along"
        if self.into is not None:
            return f"write {self.into.title} along"
        was = f"{self.old_key} -> " if self.verb is Verb.RENAME else ""
        return f"{self.verb} {was}{self.file}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportEntry(_OnLedger):
    """Write into the ledger what another tool's table says; that table is not touched.

    `row` is the table's own row as JSON, `at` its time as the tool wrote it. `blob` is the text
    that is kept as what ran, where nothing speaks against it; `ran` is that, where the tool itself
    has kept it. `locks` are the keys that the tool
    itself takes while it works.
    """

    kind: ClassVar[str] = "adopt"
    past: ClassVar[str] = "imported"
    source: str
    verdict: ImportConfidence
    state: State = State.APPLIED
    note: str = ""
    at: str = ""
    by: str = ""
    row: str = ""
    locks: tuple[int, ...] = ()
    layout: str = "plain"
    blob: Digest | None = None
    reading: Reading | None = None
    ran: str = ""

    @property
    def text(self) -> Address | None:
        """Return where the text is read from that is kept as what ran."""
        return address(self.blob, self.reading) if self.blob else None

    @property
    def title(self) -> str:
        """Name the step in one line."""
        return f"import {self.file} from {self.source}: {self.verdict}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """Write again what the ledger said of a migration before somebody damaged it; no SQL runs.

    `entry` is what it said, `uuid` the identity that the ledger had. `blob` is the text that ran,
    where it is still known; `seen` is what told that the migration is in effect. With `absent`, the
    plan saw no row, as it was gone or could not be read: one that is there stays as it is.
    """

    kind: ClassVar[str] = "restore"
    past: ClassVar[str] = "restored"
    proof: ClassVar[Evidence] = Evidence.LEDGER
    deploys: ClassVar[bool] = False
    mutates: ClassVar[bool] = True
    opaque: ClassVar[bool] = False
    group: str
    database: DatabaseName
    entry: Entry
    reason: str
    seen: str
    uuid: str = ""
    layout: str = "plain"
    blob: Digest | None = None
    reading: Reading | None = None
    absent: bool = False

    @property
    def key(self) -> str:
        """Return the migration's key."""
        return self.entry.key

    @property
    def file(self) -> str:
        """Return the migration's file."""
        return self.entry.file

    @property
    def text(self) -> Address | None:
        """Return where the text is read from that ran."""
        return address(self.blob, self.reading) if self.blob else None

    @property
    def phase(self) -> Phase:
        """It stands among the migrations."""
        return Phase.MIGRATIONS

    @property
    def title(self) -> str:
        """Name the step in one line."""
        return f"restore {self.entry.file}: {self.entry.state} ({self.seen})"


Step: TypeAlias = (
    RunCommand
    | RunScript
    | KeepArtifacts
    | PlaceArtifacts
    | Apply
    | Revert
    | Amend
    | ImportEntry
    | Restore
    | CheckHealth
    | SwitchSlot
)
"""Every kind of step; no member is a subclass of another."""

Migration: TypeAlias = Apply | Revert
"""A step that runs a migration's SQL, there or back."""

Amendment: TypeAlias = Amend | ImportEntry
"""A step that changes the ledger alone."""

Command: TypeAlias = RunCommand | RunScript
"""A step that runs a program whose effect only it knows."""

ArtifactStep: TypeAlias = KeepArtifacts | PlaceArtifacts
"""A step that keeps what a build made, or brings it back."""


def failure_hook(step: Step) -> bool:
    """Return whether a step runs only where another step of its group has failed."""
    return isinstance(step, RunCommand | SwitchSlot) and step.phase is Phase.ON_FAILURE


def done_anew(step: Step) -> bool:
    """Return whether a run that is resumed asks again for a step that was done before.

    The ledger says which migrations are, and the router which slot serves; and artifacts are placed
    again, since nobody knows what became of the work folder.
    """
    return isinstance(step, Migration | ArtifactStep | SwitchSlot) or failure_hook(step)


def works(step: Step) -> bool:
    """Return whether a step does more than measure, where no other fails."""
    return not isinstance(step, CheckHealth) and not failure_hook(step)


BY_KIND: Mapping[str, type[Step]] = {step.kind: step for step in get_args(Step)}
"""The class of each kind, for labels and plans that were stored."""


def label(step: Step) -> StepLabel:
    """Return how every view names *step*."""
    return StepLabel(
        group=step.group,
        phase=step.phase,
        kind=step.kind,
        title=step.title,
        key=getattr(step, "key", ""),
        mutates=step.mutates,
        proof=step.proof,
    )
