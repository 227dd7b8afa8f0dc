"""Rolling migrations back: which ones, in which order, and by what. Never on its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from templedb_nb.core.config.document import problem
from templedb_nb.core.migrations.requirements import names
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.migrations.status import Ledgers, Scripts
from templedb_nb.model.config import Executor
from templedb_nb.model.file import FileEntry
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.ledger import EntryKind, State
from templedb_nb.model.plan import Plan
from templedb_nb.model.status import IN_EFFECT, FileState, Tracked
from templedb_nb.model.step import Mode, Revert


def newest_first(rows: Iterable[Tracked]) -> list[Tracked]:
    """Return the migrations that are in effect, the one that came into effect last first."""
    here = [row for row in rows if row.state in IN_EFFECT and row.entry is not None]
    return sorted(here, key=_sequence, reverse=True)


def later(row: Tracked, rows: Iterable[Tracked]) -> list[Tracked]:
    """Return what came into effect after *row* in its group, newest first."""
    return [each for each in newest_first(rows) if each.group == row.group and _after(each, row)]


def _sequence(row: Tracked) -> int:
    return row.entry.run_seq if row.entry else 0


def _after(row: Tracked, other: Tracked) -> bool:
    return row.database == other.database and _sequence(row) > _sequence(other)


def way_back(row: Tracked, script: Script, files: Mapping[str, FileEntry]) -> FileEntry | None:
    """Return the file that holds the down part of a migration, if there is one."""
    if script.down is not None:
        return files.get(row.file)
    return files.get(row.down)


def complaints(
    chosen: Sequence[Tracked], rows: Iterable[Tracked], scripts: Scripts
) -> Iterator[str]:
    """Yield why a migration of *chosen* cannot be rolled back."""
    going = {row.key for row in chosen}
    for row in chosen:
        if row.state is FileState.CHANGED:
            yield f"{row.file} was edited after it was applied: its down part may not fit"
        elif row.state not in IN_EFFECT:
            yield f"{row.file} is {row.state}: only applied migrations are rolled back"
        elif row.entry and row.entry.kind is EntryKind.REPEATABLE:
            yield f"{row.file} is repeatable: edit it, and it runs again"
    files = [row.file for row in chosen]
    for row in rows:
        script = scripts.get(row.source) if row.source else None
        if script is None or row.key in going or row.state not in IN_EFFECT:
            continue
        needed = [f for name in script.asked.requires for f in files if names(f, name)]
        for file in needed:
            yield f"{row.file} requires {file}, and would stay applied"


def down_script(script: Script) -> Script:
    """Return what rolls back: the down part of a migration's file, or a whole file beside it."""
    return script.down or script


def on_reverts(plan: Plan, ledgers: Ledgers, scripts: Scripts) -> Iterator[Finding]:
    """Yield what forbids a down part, and what would stay that came later."""
    steps = [step for step in plan.steps if isinstance(step, Revert)]
    for step in steps:
        yield from _about(step, scripts)
    for database in {step.database for step in steps}:
        going = {step.key for step in steps if step.database == database}
        applied = [e for e in ledgers[database].entries if e.state is State.APPLIED]
        first = min((e.run_seq for e in applied if e.key in going), default=0)
        stay = [e.key for e in applied if e.run_seq > first and e.key not in going]
        if stay:
            more = f" and {len(stay) - 1} more" if len(stay) > 1 else ""
            message = f"{stay[0]}{more} was applied later, and would stay applied"
            yield Finding(
                severity=Severity.WARNING, topic=Topic.MIGRATION, message=message, where=min(going)
            )


def _about(step: Revert, scripts: Scripts) -> Iterator[Finding]:
    script = down_script(scripts[step.source])
    for each in script.problems_for(Executor.NATIVE):
        at = f"{step.file}:{each.line}" if each.line else step.file
        yield problem(at, each.message, each.mend, topic=Topic.MIGRATION)
    by_hand = f"roll back by hand, then: templedb migration mark-reverted {step.key} --reason WHY"
    if script.mode is Mode.STATEMENTS:
        message = f"{script.note}, and a down part runs in one transaction"
        yield problem(step.file, message, f"remove that, or {by_hand}", topic=Topic.MIGRATION)
    elif script.left is not None and script.left.nothing:
        message = f"its down part {script.left.message}"
        yield problem(step.file, message, by_hand, topic=Topic.MIGRATION)
