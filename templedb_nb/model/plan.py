"""What will happen: immutable, ordered, and addressed by content.

A plan names everything that its execution needs by hash, so that nothing is read again from the
working folder between plan and run. It never holds a value of a variable, a clock reading or a
path of a machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar, NewType, TypeAlias

from templedb_nb.model.adoption import Belief
from templedb_nb.model.approval import Approval, Decision
from templedb_nb.model.config import Executor, WorkFolder
from templedb_nb.model.effect import NO_IMPACT, Impact
from templedb_nb.model.expected import Expected
from templedb_nb.model.finding import Finding
from templedb_nb.model.layout import Address, Layout, Reading, address
from templedb_nb.model.ledger import Checksums, Ledger, State
from templedb_nb.model.plain import Digest, digest, to_plain
from templedb_nb.model.project import Changes, Slug
from templedb_nb.model.shadow import Shadow, Shadowing
from templedb_nb.model.status import Tracked
from templedb_nb.model.target import DatabaseName, Level, Policy, TargetName
from templedb_nb.model.variable import Source

PlanId = NewType("PlanId", str)
FORMAT = 1


class Phase(StrEnum):
    """The parts of a group, in the order in which they run."""

    PRE_DEPLOY = "pre_deploy"
    BUILD = "build"
    TEST = "test"
    MIGRATIONS = "migrations"
    DEPLOY = "deploy"
    POST_DEPLOY = "post_deploy"


class Mode(StrEnum):
    """How a migration reaches the server."""

    TRANSACTION = "transaction"
    STATEMENTS = "statements"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCommand:
    """Run a command of the config; nobody can say beforehand what it does."""

    kind: ClassVar[str] = "command"
    group: str
    phase: Phase
    command: str
    file: str | None = None
    blob: Digest | None = None
    environment: tuple[tuple[str, str], ...] = ()
    allow_dangerous_env: tuple[str, ...] = ()
    workdir: WorkFolder = WorkFolder.RELEASE
    timeout_s: int | None = None
    attempts: int = 1
    retry_delay_s: int = 0
    mutates: bool = False
    critical: bool = True

    @property
    def title(self) -> str:
        """Name the step in one line."""
        about = f"  [{self.file}]" if self.file else ""
        return f"{self.command}{about}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScript:
    """Run the project's own deploy.sh; nobody can say beforehand what it does."""

    kind: ClassVar[str] = "script"
    group: str
    file: str
    blob: Digest
    arguments: tuple[str, ...]
    executable: bool
    workdir: WorkFolder = WorkFolder.RELEASE

    @property
    def phase(self) -> Phase:
        """A script is a deployment."""
        return Phase.DEPLOY

    @property
    def title(self) -> str:
        """Name the step in one line."""
        return " ".join([self.file, *self.arguments])


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Bring a migration into effect, together with its ledger row.

    `shadow` is what another tool's table says of it from then on.
    """

    kind: ClassVar[str] = "apply"
    group: str
    database: DatabaseName
    key: str
    file: str
    blob: Digest
    checksums: Checksums
    mode: Mode = Mode.TRANSACTION
    executor: Executor = Executor.NATIVE
    reading: Reading | None = None
    shadow: Shadow | None = None

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

    @property
    def title(self) -> str:
        """Name the step in one line."""
        part = self.reading.part if self.reading else ""
        return f"{self.file}  [{part}]" if part else self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert(Apply):
    """Take a migration back by its down part, together with its ledger row.

    `key` and `checksums` are the migration's own; `file` and `blob` are where its down part
    stands: in the migration's file, or in one of its own beside it.
    """

    kind: ClassVar[str] = "revert"
    reason: str = ""

    @property
    def title(self) -> str:
        """Name the step in one line."""
        beside = f" (by {self.file})" if self.file != self.key else ""
        return f"take back {self.key}{beside}"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """Change the ledger on a person's word; no SQL of the project runs.

    `shadow` is what another tool's table says of the migration, `into` whose table is written along
    from then on, and `behind` what it does not have yet.
    """

    kind: ClassVar[str] = "amend"
    group: str
    database: DatabaseName
    verb: Verb
    key: str
    file: str
    checksums: Checksums
    reason: str
    old_key: str = ""
    old_checksum: str = ""
    shadow: Shadow | None = None
    into: Shadowing | None = None
    behind: tuple[Shadow, ...] = ()

    @property
    def phase(self) -> Phase:
        """An amendment stands among the migrations."""
        return Phase.MIGRATIONS

    @property
    def title(self) -> str:
        """Name the step in one line."""
        if self.verb is Verb.NO_SHADOW:
            return "write no other tool's table along"
        if self.into is not None:
            return f"write {self.into.title} along"
        was = f"{self.old_key} -> " if self.verb is Verb.RENAME else ""
        return f"{self.verb} {was}{self.file}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt(Amend):
    """Write into the ledger what another tool's table says; that table is not touched.

    `row` is the table's own row as JSON, `at` its time as the tool wrote it. `blob` is the text
    that is kept as what ran, where nothing speaks against it; `ran` is that, where the tool itself
    has kept it. `locks` are the keys that the tool
    itself takes while it works.
    """

    kind: ClassVar[str] = "adopt"
    source: str
    verdict: Belief
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


Step: TypeAlias = RunCommand | RunScript | Apply | Revert | Amend | Adopt


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedGroup:
    """The steps of one group, and what a failure among them means for later groups."""

    name: str
    steps: tuple[Step, ...]
    continue_on_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps that take *target* from *base* to its goal.

    `overlay` is what of the config was different for this plan alone, as canonical JSON.
    """

    project: str
    target: TargetName
    groups: tuple[PlannedGroup, ...]
    policy: Policy
    databases: tuple[DatabaseName, ...]
    variables: tuple[str, ...]
    base: Digest
    tree: Digest | None = None
    overlay: str = ""
    format: int = FORMAT

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return every step, in order."""
        return tuple(step for group in self.groups for step in group.steps)

    @property
    def content_hash(self) -> Digest:
        """Address what will run, wherever the target stands; approvals bind to this."""
        return _content_hash(self)

    @property
    def id(self) -> PlanId:
        """Address the plan: what will run, from where."""
        return PlanId(hashlib.sha256(f"{self.content_hash}{self.base}".encode()).hexdigest())

    @property
    def deploys(self) -> bool:
        """Return whether it brings a release into effect: no way back, no word on the ledger."""
        return not any(isinstance(step, Revert | Amend) for step in self.steps)

    @property
    def opaque(self) -> bool:
        """Return whether any step is a command, which may see the whole folder."""
        return any(isinstance(step, RunCommand | RunScript) for step in self.steps)


_LATER_IN_STEPS = ("shadow", "into", "behind")
_LATER = {"signed": False, "signers": [], "lint": Level.WARN.value, "drift": Level.WARN.value}
"""What came into policies after their first format: left out of the address where it says what it
says by itself, so that earlier plans, bundles and approvals keep theirs."""


@lru_cache(maxsize=4)
def _content_hash(plan: Plan) -> Digest:
    plain = to_plain(plan)
    assert isinstance(plain, dict)  # noqa: S101 - a dataclass is an object
    policy = to_plain(plan.policy)
    assert isinstance(policy, dict)  # noqa: S101 - so is a policy
    used = {key: item for key, item in policy.items() if key not in _LATER or item != _LATER[key]}
    groups: Any = plain["groups"]
    for step in (step for group in groups for step in group["steps"]):
        _drop(step, _LATER_IN_STEPS)
        _drop(step.get("reading") or {}, ("part",))
    left_out = {"base"} if plan.overlay else {"base", "overlay"}
    body = {key: item for key, item in plain.items() if key not in left_out}
    return digest(body | {"policy": used})


def _drop(plain: dict[str, Any], names: Iterable[str]) -> None:
    """Leave out what came later and says nothing, so that earlier plans keep their address."""
    for name in names:
        if name in plain and not plain[name]:
            del plain[name]


def base(ledgers: Mapping[DatabaseName, Ledger]) -> Digest:
    """Return where a target stands: what each ledger holds, and its last finished run."""
    known = {str(name): (ledger.head, ledger.last_run) for name, ledger in ledgers.items()}
    return digest(known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Something that the plan leaves out, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaid:
    """One key of the config that an overlay changes for a plan: its place, what was, what is."""

    at: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSummary:
    """What a reader wants to know of a pending migration's text.

    `text` has its first lines, `more_lines` says how many follow; `impact` is what it does.
    """

    file: str
    statements: int
    lines: int
    note: str = ""
    impact: Impact = NO_IMPACT
    text: str = ""
    more_lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What a target was deployed from last, as this state knows it, and what differs now."""

    run: str
    release: int
    finished_at: datetime | None
    changes: Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A plan with everything that was found while it was made."""

    plan: Plan
    findings: tuple[Finding, ...]
    skips: tuple[Skip, ...] = ()
    sources: tuple[Source, ...] = ()
    scripts: tuple[ScriptSummary, ...] = ()
    edited: tuple[Tracked, ...] = ()
    applied: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A draft as it is shown and kept: with its release, its config and its approvals.

    `changes` are those of the release that was made for it, `since` those since the last run that
    succeeded on the target, if this state knows of one. `planner` is who first made a plan of this
    content, whoever asked for it again.
    """

    draft: Draft
    slug: Slug
    release: int
    tree: Digest
    config: str
    made_at: datetime
    made_by: str
    changes: Changes = Changes()
    since: Since | None = None
    approvals: tuple[Approval, ...] = ()
    decision: Decision = Decision()
    diffs: tuple[tuple[str, str], ...] = ()
    overlay: tuple[Overlaid, ...] = ()
    dry_run: bool = False
    expected: Expected = Expected()
    planner: str = ""

    @property
    def plan(self) -> Plan:
        """Return the plan itself."""
        return self.draft.plan

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what was found."""
        return self.draft.findings


def opaque_mutations(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps whose effect on the target only they know."""
    return tuple(s for s in steps if isinstance(s, RunScript) or getattr(s, "mutates", False))
