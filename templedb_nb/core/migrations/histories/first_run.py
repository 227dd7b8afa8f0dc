"""Whether another tool ran the files that wait: asked while a ledger has no row of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from templedb_nb.core.config.document import problem
from templedb_nb.core.migrations.histories.adopt import local_keys, ran_here, told_by
from templedb_nb.core.migrations.histories.graphs import RIVER
from templedb_nb.core.migrations.histories.known import TOOLS
from templedb_nb.core.migrations.histories.noticed import NOTICED, importable
from templedb_nb.core.migrations.layouts.placing import last, parent
from templedb_nb.errors import TargetError
from templedb_nb.model.config import Group
from templedb_nb.model.finding import Finding, Topic
from templedb_nb.model.foreign_history import ForeignHistory
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.status import WAITING, Tracked
from templedb_nb.model.target import DatabaseName, TargetName

PLATFORMS = frozenset(
    {
        "_analytics", "_realtime", "auth", "cron", "extensions", "graphile_worker", "net",
        "partman", "pgboss", "pgmq", "pgsodium", "realtime", "storage", "supabase_functions",
        "vault",
    }
)  # fmt: skip
"""Schemas that a service or a library beside the project migrates by itself."""


def of_others(
    found: Iterable[ForeignHistory], groups: Iterable[Group]
) -> tuple[ForeignHistory, ...]:
    """Return the histories that may tell of the files of *groups*."""
    ignored = {name.lower() for group in groups for name in group.ignore_histories}
    return tuple(
        each
        for each in found
        if (each.rows or each.denied)
        and each.schema not in PLATFORMS
        and not ignored & {each.table.lower(), each.where.lower()}
    )


def on_histories(
    found: Mapping[DatabaseName, Sequence[ForeignHistory]],
    ledgers: Mapping[DatabaseName, Ledger],
    rows: Sequence[Tracked],
    target: TargetName,
) -> Iterator[Finding]:
    """Yield an error where another tool has run files that wait here, or may have run them.

    They would run again. What is not known is asked while the ledger is empty, and no longer: from
    then on it knows what is in effect.
    """
    for database, histories in found.items():
        own = [row for row in rows if row.database == database]
        where = f"target {target} ({database})"
        for history in histories:
            if told := _ran(history, own, target):
                message, mend = told
            elif ledgers[database].entries or not (told := _may_have_run(history, own, target)):
                continue
            else:
                message, mend = told
            yield problem(where, message, mend, topic=Topic.LEDGER)


def _ran(
    history: ForeignHistory, rows: Sequence[Tracked], target: TargetName
) -> tuple[str, str] | None:
    """Return what a tool's table says of a folder that is the tool's, and the command."""
    ran = ran_here(history, rows) if importable(history.tool) else []
    if not ran:
        return None
    message = f"{history.where} says that {history.tool} has run {len(ran)} of these files"
    return message, f"templedb migration import --target {target} --from {history.tool}"


def _may_have_run(
    history: ForeignHistory, rows: Sequence[Tracked], target: TargetName
) -> tuple[str, str] | None:
    """Return why it is not known whether a tool has run files of another convention."""
    waiting = [row for row in rows if row.state in WAITING and row.entry is None]
    if not waiting:
        return None
    groups = list(dict.fromkeys(row.group for row in waiting))
    none_ran = f"ignore_histories: [{history.where}] in group {' and '.join(groups)}"
    if history.denied:
        message = f"role {history.denied!r} may not read {history.where}, of {history.tool}"
        mend = f"GRANT SELECT ON {history.where} TO …; or, if none of these files ran: {none_ran}"
        return message, mend
    if _others_versions(history, waiting) or not _tells(history, waiting):
        return None
    named = named_files(history, waiting)
    if history.tool == RIVER.title and not named:
        return None  # River's own migrations, beside those of the project
    message = f"{history.where} says that {history.tool} has run migrations in this database"
    if named:
        more = f" and {len(named) - 1} more" if len(named) > 1 else ""
        message += f", with the names or versions of {named[0].file}{more}"
    message += "; the ledger has none, so whether these files ran is not known"
    through = named[-1].file if named else "FILE"
    mend = f"if they did: templedb migration baseline --through {through} --target {target}"
    mend += " --reason WHY"
    if named and importable(history.tool):
        mend = f"if they did: templedb migration import --target {target} --from {history.tool}"
    return message, f"{mend}; if none did: {none_ran}"


def _others_versions(history: ForeignHistory, waiting: Sequence[Tracked]) -> bool:
    """Return whether the files are of that tool's convention, and none is in its table."""
    if not importable(history.tool) or TOOLS[history.tool].by_row:
        return False
    return all(row.reading and str(row.reading.layout) == history.tool for row in waiting)


def _tells(history: ForeignHistory, waiting: Sequence[Tracked]) -> bool:
    """Return whether a table says that anything is in effect."""
    if not importable(history.tool):
        return bool(history.rows)
    try:
        return bool(told_by(history, tuple(local_keys(history, waiting))))
    except TargetError:  # rows that the tool does not write may be anything
        return bool(history.rows)


def named_files(history: ForeignHistory, rows: Sequence[Tracked]) -> list[Tracked]:
    """Return the files that a table names, by the tool's own key or by a file's name."""
    if importable(history.tool):
        files = local_keys(history, rows)
        try:
            told = {each.key for each in told_by(history, tuple(files))}
        except TargetError:
            return []
        keyed = {id(row) for key, row in files.items() if key in told}
        return [row for row in rows if id(row) in keyed]
    column = NOTICED[history.tool].names
    names = {str(row.get(column) or "") for row in history.rows} if column else set()
    return [row for row in rows if _is_named(row.file, names)]


def _is_named(path: str, names: set[str]) -> bool:
    """Return whether one of *names* is that of a file, or of a folder that holds just that."""
    file = last(path)
    stem = file.rpartition(".")[0]
    own = {file, stem, last(parent(path)) if stem in {"up", "migration"} else stem}
    shortened = {last(name.replace("\\", "/")) for name in names}
    return bool(own & shortened) or any(name.endswith(f".{file}") for name in names)
