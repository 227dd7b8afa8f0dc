"""JUnit's XML, as GitLab, GitHub actions and Jenkins read it: a case a step, cell or target."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from templedb_nb.exit_code import ExitCode
from templedb_nb.model.event import Outcome
from templedb_nb.model.fleet import FleetStatus
from templedb_nb.model.health import Health, Measured
from templedb_nb.model.result import Result
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.runbook import CellResult, CellState, RunbookResult
from templedb_nb.model.step_result import StepResult, StepState
from templedb_nb.views.messages import left_out, told
from templedb_nb.views.reports.fleet import kind_of, place_of

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WAITS = "waits for a person"
LONGEST = 8_000
"""So many characters of a step's output are kept."""


def junit(value: Result | RunbookResult | FleetStatus, *, done: bool = True) -> str:
    """Return the document; what is not over yet counts as an error, for it may never be.

    Source of the format: the schema of Apache Ant's junit task.
    """
    root = ET.Element("testsuites", name="templedb")
    runs: tuple[Result, ...] = ()
    if isinstance(value, FleetStatus):
        _rollout(root, value, done=done)
    elif isinstance(value, RunbookResult):
        _runbook(root, value, done=done)
        runs = value.runs
    else:
        runs = (value,)
    for run in runs:
        _run(root, run)
        if run.rollback is not None:
            _run(root, run.rollback)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _runbook(root: ET.Element, value: RunbookResult, *, done: bool) -> None:
    suite = ET.SubElement(root, "testsuite", name=_legal(f"runbook {value.notebook}"))
    suite.set("timestamp", value.started_at.isoformat(timespec="seconds"))
    waits = value.exit_code == ExitCode.APPROVAL_MISSING
    for cell in value.cells:
        case = _case(suite, "runbook", f"cell {cell.number}: {cell.title}", cell.took_ms)
        _cell(case, cell, waits=waits)
    case = _case(suite, "runbook", "outcome", value.took_ms)
    if not done:
        _mark(case, "error", "it was still running when this was written")
    elif value.exit_code == ExitCode.APPROVAL_MISSING:
        _mark(case, "skipped", f"exit {value.exit_code}: {value.reason}")
    elif value.exit_code:
        _mark(case, "failure", f"exit {value.exit_code}: {value.reason}")
    _count(suite)


def _rollout(root: ET.Element, value: FleetStatus, *, done: bool) -> None:
    fleet = value.fleet or "fleet"
    suite = ET.SubElement(root, "testsuite", name=_legal(f"{value.slug} to {fleet}"))
    if value.started_at:
        suite.set("timestamp", value.started_at.isoformat(timespec="seconds"))
    for each in value.members:
        case = _case(suite, f"{value.slug}.{fleet}", each.target, each.took_ms)
        if kind := kind_of(each.state):
            _mark(case, kind, place_of(each))
    case = _case(suite, f"{value.slug}.{fleet}", f"rollout {value.rollout}", 0)
    if not done:
        _mark(case, "error", "it was still running when this was written")
    elif value.exit_code:
        _mark(case, "failure", f"exit {value.exit_code}: {value.told}")
    _count(suite)


def _cell(case: ET.Element, cell: CellResult, *, waits: bool) -> None:
    match cell.state:
        case CellState.FAILED if waits:
            _mark(case, "skipped", cell.message or _WAITS)
        case CellState.FAILED:
            _mark(case, "failure", cell.message or "failed")
        case CellState.RUNNING:
            _mark(case, "error", "it was still running when this was written")
        case CellState.NOT_RUN | CellState.SKIPPED:
            _mark(case, "skipped", cell.how)
        case _:
            pass


def _run(root: ET.Element, run: Result) -> None:
    suite = ET.SubElement(root, "testsuite", name=_legal(f"{run.slug} to {run.target}{_back(run)}"))
    properties = ET.SubElement(suite, "properties")
    ET.SubElement(properties, "property", name="warnings", value=str(run.warnings))
    ET.SubElement(properties, "property", name="notices", value=str(run.notices))
    ET.SubElement(properties, "property", name="health", value=run.health.value)
    if run.started_at:
        suite.set("timestamp", run.started_at.isoformat(timespec="seconds"))
    for number, step in enumerate(run.steps):
        where = f"{run.slug}.{run.target}.{step.label.group}"
        title = f"{step.label.phase}: {step.label.title}"
        case = _case(suite, where, title, step.duration_ms or 0)
        _step(case, step, run, number)
        if step.tail:
            ET.SubElement(case, "system-out").text = _legal(step.tail[-LONGEST:])
        _messages(case, step)
    case = _case(suite, f"{run.slug}.{run.target}", f"run {run.run}", run.elapsed_ms)
    if run.outcome is None:
        _mark(case, "error", "it was still running when this was written")
    elif _waits(run):
        _mark(case, "skipped", f"{_WAITS}: {run.message}")
    elif run.outcome is not Outcome.SUCCEEDED:
        unsure = run.outcome is Outcome.UNKNOWN or run.health is Measured.INCONCLUSIVE
        kind = "error" if unsure else "failure"
        _mark(case, kind, f"{run.outcome}: {run.message}")
    _count(suite)


def _waits(run: Result) -> bool:
    """Return whether a person must say go: the run has neither succeeded nor failed."""
    return run.exit_code == ExitCode.APPROVAL_MISSING


def _back(run: Result) -> str:
    return " (rollback)" if run.run_kind is RunKind.ROLLBACK else ""


def _step(case: ET.Element, step: StepResult, run: Result, number: int) -> None:
    match step.state:
        case StepState.FAILED if _waits(run) and step.health is not Health.INCONCLUSIVE:
            _mark(case, "skipped", step.message or _WAITS)
        case StepState.FAILED:
            failed = run.failure if run.failure and run.failure.step == number else None
            more = (failed.detail, failed.hint) if failed else ()
            kind = "error" if step.health is Health.INCONCLUSIVE else "failure"
            told = "\n".join(each for each in more if each)
            _mark(case, kind, step.message or "failed", told)
        case StepState.UNKNOWN | StepState.RUNNING:
            _mark(case, "error", step.message or "its outcome is not known")
        case StepState.SKIPPED | StepState.PENDING:
            _mark(case, "skipped", step.message or "not begun")
        case _:
            pass


def _messages(case: ET.Element, step: StepResult) -> None:
    """Write what the server said, and why a step only warned."""
    lines = [told(each) for each in step.messages] + list(left_out(step))
    lines += [f"{each.outcome} in {each.latency_ms} ms: {each.message}" for each in step.tries]
    if step.state is StepState.WARNED:
        lines.insert(0, step.message)
    if lines:
        ET.SubElement(case, "system-err").text = _legal("\n".join(lines)[:LONGEST])


def _case(suite: ET.Element, where: str, name: str, took_ms: int) -> ET.Element:
    case = ET.SubElement(suite, "testcase", classname=_legal(where), name=_legal(name))
    case.set("time", f"{took_ms / 1000:.3f}")
    return case


def _mark(case: ET.Element, kind: str, message: str, more: str = "") -> None:
    mark = ET.SubElement(case, kind, message=_legal(message))
    if more:
        mark.text = _legal(more)


def _count(suite: ET.Element) -> None:
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for plural, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(plural, str(sum(case.find(kind) is not None for case in cases)))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases[:-1]):.3f}")


def _legal(text: str) -> str:
    """Return *text* without what XML 1.0 cannot hold."""
    return _ILLEGAL.sub("\ufffd", text)
