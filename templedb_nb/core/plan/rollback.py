"""Going back as a plan: which steps of the earlier release run, and what they will not undo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from templedb_nb.core.config.document import problem
from templedb_nb.core.config.groups import migrating
from templedb_nb.core.migrations.status import Ledgers
from templedb_nb.model.artifact_step import PlaceArtifacts
from templedb_nb.model.config import Group
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.plan import Plan, PlannedGroup
from templedb_nb.model.rollback import PendingRollback, RollbackGoal
from templedb_nb.model.rollback_summary import Ahead, RollbackSummary
from templedb_nb.model.serialization import Digest
from templedb_nb.model.status import WAITING, FileState, Tracked
from templedb_nb.model.step import Revert, RunCommand, RunScript
from templedb_nb.model.switch_step import SwitchSlot
from templedb_nb.model.variable import ValueSource
from templedb_nb.model.work_folder import WorkFolderKind

RUN_DIGITS = 13
"""So many characters of a run's id are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """What a rollback goes back to, and what it leaves.

    `undone` is the run in place. `groups` are those of the config in place; `only` are the groups
    that the rollback is about, None for all. `sources` are where the values of the goal's run came
    from, None where nobody knows. `origin` says where its files were found. `reverts` undo
    migrations that the release does not have, newest first.
    """

    to: PastRun
    undone: PastRun | None = None
    groups: tuple[str, ...] = ()
    only: frozenset[str] | None = None
    sources: tuple[ValueSource, ...] | None = None
    origin: str = ""
    reverts: tuple[Revert, ...] = ()
    unslotted: frozenset[str] = frozenset()
    """The groups that the config in place deploys without slots: none holds what is in place."""
    not_kept: str = ""
    """Why the release is built again, although its run kept what it had built."""

    @property
    def goal(self) -> RollbackGoal:
        """Return what of it belongs to the plan's content."""
        return RollbackGoal(
            run=self.to.run, tree=Digest(self.to.tree), config_hash=Digest(self.to.config_hash)
        )


UNDO = "undo migrations"
"""The group of a plan's down parts; no group of a config has a name with a space."""


def staying(back: WayBack, ahead: Sequence[Ahead]) -> tuple[Ahead, ...]:
    """Return what stays applied that the release does not have."""
    undone = {step.key for step in back.reverts}
    return tuple(each for each in ahead if each.key not in undone)


def with_reverts(
    back: WayBack, planned: Sequence[PlannedGroup], ahead: Sequence[Ahead]
) -> tuple[PlannedGroup, ...]:
    """Return the groups with the down parts: behind the code, which needs nothing of them any more.

    What breaks the code that comes back is undone before that.
    """
    if not back.reverts:
        return tuple(planned)
    undo = PlannedGroup(name=UNDO, steps=back.reverts)
    undone = {step.key for step in back.reverts}
    first = any(each.breaks for each in ahead if each.key in undone)
    return (undo, *planned) if first else (*planned, undo)


def is_about(back: WayBack, group: Group) -> bool:
    """Return whether a rollback runs the steps of a group."""
    return back.only is None or group.name in back.only


def on_rollback(
    back: WayBack,
    made: Plan,
    rows: Sequence[Tracked],
    chosen: Sequence[Group],
    ahead: Sequence[Ahead],
) -> Iterator[Finding]:
    """Return why the rollback is refused, and what its reader must know."""
    yield from _on_steps(back, made, chosen)
    yield from _on_rows(back, rows)
    for each in ahead:
        if each.breaks:
            message = f"stays applied, and the code of that release fails with it: {each.reason}"
            mend = "roll forward: fix the release and deploy it"
            yield problem(each.file, message, mend, topic=Topic.ROLLBACK)
    if made.policy.protected:
        return
    unknown = [each for each in ahead if each.word == "unknown" and not each.breaks]
    for each in unknown:
        why = f": {each.reason}" if each.reason else ""
        message = f"stays applied; whether that release works with it is unknown{why}"
        yield Finding(severity=Severity.WARNING, topic=Topic.ROLLBACK, message=message,
                      where=each.file, mend="")  # fmt: skip


def _on_steps(back: WayBack, made: Plan, chosen: Sequence[Group]) -> Iterator[Finding]:
    for group in chosen:
        own = [step for step in made.steps if step.group == group.name]
        here = [s for s in own if isinstance(s, RunCommand) and s.workdir is WorkFolderKind.PROJECT]
        if here:
            message = "works in the project's folder, which is today's: it cannot be rolled back"
            mend = "workdir: release, then deploy once; or leave it out: --skip-group"
            yield problem(group.name, message, f"{mend} {group.name}", topic=Topic.ROLLBACK)
    if back.not_kept:
        message = f"its groups build again, and may build something else: {back.not_kept}"
        yield Finding(severity=Severity.WARNING, topic=Topic.ROLLBACK, message=message,
                      where=made.target)  # fmt: skip
    if not any(
        isinstance(step, RunCommand | RunScript | Revert | SwitchSlot) for step in made.work
    ):
        what = _release(back.to)
        message = f"{what} has no command to run: a rollback never undoes migrations by itself"
        mend = "templedb migration down undoes a migration that has a down part"
        yield problem(made.target, message, mend, topic=Topic.ROLLBACK)


def _on_rows(back: WayBack, rows: Sequence[Tracked]) -> Iterator[Finding]:
    for row in rows:
        if row.state is FileState.IN_DOUBT:
            yield problem(row.file, row.note, row.mend, topic=Topic.UNRESOLVED)
        elif row.state is FileState.PARTIAL:
            yield Finding(severity=Severity.WARNING, topic=Topic.ROLLBACK, message=row.note,
                          where=row.file, mend="a rollback leaves it as it is")  # fmt: skip
        elif row.state in WAITING:
            message = f"{_release(back.to)} needs it, and it is not applied"
            mend = "a rollback applies no migration; deploy the release: templedb deploy run"
            mend = f"{mend} --release {back.to.release}" if back.to.release else mend
            yield problem(row.file, message, mend, topic=Topic.ROLLBACK)


def unfinished(ledgers: Ledgers) -> tuple[str, ...]:
    """Return the migrations of which nobody can say that they stand whole, or not at all."""
    entries = (each for ledger in ledgers.values() for each in ledger.entries)
    return tuple(each.file for each in entries if each.unfinished)


def summary(
    back: WayBack,
    made: Plan,
    groups: Sequence[Group],
    ahead: Sequence[Ahead],
    sources: Sequence[ValueSource],
) -> RollbackSummary:
    """Return what the plan brings back, and what it leaves as it is; *groups* are the release's."""
    kinds = RunCommand | RunScript | Revert | PlaceArtifacts
    does = [step for step in made.work if isinstance(step, kinds)]
    return RollbackSummary(
        goal=back.to.run,
        release=back.to.release,
        since=back.to.finished_at,
        undone=back.undone.run if back.undone else "",
        undone_release=back.undone.release if back.undone else 0,
        undoes=tuple(f"{step.group}: {step.title}" for step in does),
        leaves=(*(f"{each} stays applied" for each in ahead), *_left(back, made, groups)),
        differs=_differs(back, sources),
        origin=back.origin,
    )


def _left(back: WayBack, made: Plan, groups: Sequence[Group]) -> Iterator[str]:
    known = {group.name for group in groups}
    busy = {step.group for step in made.work}
    for name in back.groups:
        if name not in known:
            yield f"what group {name} deployed: {_release(back.to)} does not have the group"
    for group in groups:
        if migrating(group):
            if group.pre_deploy or group.post_deploy:
                yield f"the hooks of group {group.name} do not run: no migration is undone"
        elif group.name not in busy and not is_about(back, group):
            yield f"group {group.name}: the run that failed had not begun it"


def _differs(back: WayBack, sources: Sequence[ValueSource]) -> tuple[str, ...]:
    if back.sources is None:
        return ("where its values came from is not recorded in this state",)
    then = {each.name: str(each) for each in back.sources}
    now = {each.name: str(each) for each in sources}
    told = []
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name):
            was = then.get(name, f"{name} had no value")
            told.append(f"{was} then; now {now.get(name, 'it has no value')}")
    return tuple(told)


def _release(run: PastRun) -> str:
    return f"release {run.release}" if run.release else f"the release of run {run.run[:13]}"


def not_answered(pending: PendingRollback | None, plan: Plan) -> bool:
    """Return whether a rollback is in the way of a plan.

    It is not in the way of its own plan, and of another rollback only after it has begun.
    """
    if pending is None or plan.content_hash == pending.content_hash:
        return False
    return pending.begun or plan.rollback is None


def inherited(pending: PendingRollback | None, ledgers: Ledgers) -> PendingRollback | None:
    """Return the rollback that begins, as one after a failure if the target owed one, or was left.

    The ledgers are those under the lock: that may have come about since the rollback was planned.
    """
    if pending is None or not any(each.rollback for each in ledgers.values()):
        return pending
    return replace(pending, failed=True)


def on_pending(pending: PendingRollback, plan: Plan) -> Finding:
    """Return why nothing else may run: a rollback is owed, or did not succeed."""
    parent, run = pending.parent[:RUN_DIGITS], pending.run[:RUN_DIGITS]
    if pending.begun:
        message = f"rollback {run} did not succeed: the target may be half rolled back"
        mend = (
            f"see what ran: templedb deploy show {run}; continue: templedb deploy resume {run}; or,"
        )
        mend = (
            f"{mend} after you fixed it by hand: templedb run resolve {run} --reason WHAT-YOU-DID"
        )
    else:
        message = f"run {parent} failed, and its rollback has not begun"
        mend = f"roll back: templedb deploy resume {parent}, or, by a new plan: templedb deploy"
        mend = f"{mend} rollback; or leave the target as it is:"
        mend = f"{mend} templedb run resolve {parent} --reason WHY"
    return problem(f"target {plan.target}", message, mend, topic=Topic.UNRESOLVED)
