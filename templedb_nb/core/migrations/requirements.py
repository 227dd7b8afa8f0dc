"""What a plan's scripts ask for that other files, or the database itself, must give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from templedb_nb.core.config.document import problem
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.migrations.status import Ledgers, Scripts
from templedb_nb.core.sql.execution_units import StepMode
from templedb_nb.core.values.schema import nearest
from templedb_nb.model.config import Executor
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.plan import Plan
from templedb_nb.model.status import IN_EFFECT, Tracked
from templedb_nb.model.step import Migration, Mode


def on_scripts(
    plan: Plan, rows: Sequence[Tracked], ledgers: Ledgers, scripts: Scripts
) -> Iterator[Finding]:
    """Yield what forbids a script on this target, and what it needs that does not come before."""
    before = {row.file for row in rows if row.state in IN_EFFECT}
    known = _KnownFiles([row.file for row in rows])
    for step in plan.steps:
        if not isinstance(step, Migration) or step.source not in scripts:
            continue
        script = scripts[step.source]
        ledger = ledgers.get(step.database)
        if ledger is not None and not ledger.stepwise:
            yield from _for_transactions_only(step, script.note, script.asked.lock_timeout_ms)
        elif step.mode is Mode.STATEMENTS and script.mode is Mode.TRANSACTION:
            yield from _behind_steps(step)
        elif step.mode is Mode.STATEMENTS:
            yield _note(step.file, script.note)
        yield from _requires(step.file, script.asked.requires, before, known)
        before.add(step.file)


def _behind_steps(step: Migration) -> Iterator[Finding]:
    """Say how a file goes on of which steps took effect, although it fits one transaction now."""
    if step.executor is Executor.PSQL:
        message = "some of its steps took effect, but executor psql runs a file in one transaction"
        mend = "move the file to a group without executor: psql"
        yield problem(step.file, message, mend, topic=Topic.MIGRATION)
    else:
        yield _note(step.file, "runs step by step, because some of its steps took effect")


def _note(file: str, message: str) -> Finding:
    return Finding(severity=Severity.NOTE, topic=Topic.MIGRATION, message=message, where=file)


def _for_transactions_only(
    step: Migration, note: str, lock_timeout: int | None
) -> Iterator[Finding]:
    if step.mode is Mode.STATEMENTS:
        note = note.replace("in a transaction", "in a transaction of PostgreSQL")
        message = f"{note}, but DuckDB runs each migration in one transaction"
        yield problem(step.file, message, _for_duckdb(note), topic=Topic.MIGRATION)
    if lock_timeout is not None:
        message = "templedb:lock-timeout has no effect in DuckDB, which has one writer"
        yield Finding(
            severity=Severity.WARNING, topic=Topic.MIGRATION, message=message, where=step.file
        )


def in_one_transaction_of_duckdb(script: Script) -> bool:
    """Return whether DuckDB runs in a transaction what PostgreSQL does not: concurrent indexes."""
    alone = [each for each in script.units if each.way is StepMode.ALONE]
    words = ([token.upper for token in each.statements[0].tokens[:4]] for each in alone)
    return bool(alone) and all(
        [word for word in first if word != "UNIQUE"][:3] == ["CREATE", "INDEX", "CONCURRENTLY"]
        for first in words
    )


def _for_duckdb(note: str) -> str:
    """Return how a file does without the statement that its *note* names."""
    if "CONCURRENTLY" in note:
        return "leave out CONCURRENTLY, which changes nothing in DuckDB: a file has one writer"
    if "VACUUM" in note:
        return "leave out VACUUM, which does nothing in DuckDB; for statistics, write ANALYZE"
    return "split the file"


class _KnownFiles:
    """The migrations by what they are called; a few unknown names are compared with them all."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files = files
        self._by_name: dict[str, list[str]] = {}
        for file in files:
            for name in _names(file):
                self._by_name.setdefault(name, []).append(file)
        self._left = _COMPARED

    def called(self, name: str) -> list[str]:
        return self._by_name.get(name, [])

    def like(self, name: str) -> str:
        self._left -= len(self._files)
        return nearest(name, self._files) if self._left >= 0 else ""


_COMPARED = 20_000


def _requires(
    file: str, wanted: Iterable[str], before: set[str], known: _KnownFiles
) -> Iterator[Finding]:
    for name in wanted:
        found = known.called(name)
        if len(found) != 1:
            count = f"{len(found)} migrations are" if found else "no migration is"
            message = f"requires {name}, and {count} called so{known.like(name)}"
            yield problem(file, message, "name it by its path", topic=Topic.MIGRATION)
        elif found[0] not in before:
            message = f"requires {found[0]}, which is neither applied nor planned before it"
            mend = "give it a later name, or do not skip the other's group"
            yield problem(file, message, mend, topic=Topic.MIGRATION)


def names(path: str, name: str) -> bool:
    """Return whether *name* means the migration at *path*."""
    return name in _names(path)


def _names(path: str) -> frozenset[str]:
    last = path.rsplit("/", 1)[-1]
    return frozenset({path, last, last.removesuffix(".sql")})
