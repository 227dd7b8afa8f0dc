"""Exit codes: what a value means to whoever started the process."""

from __future__ import annotations

from typing import Any

from templedb_nb.model.drift import DriftReport
from templedb_nb.model.finding import Topic, errors
from templedb_nb.model.lint import LintReport
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.model.runbook import RunbookResult
from templedb_nb.model.shown import Coded, Validation

USAGE, CONFIG, UNKNOWN, INTERRUPTED, TERMINATED, INTERNAL = 64, 78, 13, 130, 143, 1


def exit_code(value: Any) -> int:
    """Return 0, unless *value* says otherwise; the codes are listed in the docs."""
    match value:
        case Coded(exit_code=code):
            return code
        case RunbookResult(exit_code=code):
            return code
        case Result(exit_code=code):
            return INTERNAL if code is None else code
        case Validation(valid=False):
            return CONFIG
        case LintReport(forbids=True) | DriftReport(forbids=True):
            return CONFIG
        case Preview():
            found = errors(value.findings)
            if any(each.topic is Topic.UNRESOLVED for each in found):
                return UNKNOWN
            return CONFIG if found else 0
        case _:
            return 0
