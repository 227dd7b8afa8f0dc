"""What a runbook came to, from what its deployments say: the one place where a code is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from templedb_nb.exit_code import ExitCode
from templedb_nb.model.event import Outcome
from templedb_nb.model.result import Result
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.runbook import CellExitRequest, CellResult, CellState, CommandEnded


class StopReason(StrEnum):
    """Why a runbook ended before its last cell, if no cell was to blame."""

    INTERRUPT = "interrupted"
    TERMINATE = "terminated"
    CELL_TIMEOUT = "a cell exceeded its timeout"
    TIMEOUT = "the runbook exceeded its timeout"
    DIED = "the kernel died"


_CODES = {
    StopReason.INTERRUPT: ExitCode.INTERRUPTED,
    StopReason.TERMINATE: ExitCode.TERMINATED,
    StopReason.CELL_TIMEOUT: ExitCode.TIMED_OUT,
    StopReason.TIMEOUT: ExitCode.TIMED_OUT,
}


def verdict(
    cells: Sequence[CellResult],
    told: Sequence[CommandEnded],
    runs: Sequence[Result],
    stop: StopReason | None,
    ended: CellExitRequest | None = None,
) -> tuple[int, str]:
    """Return exit code and reason.

    What a person must look at comes first, then what stopped the runbook, then the deployment or
    command that failed. One that failed and was not made good counts, whatever its cell made of it.
    A cell that ended the runbook is named whatever else there is to say.
    """
    code, reason = _verdict(cells, told, runs, stop, ended)
    if ended is None or str(ended) in reason:
        return code, reason
    if reason == f"cell {ended.cell}: {ended.said} ended the runbook":
        return code, str(ended)  # what failed is the end itself
    return code, f"{reason}; {ended}" if reason else str(ended)


def _verdict(
    cells: Sequence[CellResult],
    told: Sequence[CommandEnded],
    runs: Sequence[Result],
    stop: StopReason | None,
    ended: CellExitRequest | None,
) -> tuple[int, str]:
    last = {(run.slug, run.target): run for run in runs}.values()
    unknown = [run for run in last if run.exit_code in {ExitCode.UNRESOLVED, None} or _half(run)]
    if unknown:
        run = unknown[-1]
        what = "did not succeed, a rollback" if _half(run) else "is unknown"
        named = f"run {run.run[:13]}" if _half(run) else f"the outcome of run {run.run[:13]}"
        why = f"{stop}; " if stop else ""
        return ExitCode.UNRESOLVED, f"{why}{named} {what}: {run.slug} to {run.target}"
    bad = next((run for run in reversed(last) if run.exit_code), None)
    if stop in _CODES:
        return _CODES[stop], stop.value
    if bad is not None:
        code, what = (
            bad.exit_code or ExitCode.UNCHANGED,
            f"run {bad.run[:13]} to {bad.target}: {bad.outcome}",
        )
        return code, f"{what}: {bad.message}" if bad.message else what
    if ended is not None and (refused := _refused(told))[0]:
        return refused
    failed = next((each for each in cells if each.state is CellState.FAILED), None)
    if failed is not None or stop is StopReason.DIED:
        return _of_cell(failed, told, runs, stop)
    return _refused(told)


def _half(run: Result) -> bool:
    """Return whether a run is a rollback that did not succeed."""
    return run.run_kind is RunKind.ROLLBACK and run.outcome is not Outcome.SUCCEEDED


def _of_cell(
    failed: CellResult | None,
    told: Sequence[CommandEnded],
    runs: Sequence[Result],
    stop: StopReason | None,
) -> tuple[int, str]:
    number = failed.number if failed else 0
    mine = [each for each in told if each.cell == number and each.exit_code]
    if mine and not stop:
        return mine[-1].exit_code, f"cell {number}: {mine[-1].error}: {mine[-1].message}"
    changed = any(run.changed for run in runs)
    code = ExitCode.CHANGED if changed else ExitCode.UNCHANGED
    said = f": {failed.message}" if failed and failed.message else ""
    return code, f"cell {number}{said}" if number else stop.value if stop else ""


def _refused(told: Sequence[CommandEnded]) -> tuple[int, str]:
    """Return the last refusal of a command that no later use of the same command made good."""
    left: dict[str, CommandEnded] = {}
    for each in told:
        if each.mutates and each.exit_code:
            left[each.command] = each
        elif each.mutates:
            left.pop(each.command, None)
    for each in reversed(left.values()):
        why = f"cell {each.cell}, which may fail: {each.error}: {each.message}"
        return each.exit_code, why
    return 0, ""
