"""Decide what must happen; touch nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from templedb_nb.core.config import environ, globs, groups
from templedb_nb.core.config.command_template import per_file
from templedb_nb.core.config.document import problem
from templedb_nb.core.migrations import down, status
from templedb_nb.core.migrations.histories.shadow import shadow
from templedb_nb.core.migrations.layouts.placing import NOTHING_SEEN, Look
from templedb_nb.core.migrations.requirements import on_scripts
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.migrations.status import Hollow, Ledgers, Migrations, Scripts
from templedb_nb.core.plan.findings import (
    Demands,
    on_adoption,
    on_health,
    on_histories,
    on_migrations,
    on_shadows,
    on_suspicions,
    on_target,
    on_variables,
)
from templedb_nb.core.plan.neighbours import on_neighbours
from templedb_nb.core.plan.summaries import summaries
from templedb_nb.core.values.schema import nearest
from templedb_nb.model.config import DeployConfig, Executor, Group, Hook
from templedb_nb.model.file import FileEntry
from templedb_nb.model.finding import Finding, Topic
from templedb_nb.model.foreign_history import History
from templedb_nb.model.layout import address
from templedb_nb.model.ledger import Ledger, State
from templedb_nb.model.lost import Suspicion
from templedb_nb.model.plan import Draft, Plan, PlannedGroup, Skip, base
from templedb_nb.model.serialization import Digest
from templedb_nb.model.status import IN_EFFECT, WAITING, FileState, Tracked
from templedb_nb.model.step import (
    Amend,
    Amendment,
    Apply,
    Migration,
    Mode,
    Phase,
    Restore,
    Revert,
    RunCommand,
    RunScript,
    Step,
)
from templedb_nb.model.target import DatabaseName, OrderPolicy, Policy, TargetName
from templedb_nb.model.variable import Source

DEPLOY_SCRIPT = "deploy.sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the person who plans wants to be different."""

    skip_groups: tuple[str, ...] = ()
    skip_validation: bool = False
    amend: tuple[Amendment | Revert | Restore, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that a plan follows from."""

    project: str
    target: TargetName
    policy: Policy
    config: DeployConfig
    files: tuple[FileEntry, ...]
    tree: Digest
    ledgers: Ledgers
    scripts: Scripts
    known: environ.Known = field(default_factory=environ.Known)
    options: Options = field(default_factory=Options)
    databases: tuple[DatabaseName, ...] = ()
    suspicions: Mapping[DatabaseName, Suspicion] = field(default_factory=dict)
    look: Look = NOTHING_SEEN
    migrations: tuple[Migrations, ...] | None = None
    histories: Mapping[DatabaseName, Sequence[History]] = field(default_factory=dict)
    overlay: str = ""
    own: Policy | None = None
    """What the project itself demands, without its neighbours in the same databases."""
    bodies: Mapping[str, bytes] = field(default_factory=dict)
    """Of the files whose rows another tool's table is to get, by path."""
    elsewhere: AbstractSet[tuple[str, Digest]] = frozenset()
    """Keys and token checksums of what other targets have applied, where a file leaves nothing."""
    hollow: AbstractSet[Hollow] = frozenset()


def plan(now: Situation) -> Draft:
    """Return what must happen, with everything that was found on the way, all at once."""
    if now.options.amend:
        return _amendment(now)
    chosen, skips, findings = _chosen(now)
    found = now.migrations
    if found is None:
        found = status.migrations(now.config, now.files, now.look, now.ledgers)
    rows = status.track(found, now.ledgers, now.scripts, now.hollow)
    planned = tuple(_planned(group, rows, now) for group in chosen) or _fallback(now)
    skips += _skipped_files(rows, chosen, now)
    made = _plan(now, tuple(group for group in planned if group.steps))
    findings += _all_findings(now, made, rows, [m for m in found if m.group in chosen], chosen)
    findings += on_scripts(made, rows, now.ledgers, now.scripts)
    return Draft(
        plan=made,
        findings=tuple(findings),
        skips=tuple(skips),
        sources=_sources(now, chosen),
        scripts=summaries(made.steps, now.scripts, now.ledgers),
        edited=tuple(row for row in rows if row.state is FileState.CHANGED),
        applied=sum(row.state in IN_EFFECT for row in rows),
    )


def _shadowed(now: Situation, planned: tuple[PlannedGroup, ...]) -> tuple[PlannedGroup, ...]:
    """Let steps write another tool's table along, where the ledger says so."""
    placed = {
        (each.database, one.key): one
        for each in now.migrations or ()
        for one in each.arranged.files
    }

    def with_shadow(step: Step) -> Step:
        if not isinstance(step, Migration | Amend):
            return step
        own = placed.get((step.database, step.key))
        into = now.ledgers[step.database].shadow if step.database in now.ledgers else None
        if into is None or own is None or own.path not in now.bodies:
            return step
        body = now.bodies[own.path]
        return replace(step, shadow=shadow(into, step.key, own.path, body, own.reading))

    return tuple(replace(g, steps=tuple(with_shadow(s) for s in g.steps)) for g in planned)


def _plan(now: Situation, planned: tuple[PlannedGroup, ...]) -> Plan:
    if any(ledger.shadow for ledger in now.ledgers.values()):
        planned = _shadowed(now, planned)
    steps = [step for group in planned for step in group.steps]
    folder = any(sees_folder(step) for step in steps)
    names = now.known.names if folder else frozenset()
    needed = {str(name) for name in now.databases}
    for group in now.config.groups:
        needed |= set(group.required_env_vars) if folder else set()
    return Plan(
        project=now.project,
        target=now.target,
        groups=planned,
        policy=now.policy,
        databases=now.databases,
        variables=tuple(sorted(names | needed)),
        base=base(now.ledgers),
        tree=now.tree if folder else None,
        overlay=now.overlay,
    )


def sees_folder(step: Step) -> bool:
    """Return whether a step may read any file of the release, not only those that it names."""
    by_psql = isinstance(step, Migration) and step.executor is Executor.PSQL
    return by_psql or step.opaque


def _chosen(now: Situation) -> tuple[tuple[Group, ...], list[Skip], list[Finding]]:
    findings: list[Finding] = []
    names = [group.name for group in now.config.groups]
    for name in now.options.skip_groups:
        if name not in names:
            message = f"there is no group {name!r}{nearest(name, names)}"
            findings.append(problem("--skip-group", message))
    ordered = groups.ordered(now.config.groups)
    out = [group for group in ordered if group.name in now.options.skip_groups]
    skips = [Skip(what=f"group {group.name}", why="--skip-group") for group in out]
    return tuple(group for group in ordered if group not in out), skips, findings


def _planned(group: Group, rows: Sequence[Tracked], now: Situation) -> PlannedGroup:
    before = _hooks(group, group.pre_deploy, Phase.PRE_DEPLOY)
    built = [*_command(group, Phase.BUILD), *_command(group, Phase.TEST)]
    work = _migrations(group, rows, now) if groups.migrating(group) else _deploy(group, now)
    after = _hooks(group, group.post_deploy, Phase.POST_DEPLOY)
    steps = (*before, *built, *work, *after)
    return PlannedGroup(name=group.name, steps=steps, continue_on_failure=group.continue_on_failure)


def _hooks(group: Group, hooks: Sequence[Hook], phase: Phase) -> list[Step]:
    after = phase is Phase.POST_DEPLOY
    return [
        replace(
            _run(group, phase, hook.command),
            timeout_s=hook.timeout_s or group.hook_timeout_s,
            critical=hook.critical or not after,
        )
        for hook in hooks
    ]


def _command(group: Group, phase: Phase) -> list[Step]:
    text = group.build_command if phase is Phase.BUILD else group.test_command
    return [_retried(group, _run(group, phase, text))] if text else []


def _deploy(group: Group, now: Situation) -> list[Step]:
    if not group.deploy_command:
        return []
    step = _retried(group, _run(group, Phase.DEPLOY, group.deploy_command))
    if not per_file(group.deploy_command):
        return [step]
    matched = _matched(group, now.files)
    return [replace(step, file=entry.path, blob=entry.blob) for entry in matched]


def _matched(group: Group, files: Sequence[FileEntry]) -> list[FileEntry]:
    entries = {entry.path: entry for entry in files}
    paths: dict[str, None] = {}
    for pattern in group.file_patterns:
        if not globs.complaints(pattern):
            paths.update(dict.fromkeys(globs.match(pattern, tuple(entries))))
    return [entries[path] for path in paths]


def _run(group: Group, phase: Phase, text: str) -> RunCommand:
    mutates = phase in {Phase.DEPLOY, Phase.POST_DEPLOY}
    return RunCommand(
        group=group.name,
        phase=phase,
        command=text,
        environment=group.env,
        allow_dangerous_env=group.allow_dangerous_env,
        workdir=group.workdir,
        mutates=mutates if group.mutates is None else group.mutates,
    )


def _retried(group: Group, step: RunCommand) -> RunCommand:
    attempts = 1 + group.retry_attempts
    delay = group.retry_delay_s
    return replace(step, timeout_s=group.timeout_s, attempts=attempts, retry_delay_s=delay)


def _migrations(group: Group, rows: Sequence[Tracked], now: Situation) -> list[Step]:
    own = groups.migrating(group)
    assert own is not None  # noqa: S101 - the caller asked
    steps: list[Step] = []
    for row in _repeatable_last(rows, now.scripts):
        if row.group != group.name or row.state not in WAITING or row.blob is None:
            continue
        script = now.scripts[address(row.blob, row.reading)]
        if not _held_back(row, group, now):
            steps.append(
                Apply(
                    group=group.name,
                    database=own.database,
                    key=row.key,
                    file=row.file,
                    blob=row.blob,
                    checksums=script.checksums,
                    mode=_mode(row, script, now.ledgers.get(own.database)),
                    executor=own.executor,
                    reading=row.reading,
                )
            )
    return steps


def _mode(row: Tracked, script: Script, ledger: Ledger | None) -> Mode:
    """Return how a script runs: behind steps that stand, step by step in any case."""
    entry = row.entry
    attempted = entry is not None and entry.state in {State.FAILED, State.RUNNING}
    stands = attempted and entry is not None and entry.step_started > 0
    return Mode.STATEMENTS if stands and ledger and ledger.stepwise else script.mode


def _repeatable_last(rows: Sequence[Tracked], known: Scripts) -> list[Tracked]:
    """Return the rows with those that run again when they change at the end, by name."""

    def late(row: Tracked) -> bool:
        script = known.get(row.source) if row.source else None
        return script is not None and script.asked.repeatable

    return [
        *(row for row in rows if not late(row)),
        *sorted((row for row in rows if late(row)), key=lambda row: row.file),
    ]


def order_policy(group: Group, now: Situation) -> OrderPolicy:
    """Return the policy that holds for a group: its own or the target's, the stricter one."""
    own = Policy(order_policy=group.order_policy or OrderPolicy.NON_LINEAR)
    return now.policy.stricter(own).order_policy


def _held_back(row: Tracked, group: Group, now: Situation) -> bool:
    skips = order_policy(group, now) is OrderPolicy.LINEAR_SKIP
    return skips and row.state is FileState.OUT_OF_ORDER


def _fallback(now: Situation) -> tuple[PlannedGroup, ...]:
    """Plan the project's own deploy.sh, where it has no groups at all."""
    script = next((entry for entry in now.files if entry.path == DEPLOY_SCRIPT), None)
    if now.config.groups or script is None:
        return ()
    step = RunScript(
        group=DEPLOY_SCRIPT,
        file=script.path,
        blob=script.blob,
        arguments=("--target", now.target),
        executable=script.executable,
    )
    return (PlannedGroup(name=DEPLOY_SCRIPT, steps=(step,)),)


def _skipped_files(rows: Iterable[Tracked], chosen: Sequence[Group], now: Situation) -> list[Skip]:
    by_name = {group.name: group for group in chosen}
    return [
        Skip(what=row.file, why=f"out of order: {row.note}; order_policy is linear-skip")
        for row in rows
        if row.group in by_name and _held_back(row, by_name[row.group], now)
    ]


def _all_findings(
    now: Situation,
    made: Plan,
    rows: Sequence[Tracked],
    migrations: Sequence[status.Migrations],
    chosen: Sequence[Group],
) -> list[Finding]:
    found = list(groups.check(now.config, [entry.path for entry in now.files]))
    demands = Demands(
        order={group.name: order_policy(group, now) for group in chosen},
        protected=now.policy.protected,
        elsewhere=now.elsewhere,
    )
    found += on_migrations(migrations, rows, now.scripts, demands, {f.path for f in now.files})
    found += on_target(now.ledgers, made, rows, now.scripts)
    found += on_neighbours(now.ledgers, now.own or now.policy, made)
    found += on_suspicions(now.suspicions, now.target)
    found += on_histories(now.histories, rows, now.target)
    found += on_shadows(now.ledgers, made, now.target)
    found += on_health(chosen)
    if not now.config.groups and not made.steps:
        found.append(_nothing_to_do())
    may_miss = now.options.skip_validation
    return found + on_variables(chosen, now.databases, now.known, may_miss=may_miss)


def _nothing_to_do() -> Finding:
    mend = "templedb deploy init, or add a deploy.sh"
    return problem("config", "the project has neither groups nor a deploy.sh", mend)


def _sources(now: Situation, chosen: Sequence[Group]) -> tuple[Source, ...]:
    found: dict[str, Source] = {}
    wanted = [(str(name), None) for name in now.databases]
    for group in chosen:
        for name in (*groups.required(group), *dict(group.env)):
            if source := now.known.source(name, dict(group.env)):
                found[name] = source
    for name, _ in wanted:
        if source := now.known.source(name):
            found.setdefault(name, source)
    return tuple(found[name] for name in sorted(found))


def _amendment(now: Situation) -> Draft:
    group = PlannedGroup(name="ledger", steps=now.options.amend)
    made = _plan(now, (group,))
    rows: tuple[Tracked, ...] = ()
    found = on_target(now.ledgers, made, rows, now.scripts)
    if not any(isinstance(step, Restore) for step in made.steps):
        found += on_suspicions(now.suspicions, now.target)
    found += on_neighbours(now.ledgers, now.own or now.policy, made)
    found = [each for each in found if each.topic is not Topic.UNRESOLVED]
    found += [*down.on_reverts(made, now.ledgers, now.scripts), *on_adoption(made)]
    return Draft(
        plan=made, findings=tuple(found), scripts=summaries(made.steps, now.scripts, now.ledgers)
    )
