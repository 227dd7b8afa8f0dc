"""What will happen: immutable, ordered, and addressed by content.

A plan names everything that its execution needs by hash, so that nothing is read again from the
working folder between plan and run. It never holds a value of a variable, a clock reading or a
path of a machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, NewType  # Any: plain JSON before it is a plan

from templedb_nb.model.approval import Approval, Decision
from templedb_nb.model.artifact import Artifact
from templedb_nb.model.artifact_step import PlaceArtifacts
from templedb_nb.model.compatibility import Compatibility
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.effect import NO_IMPACT, Impact
from templedb_nb.model.estimate import Expected
from templedb_nb.model.finding import Finding
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.project import Changes, Slug
from templedb_nb.model.promotion import PromotionGoal, PromotionSummary
from templedb_nb.model.rollback import IfFails, RollbackGoal
from templedb_nb.model.rollback_summary import Fallback, RollbackSummary
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.serialization import Digest, digest, to_plain
from templedb_nb.model.slots import GroupSlots
from templedb_nb.model.status import Tracked
from templedb_nb.model.step import (
    Amend,
    ImportEntry,
    Migration,
    Restore,
    Revert,
    RunCommand,
    Step,
    Verb,
    works,
)
from templedb_nb.model.switch_step import SwitchSlot
from templedb_nb.model.target import DatabaseName, FindingLevel, Policy, TargetName
from templedb_nb.model.variable import ValueSource

PlanId = NewType("PlanId", str)
FORMAT = 1
SKIP_GROUP = "--skip-group"
"""Why a group is left out that somebody asked to leave out."""
NOT_EXACTLY_ONCE = "not exactly once"
"""Stands in the note of a script of which a crash may make a statement run twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedGroup:
    """The steps of one group, and what a failure among them means for later groups."""

    name: str
    steps: tuple[Step, ...]
    continue_on_failure: bool = False


class _Addressed:
    """Remembers its address: to find it costs as much as a plan has steps, and steps ask for it."""

    __slots__ = ("_address",)
    _address: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(_Addressed):
    """The steps that take *target* from *base* to its goal.

    `overlay` is what of the config was different for this plan alone, as canonical JSON. `rollback`
    is what a rollback brings back; `if_fails` is what follows where the run does not succeed;
    `promotion` is the run on another target whose release it is.
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
    rollback: RollbackGoal | None = None
    if_fails: IfFails | None = None
    promotion: PromotionGoal | None = None
    format: int = FORMAT

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return every step, in order."""
        return tuple(step for group in self.groups for step in group.steps)

    @property
    def work(self) -> tuple[Step, ...]:
        """Return the steps that do more than measure, where none fails."""
        return tuple(step for step in self.steps if works(step))

    @property
    def harmless(self) -> bool:
        """Return whether it only asks how the target is, by no command, and sends no value."""
        sends = any(isinstance(step, CheckHealth) and step.sends for step in self.steps)
        return not self.work and not self.opaque and not sends

    @property
    def content_hash(self) -> Digest:
        """Address what will run, wherever the target stands; approvals bind to this."""
        if not hasattr(self, "_address"):
            object.__setattr__(self, "_address", _content_hash(self))
        return self._address

    @property
    def id(self) -> PlanId:
        """Address the plan: what will run, from where."""
        return PlanId(hashlib.sha256(f"{self.content_hash}{self.base}".encode()).hexdigest())

    @property
    def deploys(self) -> bool:
        """Return whether it deploys a release; `migration down` and amendments do not."""
        return all(step.deploys for step in self.steps)

    @property
    def run_kind(self) -> RunKind:
        """Return what a run of it is for."""
        if self.rollback is not None:
            return RunKind.ROLLBACK
        if self.promotion is not None:
            return RunKind.PROMOTE
        if kind := _of_slots(self.steps):
            return kind
        if any(isinstance(step, Revert) for step in self.steps):
            return RunKind.DOWN
        if any(isinstance(step, ImportEntry) for step in self.steps):
            return RunKind.IMPORT
        words = any(isinstance(step, Amend | Restore) for step in self.steps)
        return RunKind.AMEND if words else RunKind.DEPLOY

    @property
    def restores(self) -> frozenset[str]:
        """Return the keys of the migrations whose lost rows it writes again."""
        return frozenset(step.key for step in self.steps if isinstance(step, Restore))

    @property
    def repairs(self) -> bool:
        """Return whether it may make a ledger whole of which tables are gone."""
        anew = {Verb.MAKE_TABLES, Verb.MARK_APPLIED}
        return any(
            isinstance(step, Restore) or (isinstance(step, Amend) and step.verb in anew)
            for step in self.steps
        )

    @property
    def placed(self) -> dict[str, tuple[Artifact, ...]]:
        """Return the artifacts that its groups deploy in place of a build."""
        found = (step for step in self.steps if isinstance(step, PlaceArtifacts))
        return {step.group: step.artifacts for step in found}

    @property
    def opaque(self) -> bool:
        """Return whether any step is a command, which may see the whole folder."""
        return any(step.opaque for step in self.steps)


def _of_slots(steps: Iterable[Step]) -> RunKind | None:
    """Return what a plan is for that deploys nothing, and is about slots alone; None of others."""
    own = [step for step in steps if works(step)]
    if own and all(isinstance(step, SwitchSlot) for step in own):
        return RunKind.SWITCH
    retires = (isinstance(s, RunCommand) and s.slot is not None and s.slot.retires for s in own)
    return RunKind.RETIRE if own and all(retires) else None


_LATER_IN_STEPS = ("shadow", "into", "behind", "exempts", "slot", "absent")
_LATER = {
    "signed": False,
    "signers": [],
    "lint": FindingLevel.WARN.value,
    "drift": FindingLevel.WARN.value,
    "pre_approve_rollback": False,
}
"""What came into policies after their first format: left out of the address where it says what it
says by itself, so that earlier plans, bundles and approvals keep theirs."""


def _content_hash(plan: Plan) -> Digest:
    plain = to_plain(plan)
    assert isinstance(plain, dict)  # noqa: S101 - a dataclass is an object
    policy = to_plain(plan.policy)
    assert isinstance(policy, dict)  # noqa: S101 - so is a policy
    del policy["windows"]  # they may change while a plan waits, and its approvals stay valid
    used = {key: item for key, item in policy.items() if key not in _LATER or item != _LATER[key]}
    groups: Any = plain["groups"]
    for step in (step for group in groups for step in group["steps"]):
        _drop(step, _LATER_IN_STEPS)
        if (exempts := step.get("exempts")) and not any(exempts["windows"].values()):
            del exempts["windows"]
        _drop(step.get("reading") or {}, ("part",))
    _drop(plain, ("overlay", "rollback", "if_fails", "promotion"))
    left_out = {"base"}
    body = {key: item for key, item in plain.items() if key not in left_out}
    return digest(body | {"policy": used})


def _drop(plain: dict[str, Any], names: Iterable[str]) -> None:
    """Leave out what came later and says nothing, so that earlier plans keep their address."""
    for name in names:
        if name in plain and not plain[name]:
            del plain[name]


def base(
    ledgers: Mapping[DatabaseName, Ledger], serving: Mapping[str, str] | None = None
) -> Digest:
    """Return where a target stands: what each ledger holds, its last finished run, and its slots.

    *serving* are the slots that serve, by their groups.
    """
    known: dict[str, object] = {
        str(name): (ledger.head, ledger.last_run) for name, ledger in ledgers.items()
    }
    # No database has a name with a space; a target without slots keeps the base that it had.
    return digest(known | ({"live slots": dict(serving)} if serving else {}))


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

    `text` has its first lines, `more_lines` says how many follow; `impact` is what it does;
    `compatibility` is what it means for older code, None where it is rolled back.
    """

    file: str
    statements: int
    lines: int
    note: str = ""
    impact: Impact = NO_IMPACT
    text: str = ""
    more_lines: int = 0
    compatibility: Compatibility | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SinceDeployed:
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
    sources: tuple[ValueSource, ...] = ()
    scripts: tuple[ScriptSummary, ...] = ()
    edited: tuple[Tracked, ...] = ()
    applied: int = 0
    rollback: RollbackSummary | None = None
    promotion: PromotionSummary | None = None
    slots: tuple[GroupSlots, ...] = ()
    """How the slots stand between which it switches."""

    @property
    def told(self) -> tuple[ScriptSummary | None, ...]:
        """Return the summary of each step, None where it has no script: a file may be several."""
        left = list(reversed(self.scripts))
        return tuple(
            left.pop()
            if left and isinstance(step, Migration) and left[-1].file == step.file
            else None
            for step in self.plan.steps
        )

    @property
    def skipped_groups(self) -> tuple[str, ...]:
        """Return the groups that the plan leaves out because somebody asked for that."""
        asked = (each.what for each in self.skips if each.why == SKIP_GROUP)
        return tuple(what.removeprefix("group ") for what in asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A draft as it is shown and kept: with its release, its config and its approvals.

    `changes` are those of the release that was made for it, `since` those since the last run that
    succeeded on the target, if this state knows of one. `planner` is who first made a plan of this
    content, whoever asked for it again. `reached` is the address of each database's server.
    `fallback` is what follows if the run fails, where the config asks for that.
    """

    json_kind: ClassVar[str] = "Preview"

    draft: Draft
    slug: Slug
    release: int
    tree: Digest
    config: str
    made_at: datetime
    made_by: str
    changes: Changes = Changes()
    since: SinceDeployed | None = None
    approvals: tuple[Approval, ...] = ()
    decision: Decision = Decision()
    diffs: tuple[tuple[str, str], ...] = ()
    overlay: tuple[Overlaid, ...] = ()
    dry_run: bool = False
    expected: Expected = Expected()
    reached: tuple[tuple[str, str], ...] = ()
    planner: str = ""
    fallback: Fallback | None = None

    @property
    def plan(self) -> Plan:
        """Return the plan itself."""
        return self.draft.plan

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what was found."""
        return self.draft.findings
