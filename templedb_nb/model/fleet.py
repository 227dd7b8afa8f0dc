"""Many targets of one project: who they are, one plan for them all, and how far it has come."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from templedb_nb.exit_code import ExitCode
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Slug
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import TargetName


class OnFailure(StrEnum):
    """What a rollout does once more targets have failed than may."""

    PAUSE = "pause"
    STOP = "stop"
    CONTINUE = "continue"


class PlannedState(StrEnum):
    """How a target stood when the fleet was planned."""

    READY = "ready"
    CURRENT = "current"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


class MemberState(StrEnum):
    """How far a target has come; only `unknown` is for a person to look at."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    CURRENT = "current"
    FAILED = "failed"
    STALE = "stale"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


GOOD = frozenset({MemberState.SUCCEEDED, MemberState.CURRENT})
OPEN = frozenset({MemberState.WAITING, MemberState.RUNNING})


class RolloutState(StrEnum):
    """Where a rollout stands."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    UNKNOWN = "unknown"


class RolloutWish(StrEnum):
    """What somebody wants of a rollout that goes on."""

    PAUSE = "pause"
    CANCEL = "cancel"
    SPEED = "speed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRules:
    """In which waves targets begin, how many at a time, and what failures mean.

    A wave is a number of targets (``1``), a share (``5%``, rounded up) or a selector
    (``tier=free``); targets that no wave takes are the last one. `parallel_per_server` is 0 for no
    limit of its own. `soak_ms` are the milliseconds between two waves.
    """

    waves: tuple[str, ...] = ()
    parallel: int = 8
    parallel_per_server: int = 0
    max_failures: int = 0
    on_failure: OnFailure = OnFailure.PAUSE
    soak_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Targets under one name: those that `where` selects whenever the fleet is planned."""

    slug: Slug
    name: str
    where: str
    rules: RolloutRules
    defined_at: datetime
    defined_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetList:
    """The fleets of a project."""

    json_kind: ClassVar[str] = "FleetList"

    slug: Slug
    rows: tuple[Fleet, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetMember:
    """One target of a plan: where it stood, and exactly what it needs.

    `plan` is empty where none could be made, `server` where the database is a file. `problem` says
    why it is refused or was not reached.
    """

    target: TargetName
    state: PlannedState
    plan: str = ""
    content: str = ""
    cohort: str = ""
    server: str = ""
    problem: str = ""
    approved: bool = True
    """Whether nobody has to approve its plan any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Targets that need the same: read once, it is read for all of them.

    `steps` are what a run would do, `plan` is the plan of the first of them.
    """

    id: str
    state: PlannedState
    targets: tuple[TargetName, ...]
    migrations: int = 0
    steps: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    plan: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """The targets that may begin together; fixed when the fleet is planned."""

    name: str
    targets: tuple[TargetName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """What each target of a fleet needs, and in which order they get it.

    `id` addresses it by content: which target needs which plan, in which wave, under which rules.
    """

    json_kind: ClassVar[str] = "FleetPlan"

    id: Digest
    slug: Slug
    fleet: str
    where: str
    release: int
    tree: Digest
    rules: RolloutRules
    members: tuple[FleetMember, ...]
    cohorts: tuple[Cohort, ...]
    waves: tuple[Wave, ...]
    made_at: datetime
    made_by: str
    came: tuple[TargetName, ...] = ()
    gone: tuple[TargetName, ...] = ()
    """Targets that the fleet's plan before this one did not have, or had."""

    @property
    def rows(self) -> tuple[FleetMember, ...]:
        """Return a row for each target."""
        return self.members

    def count(self, state: PlannedState) -> int:
        """Return how many targets stand there."""
        return sum(each.state is state for each in self.members)

    @property
    def exit_code(self) -> int:
        """Return 0 if every target can be brought there or is, else why not."""
        if self.count(PlannedState.REFUSED):
            return ExitCode.CONFIG
        return ExitCode.UNAVAILABLE if self.count(PlannedState.UNREACHABLE) else ExitCode.OK

    @property
    def unapproved(self) -> tuple[FleetMember, ...]:
        """Return the targets whose plans somebody has to approve."""
        ready = (each for each in self.members if each.state is PlannedState.READY)
        return tuple(each for each in ready if not each.approved)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberResult:
    """How far one target has come in a rollout.

    `run` is the run that brought it there; `file` and `line` are where it failed.
    """

    target: TargetName
    state: MemberState
    run: str = ""
    exit_code: int = 0
    message: str = ""
    file: str = ""
    line: int = 0
    took_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveProgress:
    """How many targets of a wave stand where."""

    name: str
    counts: tuple[tuple[MemberState, int], ...]

    def count(self, *states: MemberState) -> int:
        """Return how many of them stand in one of *states*."""
        return sum(number for state, number in self.counts if state in states)

    @property
    def size(self) -> int:
        """Return how many targets the wave has."""
        return sum(number for _, number in self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetStatus:
    """A rollout: each target with how far it has come, and what that means for all.

    `why` says why no further target begins, where some have not begun.
    """

    json_kind: ClassVar[str] = "FleetStatus"

    plan: Digest
    slug: Slug
    fleet: str
    release: int
    state: RolloutState
    waves: tuple[WaveProgress, ...]
    members: tuple[MemberResult, ...]
    why: str = ""
    rollout: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    started_by: str = ""
    left_out: int = 0
    """Targets that the plan could not include."""

    @property
    def rows(self) -> tuple[MemberResult, ...]:
        """Return a row for each target, those that failed first."""
        bad = self.failures
        names = {each.target for each in bad}
        return (*bad, *(each for each in self.members if each.target not in names))

    def count(self, *states: MemberState) -> int:
        """Return how many targets stand in one of *states*."""
        return sum(each.state in states for each in self.members)

    @property
    def told(self) -> str:
        """Return in a line what it has come to."""
        why = f": {self.why}" if self.why else ""
        done = f"{self.count(*GOOD)} of {len(self.members)} targets are done"
        return f"rollout of plan {self.plan[:12]}: {self.state.value}{why}; {done}"

    @property
    def failures(self) -> tuple[MemberResult, ...]:
        """Return the targets that did not come to a good end, in the order of the plan."""
        return tuple(e for e in self.members if e.state not in GOOD | OPEN)

    @property
    def exit_code(self) -> int:
        """Return 0 if every target is where the plan brings it, else what is gravest."""
        if self.state is RolloutState.PLANNED:
            return ExitCode.OK
        codes = {each.exit_code or ExitCode.UNCHANGED for each in self.failures}
        if ExitCode.UNRESOLVED in codes or self.count(MemberState.UNKNOWN):
            return ExitCode.UNRESOLVED
        if not codes:
            open_ = self.count(*OPEN) or self.left_out
            changed = self.count(MemberState.SUCCEEDED)
            return (ExitCode.CHANGED if changed else ExitCode.UNCHANGED) if open_ else ExitCode.OK
        if self.count(MemberState.SUCCEEDED) or ExitCode.CHANGED in codes:
            return ExitCode.CHANGED
        return codes.pop() if len(codes) == 1 else ExitCode.UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRow:
    """One process that carried out a fleet's plan, or tried to."""

    rollout: str
    plan: Digest
    slug: Slug
    fleet: str
    started_at: datetime
    started_by: str
    host: str
    pid: int
    parallel: int
    only: tuple[TargetName, ...] = ()
    """The targets that it was for; empty for all that were not done."""
    state: RolloutState = RolloutState.RUNNING
    finished_at: datetime | None = None
    why: str = ""
    succeeded: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutHistory:
    """Rollouts, newest first."""

    json_kind: ClassVar[str] = "RolloutHistory"

    slug: Slug
    rows: tuple[RolloutRow, ...]


class DriftState(StrEnum):
    """Whether a target is as its last run left it."""

    SAME = "same"
    DRIFTED = "drifted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftedTarget:
    """How one target differs from what its last run left.

    `problem` says why nothing can be told, `forbids` whether its policy lets drift block a run.
    """

    target: TargetName
    state: DriftState
    changes: tuple[str, ...] = ()
    problem: str = ""
    forbids: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDrift:
    """What was changed outside of templedb at the targets of a fleet."""

    json_kind: ClassVar[str] = "FleetDrift"

    slug: Slug
    fleet: str
    rows: tuple[DriftedTarget, ...]
    strict: bool = False

    @property
    def forbids(self) -> bool:
        """Return whether what was found ends a command with an error."""
        drifted = any(each.state is DriftState.DRIFTED for each in self.rows)
        return any(each.forbids for each in self.rows) or (self.strict and drifted)

    @property
    def alike(self) -> tuple[tuple[DriftedTarget, ...], ...]:
        """Return the targets that differ in the same way together, the largest groups first."""
        groups: dict[tuple[object, ...], list[DriftedTarget]] = {}
        for each in self.rows:
            problem = each.problem.replace(each.target, "")
            groups.setdefault((each.state, each.changes, problem), []).append(each)
        made = (tuple(own) for own in groups.values())
        return tuple(sorted(made, key=lambda own: (-len(own), own[0].target)))
