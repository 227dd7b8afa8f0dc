"""The row of a migration that runs step by step: each step counted, its end recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from templedb_nb.model.ledger import State
from templedb_nb.targets.postgres.apply.attempt import Attempt
from templedb_nb.targets.postgres.connection.wire import Link, failure
from templedb_nb.targets.postgres.ledger import migration_rows as rows
from templedb_nb.targets.postgres.ledger.guard import AS_OURSELVES


def which(attempt: Attempt) -> list[str]:
    """Return what names the attempt's row."""
    return [attempt.claim.project, attempt.step.key, attempt.id]


def count(
    link: Link, attempt: Attempt, *, done: int, started: int, spared: Collection[int] = ()
) -> None:
    """Count steps, as ourselves whatever role the file has taken; note what was *spared*."""
    counted: list[object] = [done, started, *which(attempt)]
    statement = rows.step_statement()
    if spared:
        statement = f"{statement}; {rows.SPARE}"
        counted += [*which(attempt), rows.spare_detail(done, spared)]
    # READ WRITE: the file may have made its session read only.
    results = link.batch(f"BEGIN READ WRITE; {AS_OURSELVES} {statement}; COMMIT", counted)
    if error := failure(results):
        raise error


@contextmanager
def writing(link: Link) -> Iterator[None]:
    """Hold a transaction that may write, although the file may have made its session read-only."""
    with link.connection.transaction():
        link.connection.execute(b"SET TRANSACTION READ WRITE")
        yield


def record(link: Link, attempt: Attempt, state: State, told: str) -> None:
    """Write how the attempt ended, as well as can be: the counts are what decides later."""
    if link.lost:
        return
    link.roll_back()
    with writing(link):
        link.connection.execute(AS_OURSELVES.encode())
        rows.ended_row(link.connection, which(attempt), state, told)


def mark_in_doubt(link: Link, attempt: Attempt, told: str) -> None:
    """Write that nobody can tell whether a step took effect."""
    record(link, attempt, State.IN_DOUBT, told)
