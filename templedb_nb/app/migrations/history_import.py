"""Other tools' histories: found in a target's databases, shown, and taken over on a command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.app.deploy.runs import RunOptions
from templedb_nb.app.migrations.migrations import Migrations
from templedb_nb.core.migrations.histories.adopt import (
    NOTHING,
    ImportedMigration,
    believed,
    local_keys,
    of_folder,
    shown,
    step,
    told_by,
    with_folder,
)
from templedb_nb.core.migrations.histories.known import TOOLS
from templedb_nb.core.migrations.histories.noticed import importable
from templedb_nb.core.migrations.histories.older import OLDER, TABLE
from templedb_nb.core.migrations.histories.shadow import SHADOWED, shadow
from templedb_nb.errors import Ambiguous, Busy, TargetError, UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.dual_write import DualWrite, DualWriteTable
from templedb_nb.model.foreign_history import Adoption, ForeignHistory
from templedb_nb.model.ledger import Checksums
from templedb_nb.model.result import Result
from templedb_nb.model.status import IN_EFFECT, WAITING, FileState, Tracked
from templedb_nb.model.step import Amend, Amendment, ImportEntry, Verb
from templedb_nb.model.target import DatabaseName
from templedb_nb.store.legacy_sqlite import read_projects

Found = tuple[DatabaseName, ForeignHistory]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySource:
    """Whose history is wanted, where a target has several."""

    tool: str | None = None
    table: str | None = None
    file: Path | None = None
    folder: str | None = None
    reason: str = ""
    shadow: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryMatch:
    """One history, held against the files of a project."""

    database: DatabaseName
    history: ForeignHistory
    rows: tuple[Tracked, ...]
    found: tuple[ImportedMigration, ...]

    @property
    def new(self) -> tuple[ImportedMigration, ...]:
        """Return what the ledger does not have yet."""
        return tuple(each for each in self.found if not each.known)


class HistoryImports:
    """Use cases around the tables of other tools."""

    def __init__(self, migrations: Migrations) -> None:
        """Write by *migrations*, as every amendment is written."""
        self._migrations = migrations

    def look(self, opened: OpenTarget, source: HistorySource) -> Adoption:
        """Return what an import would write; nothing is written."""
        return _adoption(opened, self._takeover(opened, source))

    def take_over(
        self, opened: OpenTarget, source: HistorySource, wish: RunOptions
    ) -> Result | Adoption:
        """Write what the tool's table says into the ledger; its table is not touched."""
        taken = self._takeover(opened, source)
        if taken.history.busy:
            message = f"{taken.history.title} is running: its lock is held"
            raise Busy(message, hint="wait until it has ended, then import")
        steps: list[Amendment] = list(_steps(opened, taken, source.reason))
        if source.shadow:
            steps += self._shadowing(opened, taken, source.reason)
        if not steps:
            return _adoption(opened, taken)
        return self._migrations.amend(opened, *steps, wish=replace(wish, reason="import"))

    def shadow_no_longer(
        self, opened: OpenTarget, source: HistorySource, wish: RunOptions
    ) -> Result:
        """Write no other tool's table along from now on."""
        found = [name for name, ledger in opened.ledgers.items() if ledger.shadow]
        if not found:
            message = f"target {opened.case.target.name} writes no other tool's table"
            raise UsageProblem(message, hint="templedb migration import --shadow")
        step = _word(Verb.NO_SHADOW, found[0], source.reason)
        return self._migrations.amend(opened, step, wish=replace(wish, reason="no-shadow"))

    def _shadowing(self, opened: OpenTarget, taken: HistoryMatch, reason: str) -> list[Amendment]:
        """Return the step that lets the tool's table be written along, and what it lacks."""
        history, database = taken.history, taken.database
        if history.tool not in SHADOWED:
            message = f"the table of {history.tool} cannot be written by --shadow"
            raise UsageProblem(message, hint=f"possible tools: {', '.join(SHADOWED)}")
        if any(each.carries_folder for each in taken.found):
            message = f"keys of this folder carry its name: --shadow cannot write {history.where}"
            raise UsageProblem(message, hint="import it without --shadow")
        into = DualWriteTable(tool=history.tool, schema=history.schema, table=history.table)
        if opened.ledgers[database].shadow == into:
            return []
        behind = tuple(_behind(opened, taken, into))
        return [replace(_word(Verb.SHADOW, database, reason), into=into, behind=behind)]

    def _takeover(self, opened: OpenTarget, source: HistorySource) -> HistoryMatch:
        rows = self._migrations.status(opened).rows
        database, history = _pick(_histories(opened, source), rows, source)
        own = tuple(row for row in rows if row.database == database)
        own = of_folder(history, own, source.folder)
        files = local_keys(history, own).values()
        bodies = opened.case.read({row.blob for row in files if row.blob})
        config = opened.case.current.config
        values = dict(pair for group in config.groups for pair in group.placeholders)
        found = with_folder(believed(history, own, bodies, tuple(values.items())), own)
        known = {row.entry.key for row in own if row.entry}
        found = [each if each.row or each.key not in known else _gone(each, own) for each in found]
        taken = HistoryMatch(database=database, history=history, rows=own, found=tuple(found))
        _refuse_strangers(taken)
        return taken


def _gone(each: ImportedMigration, rows: tuple[Tracked, ...]) -> ImportedMigration:
    """Return a migration without a file as the ledger knows it."""
    row = next(row for row in rows if row.entry and row.entry.key == each.key)
    return replace(each, row=row)


def _histories(opened: OpenTarget, source: HistorySource) -> list[Found]:
    """Return the histories that may be meant, or raise why none of them can be imported."""
    if source.file is not None:
        return list(_kept_elsewhere(opened, source.file))
    found = [
        (database, history)
        for database, session in opened.sessions.items()
        for history in session.histories()
        if source.table in {None, history.table, history.where}
        and source.tool in {None, history.tool}
    ]
    usable = [each for each in found if _usable(opened, *each)]
    if found and not usable:
        database, history = found[0]
        if history.denied:
            message = f"role {history.denied!r} may not read {history.where}, of {history.tool}"
            raise TargetError(message, hint=f"GRANT SELECT ON {history.where} TO …")
        message = f"{history.title} in {database} cannot be imported"
        raise UsageProblem(message, hint=_BASELINE)
    return usable


def _usable(opened: OpenTarget, database: DatabaseName, history: ForeignHistory) -> bool:
    server = opened.sessions[database].server is not None
    return server and importable(history.tool) and not history.denied


def _refuse_strangers(taken: HistoryMatch) -> None:
    """Refuse a table none of whose rows has a file here: the files would wait, and then run.

    Files of the tool's own may have come after those that it ran, but they have versions.
    """
    history, tool = taken.history, TOOLS[taken.history.tool]
    waiting = [row for row in taken.rows if row.state in WAITING and row.entry is None]
    comparable = not tool.by_row and any(
        row.reading and row.reading.layout is tool.layout for row in waiting
    )
    if not taken.found or not waiting or comparable or any(each.row for each in taken.found):
        return
    message = f"no migration that {history.title} lists has a file here"
    count = f"{len(waiting)} files here wait, and would still run after an import"
    raise UsageProblem(message, problems=[count], hint=f"if they ran: {_BASELINE}")


_BASELINE = "templedb migration baseline --through FILE --reason WHY"


def _word(verb: Verb, database: DatabaseName, reason: str) -> Amend:
    nothing = Checksums(text=NOTHING, tokens=NOTHING)
    return Amend(
        group="ledger",
        database=database,
        verb=verb,
        key="",
        file="",
        checksums=nothing,
        reason=reason,
    )


def _behind(opened: OpenTarget, taken: HistoryMatch, into: DualWriteTable) -> Iterator[DualWrite]:
    """Yield the rows of what was applied without the tool since its table was read last."""
    told = {each.key for each in taken.found}
    rows = [
        row
        for row in taken.rows
        if row.state in IN_EFFECT and row.key not in told and row.blob is not None
    ]
    bodies = opened.case.read({row.blob for row in rows if row.blob})
    for row in rows:
        assert row.blob is not None  # noqa: S101 - chosen by that
        if made := shadow(into, row.key, row.file, bodies[row.blob], row.reading):
            yield made


def _kept_elsewhere(opened: OpenTarget, file: Path) -> Iterator[Found]:
    """Yield what the older TempleDB's own file tells of the target, whose database it was."""
    project, target = opened.case.project, opened.case.target.name
    names = (project.slug, project.known_as)
    known = [each for each in read_projects(file) if each.slug in names]
    rows = tuple(r for each in known for r in each.migrations if r["target_name"] == target)
    database = next(iter(opened.sessions), None)
    if not rows or database is None:
        message = f"{file} lists no migration of {project.slug} on {target}"
        raise UsageProblem(message, hint="templedb project import --from-templedb FILE --dry-run")
    yield database, ForeignHistory(tool=OLDER, schema=file.name, table=TABLE, rows=rows)


def _pick(found: list[Found], rows: tuple[Tracked, ...], source: HistorySource) -> Found:
    """Return the one history that is meant: where there are several, the one that fits files."""
    if not found:
        wanted = source.table or source.tool or ", ".join(TOOLS)
        message = f"no database of the target has another tool's table (searched for: {wanted})"
        raise UsageProblem(message, hint="templedb migration status")
    if len(found) == 1:
        return found[0]
    fits = [each for each in found if _fits(each, rows)]
    if len(fits) == 1:
        return fits[0]
    problems = [f"{h.title}, {len(h.rows)} rows, in {database}" for database, h in found]
    hint = f"name one: --table {found[0][1].where}"
    raise Ambiguous("several tools have a table there", problems=problems, hint=hint)


def _fits(found: Found, rows: tuple[Tracked, ...]) -> bool:
    database, history = found
    files = local_keys(history, [row for row in rows if row.database == database])
    told = told_by(history, ())
    own = [row for row in files.values() if row.reading]
    same = not own or any(str(row.reading.layout) == history.tool for row in own if row.reading)
    return same and any(each.key in files for each in told)


def _steps(opened: OpenTarget, taken: HistoryMatch, reason: str) -> Iterator[ImportEntry]:
    sources = [each.row.source for each in taken.new if each.row and each.row.source]
    read = opened.case.read.scripts(sources)
    first = next((row.group for row in taken.rows), "ledger")
    for each in taken.new:
        source = each.row.source if each.row else None
        sums = read[source].checksums if source else None
        group = each.row.group if each.row else first
        yield step(taken.history, each, group, taken.database, sums, reason)


def _adoption(opened: OpenTarget, taken: HistoryMatch) -> Adoption:
    case, keys = opened.case, {each.key for each in taken.found}
    waiting = WAITING | {FileState.OPAQUE}
    pending = [row for row in taken.rows if row.state in waiting and row.key not in keys]
    return Adoption(
        slug=case.project.slug,
        target=case.target.name,
        database=taken.database,
        source=taken.history.title,
        rows=tuple(shown(each) for each in taken.found),
        pending=len(pending),
        busy=taken.history.busy,
    )
