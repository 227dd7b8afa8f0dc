"""Risks of pending migrations, reported before anything runs: our own rules, and squawk's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from templedb_nb.core.catalog.created_objects import standing
from templedb_nb.core.lint.linter import LintFindings, Pending, lint, merged, relations
from templedb_nb.core.lint.subjects import about, names_of
from templedb_nb.core.migrations.script import Script, without_data
from templedb_nb.core.plan.situation import Situation
from templedb_nb.engine.observe import ReadCache
from templedb_nb.model.layout import Address
from templedb_nb.model.lint import Complaint, Sizes
from templedb_nb.model.step import Apply, Mode, Step
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.target import CatalogReader, Reached
from templedb_nb.shell import squawk

_ABSENT = "squawk was not used because it is not installed: pip install 'templedb-nb[lint]'"


class Linted(Reached, CatalogReader, Protocol):
    """What lint asks of an open database: sizes, and what objects there are."""


def of_steps(
    steps: Iterable[Step],
    read: Mapping[Address, Script],
    sessions: Mapping[DatabaseName, Linted],
    cache: ReadCache,
) -> tuple[Complaint, ...]:
    """Return what is risky in the migrations that a plan applies."""
    pending = [
        Pending(file=step.file, database=step.database, script=read[step.source])
        for step in steps
        if isinstance(step, Apply) and step.source in read
    ]
    return complaints(pending, sessions, cache)[0]


def whatever_is_there(
    steps: Iterable[Step], situation: Situation, cache: ReadCache
) -> tuple[Complaint, ...]:
    """Return what is risky in the migrations of a plan even if a database has no table yet."""
    read = situation.scripts
    pending = [
        Pending(file=step.file, database=step.database, script=read[step.source])
        for step in steps
        if isinstance(step, Apply) and step.source in read
    ]
    quiet = {str(name) for name, each in situation.ledgers.items() if not each.table_locks}
    linted = lint(pending, {each.database: {} for each in pending}, quiet)
    asked = [each for each in pending if each.database not in quiet]
    return _with_squawk(linted, asked, {}, cache, lambda _name: frozenset())[0]


def ran_before(
    steps: Iterable[Step], situation: Situation, sessions: Mapping[DatabaseName, CatalogReader]
) -> dict[DatabaseName, dict[str, tuple[str, ...]]]:
    """Return, by file, what tells that it ran before, where a ledger has no row of the project.

    A database that has rows is not asked, nor one of which more is known: a suspicion, or another
    tool's history.
    """
    applies = [
        each for each in steps if isinstance(each, Apply) and each.source in situation.scripts
    ]
    found = {}
    for name, session in sessions.items():
        own = [
            (e.file, situation.scripts[e.source].statements) for e in applies if e.database == name
        ]
        known = (
            situation.ledgers[name].entries
            or name in situation.suspicions
            or situation.histories.get(name)
        )
        if own and not known and (there := standing(own, session.catalog())):
            found[name] = there
    return found


def complaints(
    pending: Sequence[Pending], sessions: Mapping[DatabaseName, Linted], cache: ReadCache
) -> tuple[tuple[Complaint, ...], list[str], int]:
    """Return what is risky, what else is to say, and the newest server's major version.

    Databases without a session are not asked: every table counts as large there.
    """
    sizes: dict[str, Sizes | None] = {}
    versions: dict[str, int] = {}
    quiet = set[str]()
    for name in dict.fromkeys(each.database for each in pending):
        session = sessions.get(DatabaseName(name))
        own = [each for each in pending if each.database == name]
        server = session.server if session else None
        sizes[name] = server.sizes(relations(own)) if server else None
        if session and not server:
            quiet.add(name)
        versions[name] = server.version if server else 0
    linted = lint(pending, sizes, quiet)
    asked = [each for each in pending if each.database not in quiet]

    @functools.cache
    def objects(name: str) -> frozenset[str] | None:
        session = sessions.get(DatabaseName(name))
        return names_of(session.catalog()) if session else None

    told, notes = _with_squawk(linted, asked, versions, cache, objects)
    return told, notes, max(versions.values(), default=0)


def _with_squawk(
    linted: LintFindings,
    pending: Sequence[Pending],
    versions: Mapping[str, int],
    cache: ReadCache,
    objects: Callable[[str], frozenset[str] | None],
) -> tuple[tuple[Complaint, ...], list[str]]:
    """Ask squawk about files that are new to the *cache*, once for each version of a server."""
    program = squawk.program()
    if program is None or not pending:
        return linted.complaints, [_ABSENT] if pending else []
    keys = [_key(each, versions.get(each.database, 0)) for each in pending]
    by_key = cache.complaints.find(keys)
    fresh = {key: each for key, each in zip(keys, pending, strict=True) if key not in by_key}
    for version in sorted({key[-1] for key in fresh}):
        own = {key: each for key, each in fresh.items() if key[-1] == version}
        told, trouble = squawk.check(program, [_sheet(each) for each in own.values()], version)
        if trouble:
            return linted.complaints, [trouble]
        by_key |= dict(zip(own, told, strict=True))
    others = [one for key in keys for one in by_key[key]]
    cache.complaints.keep(by_key)
    by_file = {each.file: versions.get(each.database, 0) for each in pending}
    return merged(linted, about(pending, others, objects), by_file), []


def _sheet(each: Pending) -> squawk.SquawkFile:
    return squawk.SquawkFile(
        file=each.file,
        text=without_data(each.script),
        together=each.script.mode is Mode.TRANSACTION,
        line=each.script.line,
    )


def _key(each: Pending, version: int) -> tuple[str, str, bool, int]:
    together = each.script.mode is Mode.TRANSACTION
    file = f"{each.file}:{each.script.line}"  # a file may hold several, of equal text
    return file, each.script.checksums.text, together, version
