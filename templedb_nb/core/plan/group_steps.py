"""The steps of one group: hooks, commands, migrations, and what is held back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from templedb_nb.core.config import globs, groups
from templedb_nb.core.config.command_template import per_file
from templedb_nb.core.migrations.requirements import in_one_transaction_of_duckdb
from templedb_nb.core.migrations.rows import repeatable_last
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.plan import artifacts, rollback
from templedb_nb.core.plan.health_steps import (
    gates,
)
from templedb_nb.core.plan.situation import Situation
from templedb_nb.core.plan.slots import steps as slots
from templedb_nb.core.promotion.forward import in_order, not_there
from templedb_nb.model.config import Group, Hook
from templedb_nb.model.file import FileEntry
from templedb_nb.model.layout import address
from templedb_nb.model.ledger import Ledger, State
from templedb_nb.model.phase import Phase
from templedb_nb.model.plan import PlannedGroup
from templedb_nb.model.status import WAITING, FileState, Tracked
from templedb_nb.model.step import (
    Apply,
    Mode,
    RunCommand,
    Step,
)
from templedb_nb.model.target import OrderPolicy, Policy


def planned_group(group: Group, rows: Sequence[Tracked], situation: Situation) -> PlannedGroup:
    """Return the steps of a group, where *rows* are its migrations."""
    back = situation.options.rollback
    if back and not rollback.is_about(back, group):
        return PlannedGroup(name=group.name, steps=())
    if back and groups.migrating(group):
        return PlannedGroup(name=group.name, steps=gates(group))
    if group.blue_green and (again := slots.returning(group, situation)):
        return PlannedGroup(name=group.name, steps=again)
    before = _hooks(group, group.pre_deploy, Phase.PRE_DEPLOY)
    build, test = _command(group, Phase.BUILD), _command(group, Phase.TEST)
    built = artifacts.built(group, situation, build, test)
    work = (
        _migrations(group, rows, situation)
        if groups.migrating(group)
        else _deploy(group, situation)
    )
    after = _hooks(group, group.post_deploy, Phase.POST_DEPLOY)
    steps = (*before, *built, *work, *after, *gates(group))
    hooks: Sequence[Step] = _hooks(group, group.on_failure, Phase.ON_FAILURE)
    if steps and slots.switched(group, situation):
        steps = slots.deployed(group, steps, situation)
        hooks = slots.after_failure(group, hooks, situation)
    steps += tuple(hooks) if steps else ()
    return PlannedGroup(name=group.name, steps=steps, continue_on_failure=group.continue_on_failure)


def _hooks(group: Group, hooks: Sequence[Hook], phase: Phase) -> list[Step]:
    critical = {Phase.PRE_DEPLOY: True, Phase.ON_FAILURE: False}
    return [
        replace(
            _run(group, phase, hook.command),
            timeout_s=hook.timeout_s or group.hook_timeout_s,
            critical=critical.get(phase, hook.critical),
        )
        for hook in hooks
    ]


def _command(group: Group, phase: Phase) -> list[Step]:
    text = group.build_command if phase is Phase.BUILD else group.test_command
    return [_retried(group, _run(group, phase, text))] if text else []


def _deploy(group: Group, situation: Situation) -> list[Step]:
    undoes = group.rollback_command if situation.options.rollback else ""
    if not (command := undoes or group.deploy_command):
        return []
    step = _retried(group, _run(group, Phase.DEPLOY, command))
    if not per_file(command):
        return [step]
    matched = _matched(group, situation.files)
    return [replace(step, file=entry.path, blob=entry.blob) for entry in matched]


def _matched(group: Group, files: Sequence[FileEntry]) -> list[FileEntry]:
    entries = {entry.path: entry for entry in files}
    paths: dict[str, None] = {}
    for _, matched in globs.taken(group.file_patterns, tuple(entries)):
        paths.update(dict.fromkeys(matched))
    return [entries[path] for path in paths]


def _run(group: Group, phase: Phase, text: str) -> RunCommand:
    mutates = phase in {Phase.DEPLOY, Phase.POST_DEPLOY, Phase.ON_FAILURE}
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


def _migrations(group: Group, rows: Sequence[Tracked], situation: Situation) -> list[Step]:
    own = groups.migrating(group)
    assert own is not None  # noqa: S101 - the caller asked
    steps: list[Step] = []
    if way := situation.options.promotion:
        rows = in_order(way, rows)
    for row in repeatable_last(rows, situation.scripts):
        if row.state not in WAITING or row.blob is None:
            continue
        script = situation.scripts[address(row.blob, row.reading)]
        if not held_back(row, group, situation):
            steps.append(
                Apply(
                    group=group.name,
                    database=own.database,
                    key=row.key,
                    file=row.file,
                    blob=row.blob,
                    checksums=script.checksums,
                    mode=_mode(row, script, situation.ledgers.get(own.database)),
                    executor=script.sender(own.executor),
                    reading=row.reading,
                )
            )
    return steps


def _mode(row: Tracked, script: Script, ledger: Ledger | None) -> Mode:
    """Return how a script runs: behind steps that stand, step by step in any case.

    DuckDB has no steps: there, what PostgreSQL alone refuses in a transaction runs in one.
    """
    entry = row.entry
    attempted = entry is not None and entry.state in {State.FAILED, State.RUNNING}
    stands = attempted and entry is not None and entry.step_started > 0
    if ledger is not None and not ledger.stepwise and in_one_transaction_of_duckdb(script):
        return Mode.TRANSACTION
    return Mode.STATEMENTS if stands and ledger and ledger.stepwise else script.mode


def order_policy(group: Group, situation: Situation) -> OrderPolicy:
    """Return the policy that holds for a group: its own or the target's, the stricter one."""
    own = Policy(order_policy=group.order_policy or OrderPolicy.NON_LINEAR)
    return situation.policy.stricter(own).order_policy


def held_back(row: Tracked, group: Group, situation: Situation) -> str:
    """Return why a migration that waits does not run; nothing if it does."""
    skips = order_policy(group, situation) is OrderPolicy.LINEAR_SKIP
    if skips and row.state is FileState.OUT_OF_ORDER:
        return f"out of order: {row.note}; order_policy is linear-skip"
    way = situation.options.promotion
    return not_there(way, row) if way else ""
