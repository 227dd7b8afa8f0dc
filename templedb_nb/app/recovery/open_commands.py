"""What this state alone still knows of a target: lost rows of commands, unwritten ends of runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from templedb_nb.model.event import Evidence, RunId
from templedb_nb.model.ledger import Ledger, OpenCommand
from templedb_nb.model.result import Result
from templedb_nb.model.rollback import PendingRollback
from templedb_nb.model.step_result import StepState
from templedb_nb.model.target import DatabaseName
from templedb_nb.model.trace import Lookup, Trace
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.target import HistoryReader


def with_open_commands(
    records: RecordStore,
    here: Ledger,
    sessions: Mapping[DatabaseName, HistoryReader],
    ledgers: Mapping[DatabaseName, Ledger],
) -> dict[DatabaseName, Ledger]:
    """Return *ledgers* with the open commands that *here*, this state alone, still knows.

    A ledger keeps a row of each command, and a run is refused while one has no end. If the row is
    lost, the command would run again without anybody having looked.
    """
    if not ledgers:
        return {}
    first = min(ledgers)
    ledger = ledgers[first]
    if lost := tuple(_lost(records, here, sessions)):
        ledger = replace(ledger, unresolved=(*ledger.unresolved, *lost))
    if here.rollback and _unwritten(here.rollback, ledgers.values()):
        ledger = replace(ledger, rollback=here.rollback)
    return {**ledgers, first: ledger}


def _unwritten(pending: PendingRollback, ledgers: Collection[Ledger]) -> bool:
    """Return whether no ledger could take the end of the run that says it: its row has none."""
    run = pending.run or pending.parent
    if any(each.rollback for each in ledgers):
        return False
    rows = [row for each in ledgers for row in each.runs if row.run == run]
    return bool(rows) and all(row.outcome is None for row in rows)


def _lost(
    records: RecordStore, here: Ledger, sessions: Mapping[DatabaseName, HistoryReader]
) -> Iterator[OpenCommand]:
    for open_run in here.unresolved:
        result = Result.of(records.events(RunId(open_run.run)))
        for command in _unseen(result):
            lookup = Lookup(project=result.project, run=result.run, attempt=command.attempt)
            if Trace.of(each.trace(lookup) for each in sessions.values()).command is None:
                yield command


def _unseen(result: Result) -> Sequence[OpenCommand]:
    """Return the commands of a run of which nobody saw the end."""
    return [
        OpenCommand(
            run=result.run,
            attempt=step.attempt_id,
            step=step.label.title,
            started_at=result.started_at,
        )
        for step in result.steps
        if step.state is StepState.UNKNOWN and step.label.evidence is Evidence.JOURNAL
    ]
