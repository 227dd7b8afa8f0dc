"""What a server does not know, does not offer, or has already: found before a file stops there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from templedb_nb.core.lint.server_objects import PendingScript, on_server_objects, wanted
from templedb_nb.core.lint.server_versions import too_new
from templedb_nb.core.plan.situation import Situation
from templedb_nb.model.config import Executor
from templedb_nb.model.finding import Finding
from templedb_nb.model.step import Apply, Step
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.target import Reached


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
    for step in steps:
        if isinstance(step, Apply) and step.source in read:
            script, native = read[step.source], step.executor is Executor.NATIVE
            fresh = (step.database, step.key) not in begun
            pending = PendingScript(file=step.file, script=script, native=native, fresh=fresh)
            by_database.setdefault(step.database, []).append(pending)
    for database, own in by_database.items():
        session = sessions.get(database)
        if session is None or session.server is None:
            continue
        for each in own:
            if each.native:
                yield from too_new(each.script, each.file, session.server.version)
        if names := wanted(own):
            yield from on_server_objects(own, session.server.there(names))
