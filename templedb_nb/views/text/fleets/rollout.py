"""Rollouts, as plain text: a line a wave, then what failed."""

from __future__ import annotations

from templedb_nb.model.fleet import (
    GOOD,
    OPEN,
    FleetStatus,
    MemberResult,
    MemberState,
    RolloutHistory,
    RolloutState,
)
from templedb_nb.model.serialization import short
from templedb_nb.views.format import duration, moment, shown, table
from templedb_nb.views.messages import fleet_hints, member_told
from templedb_nb.views.text.base import INDENT, text

FAILURES = 20


_WORDS = {
    RolloutState.PLANNED: "not begun",
    RolloutState.RUNNING: "running",
    RolloutState.UNKNOWN: "unknown",
}


@text.register
def _(value: FleetStatus) -> str:
    of = f" of fleet {value.fleet}" if value.fleet else ""
    why = f": {value.why}" if value.why else ""
    word = _WORDS.get(value.state, value.state.value)
    head = f"plan {short(value.plan)}{of}, {value.slug} release {value.release}: {word}{why}"
    good = value.count(*GOOD)
    counted = [f"{good} of {len(value.members)} targets are done"]
    counted += [f"{n} {s.value}" for s in MemberState if s not in GOOD and (n := value.count(s))]
    waves = [
        [w.name, str(w.size), str(w.count(*GOOD)),
         str(w.count(*(frozenset(MemberState) - GOOD - OPEN))), str(w.count(*OPEN))]
        for w in value.waves
    ]  # fmt: skip
    names = ["WAVE", "TARGETS", "DONE", "FAILED", "OPEN"]
    lines = [head, f"{INDENT}{', '.join(counted)}", table(names, waves, INDENT)]
    lines += [_failure(each) for each in value.failures[:FAILURES]]
    if (more := len(value.failures) - FAILURES) > 0:
        lines.append(f"{INDENT}… and {more} more, which --json lists")
    return "\n".join([*lines, *fleet_hints(value)])


def _failure(value: MemberResult) -> str:
    run = f" (run {value.run[:13]})" if value.run else ""
    return f"{INDENT}{value.target}: {value.state.value}: {shown(member_told(value))}{run}"


@text.register
def _(value: RolloutHistory) -> str:
    if not value.rows:
        return f"no rollout yet (templedb fleet plan {value.slug})"
    rows = [
        [
            row.rollout[:13],
            short(row.plan),
            row.fleet,
            row.state.value,
            moment(row.started_at),
            duration(
                int((row.finished_at - row.started_at).total_seconds() * 1000)
                if row.finished_at
                else None
            ),
            str(row.succeeded),
            str(row.failed),
            row.started_by,
            shown(row.why),
        ]
        for row in value.rows
    ]
    names = ["ROLLOUT", "PLAN", "FLEET", "STATE", "WHEN", "TOOK", "DONE", "FAILED", "WHO", "WHY"]
    return table(names, rows)
