"""What an executed notebook says of itself: of its run, and of each of its cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from templedb_nb.model.runbook import CellResult, CellState, RunbookResult


def marked(
    body: dict[str, Any], cells: Mapping[int, CellResult], shown: RunbookResult, *, done: bool
) -> dict[str, Any]:
    """Return the notebook with what it came to in its metadata; *cells* are by their number."""
    about = {**body["metadata"], "templedb": _about(shown, done=done)}
    numbered = enumerate(body["cells"], start=1)
    told = [_cell(cell, cells[n]) if n in cells else cell for n, cell in numbered]
    return {**body, "metadata": about, "cells": told}


def _cell(cell: dict[str, Any], told: CellResult) -> dict[str, Any]:
    mine = cell["metadata"].get("templedb")
    about = {**(mine if isinstance(mine, dict) else {}), "state": told.state.value}
    if told.state is CellState.NOT_RUN and told.message:
        about["message"] = told.message
    if told.state in {CellState.OK, CellState.FAILED}:
        about["seconds"] = round(told.took_ms / 1000, 3)
    return {**cell, "metadata": {**cell["metadata"], "templedb": about}}


def _about(result: RunbookResult, *, done: bool) -> dict[str, Any]:
    about: dict[str, Any] = {
        "runbook": result.runbook,
        "parameters": dict(result.parameters),
        "started_at": result.started_at.isoformat(),
        "runs": [run.run for run in result.runs],
    }
    if not done:
        return {**about, "state": "running"}
    ended = {"state": "finished", "exit_code": result.exit_code, "reason": result.reason}
    return {**about, **ended, "seconds": round(result.took_ms / 1000, 3)}
