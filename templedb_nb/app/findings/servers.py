"""What a server does not know, does not offer, or has already: found before a file stops there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from templedb_nb.core.catalog.created_objects import code_uses
from templedb_nb.core.config.document import problem
from templedb_nb.core.lint.made_twice import on_tables_made_twice
from templedb_nb.core.lint.server_objects import (
    PendingScript,
    on_names,
    on_server_objects,
    wanted,
)
from templedb_nb.core.lint.server_versions import enum_used_early, too_new
from templedb_nb.core.migrations.status import Ledgers
from templedb_nb.core.plan.situation import Situation
from templedb_nb.model.config import Executor
from templedb_nb.model.finding import Finding, Topic
from templedb_nb.model.step import Apply, Migration, RunCommand, RunScript, Step
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.target import CatalogReader, Reached
from templedb_nb.shell import psql


def on_servers(
    steps: Iterable[Step], situation: Situation, sessions: Mapping[DatabaseName, Reached]
) -> Iterator[Finding]:
    """Yield what of the pending migrations the servers cannot do, or do for all their databases.

    A file of psql's may ask the server itself what it can. Of one that goes on behind steps that
    stand, those may have created what is there.
    """
    read = situation.scripts
    begun = {
        (name, each.key)
        for name, ledger in situation.ledgers.items()
        for each in ledger.entries
        if each.step_started
    }
    by_database: dict[DatabaseName, list[PendingScript]] = {}
    alone = True
    for step in steps:
        alone = alone and not isinstance(step, RunCommand | RunScript)
        if isinstance(step, Apply) and step.source in read:
            script, native = read[step.source], step.executor is Executor.NATIVE
            fresh = (step.database, step.key) not in begun
            pending = PendingScript(
                file=step.file, script=script, native=native, fresh=fresh, alone=alone
            )
            by_database.setdefault(step.database, []).append(pending)
    for database, own in by_database.items():
        yield from on_tables_made_twice(own)
        session = sessions.get(database)
        if session is None or session.server is None:
            continue
        for each in own:
            if each.native:
                yield from too_new(each.script, each.file, session.server.version)
                yield from enum_used_early(each.script, each.file, session.server.version)
        if names := wanted(own):
            there = session.server.there(names)
            yield from on_server_objects(own, there)
            yield from on_names(own, there)


def on_psql(steps: Iterable[Step], environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield an error where files need psql, and this machine does not have it."""
    files = [
        step.file
        for step in steps
        if isinstance(step, Migration) and step.executor is Executor.PSQL
    ]
    if files and psql.program(environment) is None:
        more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
        message = f"needs the program psql, which is not on PATH{more}"
        yield problem(files[0], message, psql.MISSING, topic=Topic.COMMAND)


def empty_databases(
    sessions: Mapping[DatabaseName, CatalogReader], ledgers: Ledgers
) -> frozenset[DatabaseName]:
    """Return the databases without anything that code could use; those with rows are not asked."""
    fresh = (name for name, each in ledgers.items() if name in sessions and not each.entries)
    return frozenset(name for name in fresh if not code_uses(sessions[name].catalog()))
