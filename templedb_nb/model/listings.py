"""What commands return to be looked at: settings, lists and short answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, ClassVar  # Any: a JSON document, shown as it is

from templedb_nb.model.compatibility import Compatibility
from templedb_nb.model.config import Group
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Blocker
from templedb_nb.model.finding import Finding, errors
from templedb_nb.model.ledger import Freeze, LockHolder
from templedb_nb.model.project import Project, Slug
from templedb_nb.model.target import DatabaseName, Target, TargetName
from templedb_nb.model.variable import Variable


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRow:
    """One database of a target: who holds it, and who froze it."""

    database: DatabaseName
    held: LockHolder | None
    frozen: Freeze | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockList:
    """The locks of a target."""

    json_kind: ClassVar[str] = "LockList"

    slug: Slug
    target: TargetName
    rows: tuple[LockRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOutcome:
    """A short answer: what was done; `also` has what else is to be known."""

    json_kind: ClassVar[str] = "Said"

    text: str
    also: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """A value that is shown as it is, and ends the process with a code of its own."""

    json_kind: ClassVar[str] = "Coded"

    value: Any
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A text, or a document that is given as JSON."""

    json_kind: ClassVar[str] = "Document"

    document: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownConfig:
    """A deployment config as its document."""

    json_kind: ClassVar[str] = "ShownConfig"

    slug: Slug
    origin: str
    document: Mapping[str, Any]
    format: str = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What is wrong with a config; it is valid if no finding is an error."""

    json_kind: ClassVar[str] = "Validation"

    slug: Slug
    origin: str
    groups: int
    findings: tuple[Finding, ...]

    @property
    def valid(self) -> bool:
        """Return whether nothing forbids its use."""
        return not errors(self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigVersion:
    """One version of a config."""

    json_kind: ClassVar[str] = "ConfigVersion"

    slug: Slug
    version: int
    set_at: datetime
    set_by: str
    note: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something was proposed, or left out."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A config that was proposed from a project's files, and kept."""

    json_kind: ClassVar[str] = "Proposed"

    version: ConfigVersion
    groups: tuple[Group, ...]
    reasons: tuple[Reason, ...]
    offers: tuple[Reason, ...] = ()
    next: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigHistory:
    """Every version of a config, newest first."""

    json_kind: ClassVar[str] = "ConfigHistory"

    slug: Slug
    rows: tuple[ConfigVersion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRow:
    """One project at a glance."""

    json_kind: ClassVar[str] = "ProjectRow"

    project: Project
    release: int | None
    files: int
    size: int
    synced_at: datetime | None
    targets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectList:
    """Every project, by slug."""

    json_kind: ClassVar[str] = "ProjectList"

    rows: tuple[ProjectRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRow:
    """One release at a glance."""

    number: int
    tree: str
    files: int
    size: int
    made_at: datetime
    made_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectShown:
    """A project, its newest releases and its targets."""

    json_kind: ClassVar[str] = "ProjectShown"

    row: ProjectRow
    config: str
    releases: tuple[ReleaseRow, ...]
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One file of a release."""

    path: str
    size: int
    executable: bool
    blob: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileList:
    """The files of a release, by path."""

    json_kind: ClassVar[str] = "FileList"

    slug: Slug
    release: int
    rows: tuple[FileRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetList:
    """The targets of a project, by name."""

    json_kind: ClassVar[str] = "TargetList"

    slug: Slug
    rows: tuple[Target, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetShown:
    """One target with the names of its variables; never their values.

    `address` is where its database is, `others` where those are that other variables name, and
    `notes` say who decided what those leave open.
    """

    json_kind: ClassVar[str] = "TargetShown"

    slug: Slug
    target: Target
    variables: tuple[Variable, ...]
    address: str = ""
    others: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableList:
    """The variables of a project; `plain` has the values of those that are not secrets."""

    json_kind: ClassVar[str] = "VariableList"

    slug: Slug
    rows: tuple[Variable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationShown:
    """One migration: where it stands, its text, and how that differs from what ran.

    People see the beginning and the end of a long text, or all of it where `full` says so.
    `compatibility` is what it means for older code, None where its file is gone.
    """

    json_kind: ClassVar[str] = "MigrationShown"

    slug: Slug
    target: str
    file: str
    state: str
    facts: tuple[tuple[str, str], ...]
    text: str
    diff: str = ""
    full: bool = False
    compatibility: Compatibility | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockerList:
    """Whom the run on a target waits for, at a moment."""

    json_kind: ClassVar[str] = "BlockerList"

    slug: Slug
    target: TargetName
    rows: tuple[Blocker, ...]
    at: datetime
