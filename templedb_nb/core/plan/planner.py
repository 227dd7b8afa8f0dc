"""Decide what must happen; touch nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from templedb_nb.core.config import groups
from templedb_nb.core.config.document import problem
from templedb_nb.core.health.variables import wanted
from templedb_nb.core.migrations import down, status
from templedb_nb.core.migrations.histories.first_run import on_histories
from templedb_nb.core.migrations.histories.shadow import shadow
from templedb_nb.core.migrations.requirements import on_scripts
from templedb_nb.core.migrations.rows import by_group, of_groups
from templedb_nb.core.plan import artifacts, fallback, rollback
from templedb_nb.core.plan.findings import (
    TargetDemands,
    on_adoption,
    on_migrations,
    on_restores,
    on_shadows,
    on_suspicions,
    on_target,
    on_variables,
)
from templedb_nb.core.plan.group_steps import held_back, order_policy, planned_group
from templedb_nb.core.plan.health_steps import (
    checks,
    names_release,
    on_health,
    with_health,
)
from templedb_nb.core.plan.neighbours import on_neighbours, on_one_database
from templedb_nb.core.plan.situation import Situation, SlotWish
from templedb_nb.core.plan.slots import steps as slot_steps
from templedb_nb.core.plan.slots.findings import on_slots
from templedb_nb.core.plan.summaries import summaries
from templedb_nb.core.promotion.forward import on_promotion
from templedb_nb.core.run.ledger_guard import on_missing_parts
from templedb_nb.core.secrets.url_passwords import typed
from templedb_nb.core.values.schema import nearest
from templedb_nb.model.config import Executor, Group
from templedb_nb.model.finding import Finding, Topic
from templedb_nb.model.plan import SKIP_GROUP, Draft, Plan, PlannedGroup, Skip, base
from templedb_nb.model.rollback_summary import RollbackSummary
from templedb_nb.model.status import IN_EFFECT, FileState, Tracked
from templedb_nb.model.step import (
    Amend,
    ArtifactStep,
    Migration,
    Restore,
    RunScript,
    Step,
)
from templedb_nb.model.switch_step import SlotUse
from templedb_nb.model.variable import ValueSource

DEPLOY_SCRIPT = "deploy.sh"


def plan(situation: Situation) -> Draft:
    """Return what must happen, with everything that was found on the way, all at once."""
    if situation.options.amend:
        return _amendment(situation)
    if situation.options.switch:
        return _about_slot(situation, situation.options.switch)
    chosen, skips, findings = _chosen(situation)
    found = situation.migrations
    if found is None:
        found = status.migrations(
            situation.config, situation.files, situation.look, situation.ledgers
        )
    rows = status.track(found, situation.ledgers, situation.scripts, situation.hollow)
    own = by_group(rows)
    planned = tuple(planned_group(group, own.get(group.name, ()), situation) for group in chosen)
    planned = planned or _fallback(situation)
    if back := situation.options.rollback:
        planned = rollback.with_reverts(back, planned, situation.ahead)
    planned = with_health(planned, chosen, situation)
    skips += _skipped_files(rows, chosen, situation)
    made = _plan(situation, tuple(group for group in planned if group.steps))
    skips += artifacts.skipped(chosen, made)
    findings += _all_findings(situation, made, rows, of_groups(found, chosen), chosen)
    findings += on_scripts(made, rows, situation.ledgers, situation.scripts)
    sources = _sources(situation, chosen, made)
    told = summaries(made.steps, situation.scripts, situation.ledgers, situation.empty)
    findings += on_slots(made, situation, told)
    return Draft(
        plan=made,
        findings=tuple(findings),
        skips=tuple(skips),
        sources=sources,
        rollback=_back(situation, made, sources),
        promotion=way.summary if (way := situation.options.promotion) else None,
        scripts=told,
        edited=tuple(row for row in rows if row.state is FileState.CHANGED),
        slots=slot_steps.shown(made.steps, situation),
        applied=sum(row.state in IN_EFFECT for row in rows),
    )


def _back(
    situation: Situation, made: Plan, sources: tuple[ValueSource, ...]
) -> RollbackSummary | None:
    """Return what a rollback brings back and leaves; None for any other plan."""
    back, own = situation.options.rollback, situation.config.groups
    if back is None:
        return None
    ahead = rollback.staying(back, situation.ahead)
    return rollback.summary(back, made, own, ahead, sources)


def _shadowed(situation: Situation, planned: tuple[PlannedGroup, ...]) -> tuple[PlannedGroup, ...]:
    """Let steps write another tool's table along, where the ledger says so."""
    placed = {
        (each.database, one.key): one
        for each in situation.migrations or ()
        for one in each.arranged.files
    }

    def with_shadow(step: Step) -> Step:
        if not isinstance(step, Migration | Amend):
            return step
        own = placed.get((step.database, step.key))
        into = (
            situation.ledgers[step.database].shadow if step.database in situation.ledgers else None
        )
        if into is None or own is None or own.path not in situation.bodies:
            return step
        body = situation.bodies[own.path]
        return replace(step, shadow=shadow(into, step.key, own.path, body, own.reading))

    return tuple(replace(g, steps=tuple(with_shadow(s) for s in g.steps)) for g in planned)


def _plan(situation: Situation, planned: tuple[PlannedGroup, ...]) -> Plan:
    if any(ledger.shadow for ledger in situation.ledgers.values()):
        planned = _shadowed(situation, planned)
    steps = [step for group in planned for step in group.steps]
    folder = any(sees_folder(step) for step in steps)
    names = situation.known.names if folder else frozenset()
    needed = {str(name) for name in situation.databases}
    for group in situation.config.groups:
        needed |= set(group.required_env_vars) if folder else set()
    needed |= {name for check in checks(steps) for name in wanted(check)}
    return Plan(
        project=situation.project,
        target=situation.target,
        groups=planned,
        policy=situation.policy.planned,
        databases=situation.databases,
        variables=tuple(sorted(names | needed)),
        base=base(situation.ledgers, slot_steps.switches(steps)),
        tree=situation.tree if folder or any(map(names_release, steps)) else None,
        overlay=situation.overlay,
        rollback=back.goal if (back := situation.options.rollback) else None,
        promotion=way.goal if (way := situation.options.promotion) else None,
        if_fails=None if fallback.blocked(planned, situation) else fallback.rule(situation),
    )


def sees_folder(step: Step) -> bool:
    """Return whether a step may read any file of the release, not only those that it names."""
    by_psql = isinstance(step, Migration) and step.executor is Executor.PSQL
    return by_psql or step.opaque or isinstance(step, ArtifactStep)


def _chosen(situation: Situation) -> tuple[tuple[Group, ...], list[Skip], list[Finding]]:
    findings: list[Finding] = []
    names = [group.name for group in situation.config.groups]
    for name in situation.options.skip_groups:
        if name not in names:
            message = f"there is no group {typed(name)!r}{nearest(name, names)}"
            findings.append(problem("--skip-group", message))
    ordered = groups.ordered(situation.config.groups)
    out = [group for group in ordered if group.name in situation.options.skip_groups]
    skips = [Skip(what=f"group {group.name}", why=SKIP_GROUP) for group in out]
    return tuple(group for group in ordered if group not in out), skips, findings


def _fallback(situation: Situation) -> tuple[PlannedGroup, ...]:
    """Plan the project's own deploy.sh, where it has no groups at all."""
    script = next((entry for entry in situation.files if entry.path == DEPLOY_SCRIPT), None)
    if situation.config.groups or script is None:
        return ()
    step = RunScript(
        group=DEPLOY_SCRIPT,
        file=script.path,
        blob=script.blob,
        arguments=("--target", situation.target),
        executable=script.executable,
    )
    return (PlannedGroup(name=DEPLOY_SCRIPT, steps=(step,)),)


def _skipped_files(
    rows: Iterable[Tracked], chosen: Sequence[Group], situation: Situation
) -> list[Skip]:
    by_name = {group.name: group for group in chosen}
    return [
        Skip(what=row.file, why=why)
        for row in rows
        if row.group in by_name and (why := held_back(row, by_name[row.group], situation))
    ]


def _all_findings(
    situation: Situation,
    made: Plan,
    rows: Sequence[Tracked],
    migrations: Sequence[status.GroupMigrations],
    chosen: Sequence[Group],
) -> list[Finding]:
    findings = list(groups.check(situation.config, [entry.path for entry in situation.files]))
    demands = TargetDemands(
        order={group.name: order_policy(group, situation) for group in chosen},
        protected=situation.policy.protected,
        elsewhere=situation.elsewhere,
    )
    if back := situation.options.rollback:
        ahead = rollback.staying(back, situation.ahead)
        findings += rollback.on_rollback(back, made, rows, chosen, ahead)
        findings += down.on_reverts(made, situation.ledgers, situation.scripts)
    else:
        paths = {f.path for f in situation.files}
        findings += on_migrations(migrations, rows, situation.scripts, demands, paths)
    if way := situation.options.promotion:
        compared = () if situation.options.rollback else rows
        findings += on_promotion(way, compared, situation.scripts, situation.target)
    findings += on_target(situation.ledgers, made, rows, situation.scripts)
    findings += on_neighbours(situation.ledgers, situation.own or situation.policy, made)
    findings += on_one_database(situation.ledgers, rows)
    findings += on_suspicions(situation.suspicions, situation.target)
    findings += on_missing_parts(made, situation.ledgers)
    findings += on_histories(situation.histories, situation.ledgers, rows, situation.target)
    findings += fallback.on_fallback(made, situation, tuple(findings))
    findings += on_shadows(situation.ledgers, made, situation.target)
    findings += [*on_health(made, situation), *artifacts.on_artifacts(made, situation)]
    if not situation.config.groups and not made.steps:
        findings.append(_nothing_to_do())
    may_miss = situation.options.skip_validation
    return findings + on_variables(chosen, situation.databases, situation.known, may_miss=may_miss)


def _nothing_to_do() -> Finding:
    mend = "templedb deploy init, or add a deploy.sh"
    return problem("config", "the project has neither groups nor a deploy.sh", mend)


def _sources(situation: Situation, chosen: Sequence[Group], made: Plan) -> tuple[ValueSource, ...]:
    found: dict[str, ValueSource] = {}
    named = [str(name) for name in situation.databases]
    named += [name for check in checks(made.steps) for name in wanted(check)]
    for group in chosen:
        for name in (*groups.required(group), *dict(group.env)):
            if source := situation.known.source(name, dict(group.env)):
                found[name] = source
    for name in named:
        if source := situation.known.source(name):
            found.setdefault(name, source)
    return tuple(found[name] for name in sorted(found))


def _about_slot(situation: Situation, wish: SlotWish) -> Draft:
    """Return the plan that switches traffic by hand, or stops what runs in a slot."""
    group = situation.config.group(wish.group)
    assert group is not None  # noqa: S101 - the caller has looked
    if wish.retires:
        now = slot_steps.of_group(group, situation)
        routed, live = slot_steps.routed(group), slot_steps.serving(now)
        use = SlotUse(routed=routed, slot=wish.slot, live=live, discards=True)
        steps = slot_steps.retire(group, use)
    else:
        steps = slot_steps.by_hand(group, wish.slot, wish.reason, situation)
    made = _plan(situation, (PlannedGroup(name=group.name, steps=steps),))
    found = on_target(situation.ledgers, made, (), situation.scripts)
    if not wish.retires:  # traffic may have to leave a slot before anybody knows what a run did
        found = [each for each in found if each.topic is not Topic.UNRESOLVED]
    found += [*on_slots(made, situation, ()), *on_health(made, situation)]
    found += on_variables((group,), situation.databases, situation.known, may_miss=False)
    sources = _sources(situation, (group,), made)
    shown = slot_steps.shown(steps, situation)
    return Draft(plan=made, findings=tuple(found), sources=sources, slots=shown)


def _amendment(situation: Situation) -> Draft:
    made = _plan(situation, (PlannedGroup(name="ledger", steps=situation.options.amend),))
    found = on_target(situation.ledgers, made, (), situation.scripts)
    if not any(isinstance(step, Restore) for step in made.steps):
        found += on_suspicions(situation.suspicions, situation.target)
    found += on_missing_parts(made, situation.ledgers)
    found += on_neighbours(situation.ledgers, situation.own or situation.policy, made)
    found = [each for each in found if each.topic is not Topic.UNRESOLVED]
    found += [*on_restores(made, situation.ledgers), *on_adoption(made)]
    found += down.on_reverts(made, situation.ledgers, situation.scripts)
    told = summaries(made.steps, situation.scripts, situation.ledgers)
    return Draft(plan=made, findings=tuple(found), scripts=told)
