"""What a plan's card and its text say in the same words: who may approve, what differs, breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta

from templedb_nb.model.compatibility import Compat, Compatibility
from templedb_nb.model.config import Executor
from templedb_nb.model.estimate import Expected
from templedb_nb.model.finding import Topic
from templedb_nb.model.health import HealthRole
from templedb_nb.model.health_step import CheckHealth, span
from templedb_nb.model.plan import Preview
from templedb_nb.model.promotion import GateResult
from templedb_nb.model.step import Migration, Step, failure_hook
from templedb_nb.model.switch_step import SwitchSlot
from templedb_nb.views.format import duration, many, moment

RUN_DIGITS = 13
"""So much of a run's id is shown; commands take it."""
GRAVE = frozenset({Compat.CONTRACT, Compat.UNKNOWN})
"""Words whose reason a reader must know."""


SHOWN = 400
"""So many steps of a plan or of a run a notebook shows."""


def chosen(grave: Sequence[bool]) -> frozenset[int]:
    """Return the places of the steps that are shown: the *grave* ones first, then from the first.

    Of as many as fit, every one.
    """
    ranked = sorted(range(len(grave)), key=lambda place: not grave[place])
    return frozenset(ranked[:SHOWN])


def approvals_told(value: Preview) -> str:
    """Say how many of the approvals are there, who may give them, and who may not."""
    policy, found = value.plan.policy, value.decision
    if not found.needed:
        return ""
    count = f"Approvals: {len(found.counted)} of {found.needed}"
    who = ", ".join(policy.approvers) if policy.approvers else "anybody"
    planner = value.planner or value.made_by
    alone = "" if policy.self_approval else f"; not {planner}, the author of the plan"
    lasts = timedelta(seconds=policy.approval_expires_s)
    expires = f"; no older than {lasts}" if lasts else ""
    return f"{count}. May approve: {who}{alone}{expires}."


def nature(step: Step) -> str:
    """Say what one knows of a step beforehand: exact, opaque, a gate, a soak, what proves it."""
    if isinstance(step, CheckHealth):
        return step.role.value
    if failure_hook(step):
        return "after a failure"
    if isinstance(step, SwitchSlot):
        return "router"
    if isinstance(step, Migration) and step.executor is Executor.PSQL:
        return "psql"
    return "opaque" if step.opaque else "exact"


def settles(step: CheckHealth) -> str:
    """Say what settles a health check: good tries in a row before its deadline, or a time."""
    if step.role is HealthRole.SOAK:
        return f"for {span(step.soak_s)}"
    timing = step.checks[0].timing
    good = (
        "1 good try" if timing.success_threshold == 1 else f"{timing.success_threshold} good tries"
    )
    return f"{good} within {span(timing.deadline_s)}"


def compared(value: Preview) -> str:
    """Say what the release is compared with, and how many files differ."""
    since = value.since
    if since is None:
        return f"No earlier success on {value.plan.target} is known here: nothing to compare with"
    found = since.changes
    kinds = (("added", found.added), ("changed", found.changed), ("removed", found.removed))
    told = ", ".join(f"{len(paths)} {what}" for what, paths in kinds if paths)
    last = f"the last successful run {since.run[:RUN_DIGITS]}"
    when = f" of {moment(since.finished_at)}" if since.finished_at else ""
    files = f"{told} of the files" if told else "no file differs"
    return f"Since {last}{when}, release {since.release}: {files}"


def older_code(found: Compatibility) -> str:
    """Return the word with its reason, and what the statements say where the file states less."""
    reason = f": {found.reason}" if found.reason else ""
    said = f"{found.word} (stated){reason}" if found.stated else f"{found.word}{reason}"
    if not found.disputed:
        return said
    return f"{said}; its statements: {found.inferred}, {found.inferred_reason}"


def needs_a_line(found: Compatibility) -> bool:
    """Return whether a reader must know why, and not only how many there are."""
    return found.word in GRAVE or found.stated


def words_counted(found: Iterable[Compatibility]) -> str:
    """Count those that need no line of their own."""
    by_word = Counter(each.word for each in found)
    said = [f"{word}: {many(by_word[word], 'migration')}" for word in Compat if by_word[word]]
    return "; ".join(said)


_WINDOWS = "deployment windows "
"""How the note on a plan begins that says whether a run may begin now."""


def promotion_gates(value: Preview) -> tuple[GateResult, ...]:
    """Return every gate of a promotion: its own, the approvals, and the windows of the target."""
    way = value.draft.promotion
    if way is None:
        return ()
    found = list(way.gates)
    if told := approvals_told(value).removeprefix("Approvals: ").rstrip("."):
        decision = value.decision
        passed = not decision.missing and decision.veto is None
        found.append(GateResult(name="approvals", passed=passed, reason=told))
    for each in value.findings:
        if each.topic is Topic.FROZEN and each.message.startswith(_WINDOWS):
            told = each.message.removeprefix(_WINDOWS)
            found.append(GateResult(name="windows", passed=told.startswith("open"), reason=told))
    return tuple(found)


def in_all(expected: Expected) -> str:
    """Return how long a whole plan will take, and where that is known from."""
    told = f"{duration(expected.total_ms)}, by {many(expected.runs, 'former run')}"
    if count := expected.by_others:
        told += f" (a migration: the median of {many(count, 'other')})"
    return told
