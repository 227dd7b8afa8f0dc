"""Cohorts: targets that need the same, and the address of the plan for all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Severity
from templedb_nb.model.fleet import Cohort, FleetMember, PlannedState, RolloutRules, Wave
from templedb_nb.model.plan import Plan, Preview
from templedb_nb.model.serialization import Digest, digest, to_plain
from templedb_nb.model.step import Migration, label
from templedb_nb.model.target import TargetName

_ORDER = list(PlannedState)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMember:
    """A member, and what its plan says that is the same for its whole cohort."""

    member: FleetMember
    migrations: int = 0
    steps: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def work_hash(plan: Plan) -> Digest:
    """Address what a plan does, by which policy, whatever target it is for."""
    return replace(plan, target=TargetName("")).content_hash


def planned(preview: Preview, server: str, mask: Callable[[str], str]) -> PlannedMember:
    """Return what a fleet's plan keeps of the plan of one target; its words pass *mask*.

    Whoever shows them later does not know the secrets of that target.
    """
    plan = preview.plan
    severe = [each for each in preview.findings if each.severity is not Severity.NOTE]
    told = (mask(_without(each.message, plan.target)) for each in severe)
    problems = tuple(dict.fromkeys(told))
    stops = any(each.severity is Severity.ERROR for each in severe)
    state = PlannedState.REFUSED if stops else PlannedState.READY
    if not plan.steps and not stops:
        state = PlannedState.CURRENT
    files = [step.file for step in plan.steps if isinstance(step, Migration)]
    others = [mask(label(step).title) for step in plan.steps if not isinstance(step, Migration)]
    wanted = plan.policy.needed and bool(plan.work)
    member = FleetMember(
        target=plan.target,
        state=state,
        plan=plan.id,
        content=plan.content_hash,
        cohort=digest([state.value, work_hash(plan), list(problems)]),
        server=server,
        problem=problems[0] if stops else "",
        approved=not wanted or preview.decision.missing == 0,
    )
    return PlannedMember(
        member=member,
        migrations=len(files),
        steps=tuple(dict.fromkeys([*files, *others])),
        problems=problems,
    )


def _without(message: str, target: TargetName) -> str:
    """Return a finding without the name of its target, so that those of others are equal."""
    return message.replace(f"target {target}", "the target")


def not_planned(target: TargetName, state: PlannedState, why: str) -> PlannedMember:
    """Return a member whose ledger could not be read, or whose plan could not be made."""
    told = _without(why, target)
    member = FleetMember(
        target=target, state=state, problem=why, cohort=digest([state.value, told])
    )
    return PlannedMember(member=member, problems=(told,))


def cohorts(found: Iterable[PlannedMember]) -> tuple[Cohort, ...]:
    """Return the members by what they need: the largest cohorts first, of each state."""
    groups: dict[str, list[PlannedMember]] = defaultdict(list)
    for each in found:
        groups[each.member.cohort].append(each)
    made = [
        Cohort(
            id=key,
            state=own[0].member.state,
            targets=tuple(each.member.target for each in own),
            migrations=own[0].migrations,
            steps=own[0].steps,
            problems=own[0].problems,
            plan=own[0].member.plan,
        )
        for key, own in groups.items()
    ]
    return tuple(sorted(made, key=lambda c: (_ORDER.index(c.state), -len(c.targets), c.id)))


def address(
    slug: str,
    tree: str,
    rules: RolloutRules,
    members: Sequence[FleetMember],
    waves: Sequence[Wave],
) -> Digest:
    """Address a fleet's plan: whoever names it means these plans, in these waves."""
    needs = [[str(e.target), e.state.value, e.plan] for e in members]
    return digest([slug, tree, to_plain(rules), needs, [to_plain(each) for each in waves]])
