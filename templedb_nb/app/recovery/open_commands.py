"""Commands whose end nobody saw, and of which the ledger has lost the row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from templedb_nb.model.event import Evidence, RunId
from templedb_nb.model.ledger import Ledger, OpenCommand
from templedb_nb.model.project import Project
from templedb_nb.model.result import Result
from templedb_nb.model.step_result import StepState
from templedb_nb.model.target import DatabaseName, TargetName
from templedb_nb.model.trace import Lookup, Trace
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.target import HistoryReader


def with_open_commands(
    records: RecordStore,
    project: Project,
    target: TargetName,
    sessions: Mapping[DatabaseName, HistoryReader],
    ledgers: Mapping[DatabaseName, Ledger],
) -> dict[DatabaseName, Ledger]:
    """Return *ledgers* with the open commands that this state alone still knows.

    A ledger keeps a row of each command, and a run is refused while one has no end. If the row is
    lost, the command would run again without anybody having looked.
    """
    found = tuple(_lost(records, project, target, sessions)) if ledgers else ()
    if not found:
        return dict(ledgers)
    first = min(ledgers)
    ledger = ledgers[first]
    return {**ledgers, first: replace(ledger, unresolved=(*ledger.unresolved, *found))}


def _lost(
    records: RecordStore,
    project: Project,
    target: TargetName,
    sessions: Mapping[DatabaseName, HistoryReader],
) -> Iterator[OpenCommand]:
    for open_run in records.ledger(project.slug, target).unresolved:
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
