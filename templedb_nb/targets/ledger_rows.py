"""Rows of a ledger as values, whichever database it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from templedb_nb.model.event import Outcome
from templedb_nb.model.ledger import Checksums, Entry, EntryKind, Holder, OpenCommand, State
from templedb_nb.model.ledger_part import MissingPart, PartKind
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.rollback import PendingRollback
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.serialization import Digest
from templedb_nb.targets.readable_facts import fact

COLUMNS = (
    "key, file, kind, state, checksum, token_checksum, mode, plan, attempt_id, applied_by, client,"
    " version, started_at, finished_at, run_seq, error, steps, step_done, step_started"
)
"""What `entry` takes of a migration's row, in this order."""
SIGNED, OBJECTS, SCOPED = 2, 3, 4
"""The formats from which on approvals may be signed, objects are kept, and rows have a scope."""
UNTIL = "l.until, extract(epoch FROM l.until - pg_catalog.clock_timestamp())::int"
"""Until when a lock is meant to be kept, and how many seconds that is from now, in PostgreSQL."""
UNTIL_HERE = "l.until, epoch(l.until - CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP))::INTEGER"
"""The same in a DuckDB file."""
_RUN_FACTS = "kind, parent_run, tree, config_hash, manifest"
RUNS = (
    f"SELECT id, target, plan, state, exit_code, started_at, finished_at, client, {_RUN_FACTS}"  # noqa: S608 - names of ours
    " FROM templedb.run WHERE project = {mark} AND scope = '' ORDER BY id DESC LIMIT 100"
)
"""The newest runs of a project, as `past_run` takes them."""
_SCOPE = re.compile(r" AND (?:\w+\.)?scope = ''|(?<=ON CONFLICT \(k), scope(?=\))")
_KINDS = {each.value: each for each in EntryKind}  # ten times as quick as a call of the class
_STATES = {each.value: each for each in State}
_WORDS = {"EntryKind": "its kind is", "State": "its state is"}


def fitted(query: str, version: int) -> str:
    """Return *query* for a ledger of that format: earlier ones have no scope and no `UNTIL`."""
    if version >= SCOPED:
        return query
    query = _SCOPE.sub("", query).replace(_RUN_FACTS, "'', '', '', '', ''")
    return query.replace(UNTIL, "NULL::timestamptz, NULL::int").replace(UNTIL_HERE, "NULL, NULL")


def entry(row: Sequence[Any]) -> Entry:
    """Return the migration that a row stands for; its times say their zone."""
    key, file, kind, state, text, tokens, mode, plan, attempt, by, client, version, *rest = row
    started, finished, seq, error, steps, done, begun = rest
    return Entry(
        key=key,
        file=file,
        kind=_KINDS.get(kind) or EntryKind(kind),
        state=_STATES.get(state) or State(state),
        checksums=Checksums(text=Digest(text), tokens=Digest(tokens)),
        mode=mode,
        plan=plan,
        attempt=attempt,
        applied_by=by,
        client=client,
        version=version,
        started_at=started,
        finished_at=finished,
        run_seq=seq,
        error=error,
        steps=steps,
        step_done=done,
        step_started=begun,
    )


def entries(rows: Iterable[Sequence[Any]]) -> tuple[tuple[Entry, ...], tuple[MissingPart, ...]]:
    """Return the migrations that rows stand for, and the rows that no run writes so."""
    found, unread = [], []
    for row in rows:
        try:
            found.append(entry(row))
        except ValueError as error:
            value, _, kind = str(error).partition(" is not a valid ")
            told = f"{_WORDS.get(kind, kind)} {value}".replace("'", "")
            name = str(row[0])
            part = MissingPart(kind=PartKind.ROW, table="migration", name=name, told=told)
            unread.append(part)
    return tuple(found), tuple(unread)


def form_of(text: str) -> int:
    """Return the format that a ledger says it has."""
    with fact("format"):
        return int(text)


def past_run(row: Sequence[Any]) -> PastRun:
    """Return the run that a row stands for; earlier formats do not say what it was for."""
    run, target, plan, state, code, started, finished, client, *facts = row
    kind, parent, tree, config, manifest = facts
    return PastRun(
        run=run,
        target=target,
        run_kind=RunKind(kind) if kind in {each.value for each in RunKind} else RunKind.DEPLOY,
        parent_run=parent,
        plan=plan,
        tree=tree,
        config_hash=config,
        outcome=Outcome(state) if state in {each.value for each in Outcome} else None,
        exit_code=code,
        started_at=started,
        finished_at=finished,
        started_by=client,
        manifest=manifest or "",
    )


def open_rollback(pending: PendingRollback | None, holder: Holder | None) -> PendingRollback | None:
    """Return the rollback that is owed or did not succeed; one that holds the lock goes on."""
    goes_on = pending and holder and holder.live and holder.run == pending.run
    return None if goes_on else pending


def open_commands(
    rows: Iterable[tuple[str, str, str, datetime | None]], holder: Holder | None
) -> tuple[OpenCommand, ...]:
    """Return the commands that nobody saw end; those of the run that holds the lock go on."""
    live = holder.run if holder and holder.live else None
    return tuple(
        OpenCommand(run=run, attempt=attempt, step=step, started_at=at)
        for run, attempt, step, at in rows
        if run != live
    )
