"""What the reader of a plan must know, gathered from everything that it follows from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from templedb_nb.core.catalog.database_identity import OPEN, RESTORED
from templedb_nb.core.config import groups
from templedb_nb.core.config.document import problem
from templedb_nb.core.config.environ import KnownNames
from templedb_nb.core.config.groups import migrating
from templedb_nb.core.migrations.rows import by_group
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.migrations.status import (
    GroupMigrations,
    Ledgers,
    Scripts,
)
from templedb_nb.core.plan.dialects import Dialects
from templedb_nb.core.plan.rollback import not_answered, on_pending
from templedb_nb.model.config import Executor, Group, OpaqueFiles
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.foreign_history import ImportConfidence
from templedb_nb.model.ledger import Ledger, State
from templedb_nb.model.lost import Lost, Suspicion
from templedb_nb.model.plan import Plan
from templedb_nb.model.serialization import Digest
from templedb_nb.model.status import WAITING, FileState, Tracked
from templedb_nb.model.step import ImportEntry, Migration
from templedb_nb.model.target import DatabaseName, OrderPolicy, TargetName


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDemands:
    """What the target asks of migrations: `order` by group, and more where it is `protected`.

    `elsewhere` are keys and token checksums of what other targets have applied.
    """

    order: Mapping[str, OrderPolicy]
    protected: bool = False
    elsewhere: AbstractSet[tuple[str, Digest]] = frozenset()


def on_migrations(
    found: Sequence[GroupMigrations],
    rows: Sequence[Tracked],
    scripts: Scripts,
    demands: TargetDemands,
    paths: AbstractSet[str],
) -> list[Finding]:
    """Return what is to say of the migrations of the chosen groups and of their files."""
    out: list[Finding] = []
    executors = {each.group.name: each.group.executor for each in found}
    own, texts = by_group(rows), Dialects(paths)
    for each in found:
        out += [*each.arranged.findings, *_recognised(each.group), *_downs(each)]
        out += _opaque(each.group, own.get(each.group.name, ()))
        if not each.files and each.group.file_patterns:
            out.append(_warning(Topic.FILES, "matches no migration", each.group.name))
    for row in rows:
        if row.group not in executors:
            continue
        if row.state is FileState.PARTIAL and row.blob is None:
            out.append(_left_behind(row, rows))
            continue
        out += _standing(row, demands.order[row.group])
        if row.state in WAITING and row.source is not None:
            out += _text(row, scripts[row.source], executors[row.group], texts)
            out += _leaving(row, scripts[row.source], executors[row.group], demands)
    return out


def _recognised(group: Group) -> Iterable[Finding]:
    own = migrating(group)
    if own and own.recognised and own.executor is not Executor.PSQL:
        message = f"{group.deploy_command!r} runs natively: psql exits with 0 if its SQL fails"
        yield _note(Topic.COMMAND, message, group.name)


def _downs(each: GroupMigrations) -> Iterable[Finding]:
    if each.arranged.downs:
        count = len(each.arranged.downs)
        message = f"{count} down part{'s' * (count > 1)} left out: {', '.join(each.arranged.downs)}"
        yield _note(Topic.MIGRATION, message, each.group.name)


def _opaque(group: Group, rows: Sequence[Tracked]) -> Iterable[Finding]:
    """Tell of what only another tool can run; an error where the plan would jump over it."""
    waiting = [place for place, row in enumerate(rows) if row.state in WAITING]
    for place, row in enumerate(rows):
        if row.state is not FileState.OPAQUE:
            continue
        later = next((rows[each] for each in waiting if each > place), None)
        if later is None or group.opaque is OpaqueFiles.SKIP:
            yield _warning(Topic.MIGRATION, row.note, row.file, row.mend)
        else:
            message = f"{row.note}, and {later.file} would run before it"
            mend = f"{row.mend}; or opaque: skip in group {group.name}"
            yield problem(row.file, message, mend, topic=Topic.ORDER)


def _standing(row: Tracked, policy: OrderPolicy) -> Iterable[Finding]:
    match row.state:
        case FileState.COSMETIC:
            yield _note(Topic.MIGRATION, row.note, row.file, row.mend)
        case FileState.CHANGED | FileState.MOVED:
            yield problem(row.file, row.note, row.mend, topic=Topic.MIGRATION)
        case FileState.IN_DOUBT:
            yield problem(row.file, row.note, row.mend, topic=Topic.UNRESOLVED)
        case FileState.MISSING:
            yield _warning(Topic.MIGRATION, row.note, row.file, row.mend)
        case FileState.FAILED | FileState.PARTIAL:
            yield _note(Topic.MIGRATION, row.note, row.file)
        case FileState.OUT_OF_ORDER:
            yield from _out_of_order(row, policy)
        case FileState.APPLIED | FileState.PENDING | FileState.OPAQUE:
            pass


def _left_behind(row: Tracked, rows: Sequence[Tracked]) -> Finding:
    """Tell of steps that stand and whose file is gone: a new file may be that one, renamed."""
    new = (e for e in rows if e.state in WAITING and e.entry is None and e.database == row.database)
    if any(new):
        return problem(row.file, row.note, row.mend, topic=Topic.UNRESOLVED)
    return _warning(Topic.MIGRATION, row.note, row.file, row.mend)


def _out_of_order(row: Tracked, policy: OrderPolicy) -> Iterable[Finding]:
    message = f"is out of order: {row.note}"
    match policy:
        case OrderPolicy.LINEAR:
            mend = "give the file a later name, or target update TARGET --order-policy non-linear"
            yield problem(row.file, message, mend, topic=Topic.ORDER)
        case OrderPolicy.LINEAR_SKIP:
            yield _warning(Topic.ORDER, f"{message}; it is left out", row.file)
        case OrderPolicy.NON_LINEAR:
            yield _warning(Topic.ORDER, f"{message}; it is applied anyway", row.file)


def _text(row: Tracked, script: Script, executor: Executor, texts: Dialects) -> Iterable[Finding]:
    if dialect := texts.of(row, script):
        message = (
            f"is in the style of {dialect.tool} ({dialect.evidence}), and is not read that way here"
        )
        yield problem(row.file, message, dialect.mend, topic=Topic.MIGRATION)
        return
    if executor is Executor.AUTO and (why := script.for_psql):
        yield _note(Topic.MIGRATION, f"psql runs it: {why.message}", f"{row.file}:{why.line}")
    for each in script.problems_for(executor):
        at = f"{row.file}:{each.line}" if each.line else row.file
        yield problem(at, each.message, each.mend, topic=Topic.MIGRATION)
    for each in script.warnings:
        yield _warning(Topic.MIGRATION, each.message, f"{row.file}:{each.line}", each.mend)


def _leaving(
    row: Tracked, script: Script, executor: Executor, demands: TargetDemands
) -> Iterable[Finding]:
    """Tell of a file that leaves nothing, or less than it says; a protected target refuses it.

    One that was applied elsewhere as it is may run there, too: nobody can edit it any more.
    """
    left = script.left
    if left is None or script.meant or script.problems_for(executor):
        return
    at = f"{row.file}:{left.line}" if left.line else row.file
    message = f"{left.message} [{left.rule}]"
    entry = row.entry
    here = entry and entry.state is State.REVERTED and entry.checksums.tokens
    applied = (row.key, script.checksums.tokens) in demands.elsewhere
    if demands.protected and not applied and here != script.checksums.tokens:
        yield problem(at, message, left.mend, topic=Topic.MIGRATION)
    else:
        yield _warning(Topic.MIGRATION, message, at, left.mend)


def on_target(
    ledgers: Ledgers, plan: Plan, rows: Sequence[Tracked], scripts: Scripts
) -> list[Finding]:
    """Return what the target's own records say against a run."""
    out: list[Finding] = []
    for name, ledger in sorted(ledgers.items()):
        out += _elsewhere(name, ledger, plan, rows, scripts)
        for each in ledger.unresolved:
            message = f"run {each.run}: its outcome is unknown: {each.step}"
            mend = f"check what it did, then: templedb run resolve {each.run} --reason WHAT-YOU-SAW"
            out.append(problem(f"target {plan.target}", message, mend, topic=Topic.UNRESOLVED))
        for project, frozen in ledger.freezes:
            what = f"is frozen for project {project}" if project else "is frozen"
            message = f"{what} by {frozen.by} since {frozen.since:%Y-%m-%d %H:%M}Z: {frozen.reason}"
            mend = f"templedb lock release {project or f'--target {plan.target}'} --reason WHY"
            out.append(problem(f"target {plan.target}", message, mend, topic=Topic.FROZEN))
        if ledger.rollback and not_answered(ledger.rollback, plan):
            out.append(on_pending(ledger.rollback, plan))
        if ledger.holder and ledger.holder.live:
            message = f"is locked by {ledger.holder}"
            out.append(_warning(Topic.LOCK, message, f"target {plan.target} ({name})"))
    return out


def on_suspicions(found: Mapping[DatabaseName, Suspicion], target: TargetName) -> list[Finding]:
    """Return an error for each database that is not what it was, and for what its ledger lost."""
    out = []
    for name, each in sorted(found.items()):
        mend = f"check DATABASE_URL; if it is right: templedb target rebind {target} --reason WHY"
        told = each.told
        if each.restorable:
            told = "has a ledger that lost rows" if told == RESTORED else told
            if each.decisive:
                why, other = (
                    "the objects of its migrations exist, so only the ledger was damaged:",
                    "",
                )
            else:
                why, other = (
                    "no object shows what is lost; restore the rows, open steps as in doubt:",
                    mend,
                )
            mend = f"{why} templedb migration restore-ledger --target {target} --reason WHY"
            mend += f"; or, if it is another database, {other}" if other else ""
        topic = Topic.UNRESOLVED if told == OPEN else Topic.LEDGER
        out.append(problem(f"target {target} ({name})", told, mend, topic=topic))
        shown = each.lost[:MOST_LOST]
        out += [problem(e.entry.file, str(e), _settle(e, told), topic=topic) for e in shown]
        if more := len(each.lost) - len(shown):
            out.append(problem(f"{more} more migrations", "are lost, too", topic=topic))
    return out


def _settle(lost: Lost, told: str) -> str:
    """Return how a person says what became of an attempt, where nothing else was lost."""
    if told != OPEN:
        return ""
    look = "check what is in effect, then: templedb migration resolve"
    return f"{look} {lost.entry.file} --applied|--not-applied --reason WHY"


def on_standing(
    found: Mapping[DatabaseName, Mapping[str, Sequence[str]]], target: TargetName
) -> Iterable[Finding]:
    """Warn where a ledger without a row meets what its files make: they may have run before.

    *found* has the objects that are there by file.
    """
    for name, files in sorted(found.items()):
        file, objects = next(iter(files.items()))
        more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
        message = f"{file}{more} creates what exists already: {', '.join(objects)}"
        mend = "the ledger has no migration; if these ran before: templedb migration baseline"
        mend = f"{mend} --through FILE --target {target} --reason WHY, or templedb migration"
        mend = f"{mend} restore-ledger --target {target} --reason WHY with the state that ran them"
        yield _warning(Topic.LEDGER, message, f"target {target} ({name})", mend)


def on_restores(plan: Plan, ledgers: Ledgers) -> Iterable[Finding]:
    """Warn where all of a ledger is restored from one state: others may know of more."""
    for name in plan.databases if plan.repairs else ():
        if not ledgers[name].exists:
            what = "tables of the ledger are" if ledgers[name].remains else "the whole ledger is"
            message = f"{what} gone: what other states ran is not in this state's copy"
            mend = "where else you deploy from: templedb migration status, before the next run"
            yield _warning(Topic.LEDGER, message, f"target {plan.target} ({name})", mend)


MOST_LOST = 20
"""At most this many lost rows are listed."""


def _elsewhere(
    name: DatabaseName, ledger: Ledger, plan: Plan, rows: Sequence[Tracked], scripts: Scripts
) -> Iterable[Finding]:
    if ledger.entries or not ledger.elsewhere:
        return
    own = [row for row in rows if row.database == name]
    waiting = {row.key: row.blob for row in own}
    read = [(row, scripts.get(row.source)) for row in own if row.source]
    empty = {row.blob for row, script in read if script and not script.statements}
    for project in sorted({each.project for each in ledger.elsewhere}):
        theirs = [each for each in ledger.elsewhere if each.project == project]
        same_text = {each.checksum for each in theirs} & set(waiting.values()) - empty
        same_names = {each.key for each in theirs} & set(waiting)
        if same_text or len(same_names) * 2 > len(waiting):
            message = f"this database knows these files as project {project!r}"
            mend = f"templedb project sync {plan.project} --known-as {project}"
            yield problem(f"target {plan.target} ({name})", message, mend, topic=Topic.LEDGER)


def on_shadows(ledgers: Ledgers, plan: Plan, target: TargetName) -> Iterable[Finding]:
    """Tell whose table is written along, and refuse what cannot write it."""
    for database, ledger in sorted(ledgers.items()):
        if ledger.shadow is None:
            continue
        where = f"target {target} ({database})"
        yield _note(Topic.LEDGER, f"{ledger.shadow.title} is also written (--shadow)", where)
        for step in plan.steps:
            if not isinstance(step, Migration) or step.database != database:
                continue
            if step.executor is Executor.PSQL:
                message = f"executor psql writes no table of {ledger.shadow.tool}"
                mend = "remove executor: psql, or: templedb migration import --no-shadow"
                yield problem(step.file, message, mend, topic=Topic.LEDGER)
            elif step.shadow is None:
                message = f"is not one of {ledger.shadow.tool}'s files: its table will not list it"
                yield _warning(Topic.LEDGER, message, step.file)


_DOUBTS = (
    (
        ImportConfidence.EDITED,
        "the file here is not the one that ran",
        "only the tool's table says what ran",
    ),
    (
        ImportConfidence.MISSING,
        "its file is missing",
        "restore it, or do nothing: it counts as applied",
    ),
    (
        ImportConfidence.IN_DOUBT,
        "its outcome is unknown",
        "look at the database, then: templedb migration resolve",
    ),
)


def on_adoption(plan: Plan) -> Iterable[Finding]:
    """Yield a warning for each kind of doubt about what another tool's table says."""
    steps = [step for step in plan.steps if isinstance(step, ImportEntry)]
    for belief, what, mend in _DOUBTS:
        files = [step.file for step in steps if step.verdict is belief]
        if files:
            more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
            yield _warning(Topic.MIGRATION, f"{belief}{more}: {what}", files[0], mend)


def on_variables(
    chosen: Sequence[Group],
    databases: Sequence[DatabaseName],
    known: KnownNames,
    *,
    may_miss: bool,
) -> list[Finding]:
    """Return the names that have no value, and those whose value cannot be read.

    With *may_miss*, only a database must have one: without its address nothing can be done.
    """
    wanted: dict[str, list[str]] = {str(name): [] for name in databases}
    for group in () if may_miss else chosen:
        for name in groups.required(group):
            wanted.setdefault(name, []).append(group.name)
    out = [
        problem(name, why, topic=Topic.VARIABLE) for name, why in sorted(known.unreadable.items())
    ]
    for name, users in wanted.items():
        if not any(known.source(name, dict(env)) for env in ((), *(g.env for g in chosen))):
            needed = f", which {' and '.join(users)} needs" if users else ""
            mend = f"templedb env set {name} --target TARGET"
            out.append(problem(name, f"has no value{needed}", mend, topic=Topic.VARIABLE))
    return out


def _note(topic: Topic, message: str, where: str, mend: str = "") -> Finding:
    return Finding(severity=Severity.NOTE, topic=topic, message=message, where=where, mend=mend)


def _warning(topic: Topic, message: str, where: str, mend: str = "") -> Finding:
    return Finding(severity=Severity.WARNING, topic=topic, message=message, where=where, mend=mend)
