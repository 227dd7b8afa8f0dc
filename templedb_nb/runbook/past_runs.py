"""Runbooks that ran: how they ended, and how far the last one came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from templedb_nb.errors import TempleError, UnknownName
from templedb_nb.model.runbook import (
    CellResult,
    CellState,
    Execution,
    ExecutionEnd,
    ExecutionRow,
    RunbookHistory,
    RunbookStatus,
)
from templedb_nb.runbook.notebook import title
from templedb_nb.runbook.state_record import known_as

if TYPE_CHECKING:
    from templedb_nb.app.container import Container


def history(app: Container, notebook: Path | None, last: int) -> RunbookHistory:
    """Return the newest executions, of one runbook or of all."""
    name = known_as(notebook, app.state) if notebook else None
    rows = app.runbooks.executions(name, last)
    return RunbookHistory(rows=tuple(_row(app, *each) for each in rows))


def status(app: Container, notebook: Path) -> RunbookStatus:
    """Return how far the last execution came, as the state and the saved notebook tell.

    Raises `UnknownName` if this state knows of none.
    """
    app.runs.reconcile()
    name = known_as(notebook, app.state)
    found = app.runbooks.executions(name, 1)
    if not found:
        message = f"this state knows of no run of {name}"
        raise UnknownName(message, hint=f"templedb runbook run {notebook}")
    row = _row(app, *found[0])
    done = app.runbooks.steps(row.execution.id)
    outcomes = {each.run: _outcome(app, each.run) for each in done if each.run}
    cells = row.ended.cells if row.ended else _saved(row.execution)
    return RunbookStatus(row=row, cells=cells, done=done, outcomes=outcomes)


def _row(app: Container, execution: Execution, ended: ExecutionEnd | None) -> ExecutionRow:
    state = "ended" if ended else "running" if app.runbooks.live(execution.id) else "died"
    return ExecutionRow(execution=execution, state=state, ended=ended)


def _outcome(app: Container, run: str) -> str:
    try:
        outcome = app.history.result(run).outcome
    except TempleError:
        return "is not known here"
    return outcome.value if outcome else "goes on"


def _saved(execution: Execution) -> tuple[CellResult, ...]:
    """Return what the notebook says that was saved last, if it is this execution's."""
    try:
        body: dict[str, Any] = json.loads(Path(execution.out).read_text(encoding="utf-8"))
        about = body["metadata"]["templedb"]
        if about["started_at"] != execution.started_at.isoformat():
            return ()
        return tuple(
            _cell(number, each)
            for number, each in enumerate(body["cells"], start=1)
            if each["cell_type"] == "code"
        )
    except (OSError, ValueError, KeyError):
        return ()


def _cell(number: int, cell: dict[str, Any]) -> CellResult:
    about = cell["metadata"]["templedb"]
    source = cell["source"]
    return CellResult(
        number=number,
        id=cell["id"],
        title=title(source if isinstance(source, str) else "".join(source)),
        state=CellState(about["state"]),
        took_ms=round(about.get("seconds", 0) * 1000),
    )
