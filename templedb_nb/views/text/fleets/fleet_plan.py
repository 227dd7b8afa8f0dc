"""Fleets and their plans, as plain text: equal needs are told once."""

from __future__ import annotations

from collections import Counter

from templedb_nb.model.fleet import (
    Cohort,
    DriftState,
    FleetDrift,
    FleetList,
    FleetPlan,
    OnFailure,
    PlannedState,
    RolloutRules,
)
from templedb_nb.model.serialization import short
from templedb_nb.views.format import duration, many, shown, table
from templedb_nb.views.messages import fleet_hints, fleet_rules, some_names
from templedb_nb.views.text.base import INDENT, text

STEPS = 5


@text.register
def _(value: FleetList) -> str:
    if not value.rows:
        return f"no fleet yet (templedb fleet define {value.slug} NAME --where SELECTOR)"
    rows = [[e.name, e.where, *_rules(e.rules)] for e in value.rows]
    return table(["FLEET", "WHERE", "WAVES", "PARALLEL", "IF TARGETS FAIL"], rows)


def _rules(rules: RolloutRules) -> list[str]:
    soak = f", {duration(rules.soak_ms)} apart" if rules.soak_ms else ""
    per = f" ({rules.parallel_per_server} per server)" if rules.parallel_per_server else ""
    waves = f"{', '.join(rules.waves)}{soak}" if rules.waves else "all at once"
    return [waves, f"{rules.parallel}{per}", _on_failure(rules)]


def _on_failure(rules: RolloutRules) -> str:
    if rules.on_failure is OnFailure.CONTINUE:
        return "continue"
    return f"{rules.on_failure.value} if more than {rules.max_failures} fail"


@text.register
def _(value: FleetPlan) -> str:
    of = f"fleet {value.fleet}" if value.fleet else value.where
    total = many(len(value.members), "target")
    head = f"fleet plan {short(value.id)}: {value.slug}, release {value.release}, {total} ({of})"
    lines = [line for each in value.cohorts for line in _cohort(each)]
    if value.came or value.gone:
        news = [f"{len(value.came)} new"] if value.came else []
        news += [f"{len(value.gone)} gone"] if value.gone else []
        lines.append(f"{INDENT}since the plan before: {', '.join(news)}")
    lines += ["", *_waves(value)]
    return "\n".join([head, *lines, *fleet_hints(value)])


def _cohort(value: Cohort) -> list[str]:
    count, need = many(len(value.targets), "target"), "needs" if len(value.targets) == 1 else "need"
    names = some_names(value.targets)
    match value.state:
        case PlannedState.CURRENT:
            return [f"{INDENT}{count} {need} nothing: {names}"]
        case PlannedState.REFUSED:
            head = f"{INDENT}{count} cannot be deployed: {names}"
        case PlannedState.UNREACHABLE:
            head = f"{INDENT}{count} could not be reached: {names}"
        case PlannedState.READY:
            what = many(value.migrations, "migration")
            others = len(value.steps) - value.migrations
            what = f"{what} and {many(others, 'step')}" if others > 0 and value.migrations else what
            what = many(others, "step") if not value.migrations else what
            head = f"{INDENT}{count} {need} {what}: {names}"
    plan = f" (plan {short(value.plan)})" if value.plan else ""
    steps = [f"{INDENT}{INDENT}{shown(each)}" for each in value.steps[:STEPS]]
    if (more := len(value.steps) - STEPS) > 0:
        steps.append(f"{INDENT}{INDENT}… and {more} more")
    problems = [f"{INDENT}{INDENT}! {shown(each)}" for each in value.problems[:STEPS]]
    return [f"{head}{plan}", *steps, *problems]


def _waves(value: FleetPlan) -> list[str]:
    rows = [
        [str(number), wave.name, str(len(wave.targets)), some_names(wave.targets)]
        for number, wave in enumerate(value.waves, 1)
    ]
    return [
        table(["WAVE", "WHICH", "TARGETS", "NAMES"], rows, INDENT),
        f"{INDENT}{fleet_rules(value.rules)}",
    ]


@text.register
def _(value: FleetDrift) -> str:
    counts = Counter(each.state for each in value.rows)
    told = ", ".join(f"{counts[state]} {state.value}" for state in DriftState if counts[state])
    of = f"fleet {value.fleet} of {value.slug}" if value.fleet else value.slug
    lines = [f"{of}: {many(len(value.rows), 'target')}: {told}"]
    for own in value.alike:
        names = some_names([each.target for each in own])
        lines.append(f"{INDENT}{len(own)} {own[0].state.value}: {names}")
        lines += [f"{INDENT * 2}{shown(each)}" for each in own[0].changes[:STEPS]]
        if (more := len(own[0].changes) - STEPS) > 0:
            lines.append(f"{INDENT * 2}… and {more} more")
        lines += [f"{INDENT * 2}? {shown(own[0].problem)}"] if own[0].problem else []
    if counts[DriftState.DRIFTED]:
        lines.append(f"next: templedb drift check {value.slug} --target TARGET shows definitions")
    return "\n".join(lines)
