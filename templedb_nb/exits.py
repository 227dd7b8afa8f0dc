"""Exit codes: what a value means to whoever started the process."""

from __future__ import annotations

from typing import Any

from templedb_nb.errors import RunFailed
from templedb_nb.exit_code import ExitCode
from templedb_nb.model.drift import DriftReport
from templedb_nb.model.finding import Topic, errors
from templedb_nb.model.fleet import FleetDrift, FleetPlan, FleetStatus
from templedb_nb.model.health import HealthReport
from templedb_nb.model.lint import LintReport
from templedb_nb.model.listings import Coded, Validation
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.model.runbook import RunbookResult
from templedb_nb.model.start import Started

OUTCOMES = (Result, RunbookResult, FleetStatus)
"""What has happened, whether or not it can be shown."""


def failure_of(value: Any) -> RunFailed | None:
    """Return what a cell raises of a run or a rollout that did not succeed; None of all else."""
    code = exit_code(value)
    if not code:
        return None
    match value:
        case Result():
            why = f"{value.outcome}: {value.message}".replace("cancelled: cancelled", "cancelled")
            hint = value.failure.hint if value.failure and not value.rollback else ""
            message = f"run {value.run[:13]} to {value.target}: {why}"
            return RunFailed(message, exit_code=code, hint=hint)
        case FleetStatus():
            return RunFailed(value.told, exit_code=code)
        case _:
            return None


def exit_code(value: Any) -> int:
    """Return 0, unless *value* says otherwise; the codes are listed in the docs."""
    match value:
        case Coded(exit_code=code) | RunbookResult(exit_code=code):
            return code
        case FleetPlan(exit_code=code) | FleetStatus(exit_code=code):
            return code
        case Result(final_exit_code=code):
            return ExitCode.INTERNAL if code is None else code
        case HealthReport(exit_code=code):
            return code
        case Validation(valid=False):
            return ExitCode.CONFIG
        case LintReport(forbids=True) | DriftReport(forbids=True) | FleetDrift(forbids=True):
            return ExitCode.CONFIG
        case Started(preview=preview):
            return exit_code(preview)
        case Preview():
            found = errors(value.findings)
            if any(each.topic is Topic.UNRESOLVED for each in found):
                return ExitCode.UNRESOLVED
            return ExitCode.CONFIG if found else ExitCode.OK
        case _:
            return ExitCode.OK
