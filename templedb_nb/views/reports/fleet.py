"""Rollouts in reports: JUnit has a case a target, Markdown a line a wave and a row a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from templedb_nb.model.fleet import (
    GOOD,
    OPEN,
    FleetPlan,
    FleetStatus,
    MemberResult,
    MemberState,
    PlannedState,
    RolloutState,
)
from templedb_nb.model.serialization import short
from templedb_nb.views.format import many
from templedb_nb.views.messages import fleet_rules, member_told, some_names

MARKS = {
    RolloutState.SUCCEEDED: "✔",
    RolloutState.RUNNING: "▶",
    RolloutState.PLANNED: "·",
}
_STATES = {
    PlannedState.READY: "to do",
    PlannedState.CURRENT: "nothing to do",
    PlannedState.REFUSED: "✖ refused",
    PlannedState.UNREACHABLE: "✖ not reached",
}


def place_of(value: MemberResult) -> str:
    """Return what became of a target: its state and, if it is not done, why."""
    told = member_told(value)
    return f"{value.state.value}: {told}" if told else value.state.value


def kind_of(state: MemberState) -> str:
    """Return what a case of JUnit is marked with; nothing if the target is done."""
    if state in GOOD:
        return ""
    if state in {MemberState.WAITING, MemberState.CANCELLED}:
        return "skipped"
    return "error" if state in {MemberState.RUNNING, MemberState.UNKNOWN} else "failure"


Cell = Callable[[str], str]
"""Makes of any words one cell of a table in Markdown."""


def markdown(value: FleetPlan | FleetStatus, rows: int, cell: Cell) -> Iterator[str]:
    """Yield Markdown with at most so many rows of failures or cohorts."""
    if isinstance(value, FleetPlan):
        yield from _plan(value, rows, cell)
    else:
        yield from _rollout(value, rows, cell)


def _plan(value: FleetPlan, rows: int, cell: Cell) -> Iterator[str]:
    total = many(len(value.members), "target")
    yield f"### Plan `{short(value.id)}` for {total} of {cell(value.slug)}, release {value.release}"
    yield from ("", "| targets | state | needs |", "|---:|---|---|")
    for each in value.cohorts[:rows]:
        needs = "; ".join([*each.problems, *each.steps]) or some_names(each.targets)
        yield f"| {len(each.targets)} | {_STATES[each.state]} | {cell(needs)} |"
    yield from ("", "| wave | targets |", "|---|---:|")
    yield from (f"| {cell(each.name)} | {len(each.targets)} |" for each in value.waves)
    yield from ("", fleet_rules(value.rules))


def _rollout(value: FleetStatus, rows: int, cell: Cell) -> Iterator[str]:
    of = f"fleet {cell(value.fleet)}" if value.fleet else "a plan"
    mark = MARKS.get(value.state, "✖")
    why = f": {cell(value.why)}" if value.why else ""
    head = f"### Rollout of {of}, {cell(value.slug)} release {value.release}"
    yield f"{head}: {mark} {value.state.value}{why}"
    yield from ("", f"{value.count(*GOOD)} of {many(len(value.members), 'target')} are done.")
    yield from ("", "| wave | targets | done | failed | open |", "|---|---:|---:|---:|---:|")
    bad = frozenset(MemberState) - GOOD - OPEN
    for wave in value.waves:
        counts = f"{wave.count(*GOOD)} | {wave.count(*bad)} | {wave.count(*OPEN)}"
        yield f"| {cell(wave.name)} | {wave.size} | {counts} |"
    if not value.failures:
        return
    yield from ("", "| target | what | run |", "|---|---|---|")
    for each in value.failures[:rows]:
        yield f"| {cell(each.target)} | {cell(place_of(each))} | {each.run[:13]} |"
    if (more := len(value.failures) - rows) > 0:
        yield from ("", f"… and {more} more targets; the log has them.")
