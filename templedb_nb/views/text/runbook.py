"""Runbooks, as plain text."""

from __future__ import annotations

from templedb_nb.model.leak import Leaks
from templedb_nb.model.runbook import (
    CellShown,
    CellState,
    Done,
    ExecutionRow,
    RunbookHistory,
    RunbookResult,
    RunbookShown,
    RunbookStatus,
)
from templedb_nb.views.format import duration, many, moment, shown, table
from templedb_nb.views.text.base import INDENT, text


@text.register
def _(value: RunbookShown) -> str:
    lines = [f"runbook {value.notebook} ({value.runbook[:12]})"]
    lines += [f"targets: {', '.join(value.targets) or 'none is named'}", ""]
    rows = [[each.name, each.type or "any", each.default] for each in value.parameters]
    lines += [table(["PARAMETER", "TYPE", "DEFAULT"], rows) if rows else "no parameters", ""]
    found = [row for cell in value.cells for row in _rows(cell)]
    lines.append(table(["CELL", "CHANGES", "TARGET", "WHAT"], found) if found else "no cells")
    if value.warnings:
        lines += ["", *(f"warning: {shown(each)}" for each in value.warnings)]
    return "\n".join(lines)


def _rows(cell: CellShown) -> list[list[str]]:
    if not cell.lines:
        return [[str(cell.number), "", "", shown(cell.title)]]
    return [
        [
            str(cell.number),
            "yes" if line.mutates else "no",
            line.target,
            f"%templedb {shown(line.words)}",
        ]
        for line in cell.lines
    ]


@text.register
def _(value: RunbookResult) -> str:
    word = "ok" if value.exit_code == 0 else f"FAILED, exit {value.exit_code}"
    head = f"runbook {value.notebook}: {word} in {duration(value.took_ms)}"
    told = {CellState.FAILED: "failed", CellState.SKIPPED: "skipped", CellState.NOT_RUN: "not run"}
    states = [each.state for each in value.cells]
    others = [f", {states.count(state)} {said}" for state, said in told.items() if state in states]
    left = next((each.message for each in value.cells if each.state is CellState.NOT_RUN), "")
    counted = f"{many(value.ran, 'cell')} ran{''.join(others)}" + (f" ({left})" if left else "")
    runs = [f"{INDENT}run {r.run[:13]}: {r.slug} to {r.target}: {r.outcome}" for r in value.runs]
    reason = [f"{INDENT}{shown(value.reason)}"] if value.reason else []
    return "\n".join([head, *reason, f"{INDENT}{counted}", *runs, f"{INDENT}saved: {value.out}"])


@text.register
def _(value: Done) -> str:
    run = f" by run {value.run[:13]}" if value.run else ""
    return f"done already{run}, {moment(value.done_at)}: skipped"


@text.register
def _(value: RunbookHistory) -> str:
    if not value.rows:
        return "this state has no runbook runs yet"
    rows = [
        [
            row.execution.id[:13],
            row.execution.name,
            _state(row),
            moment(row.execution.started_at),
            _took(row),
            ", ".join(f"{n}={v}" for n, v in row.execution.parameters.items()),
            row.execution.started_by,
            shown(row.ended.reason) if row.ended else "",
        ]
        for row in value.rows
    ]
    return table(["ID", "RUNBOOK", "STATE", "WHEN", "TOOK", "PARAMETERS", "WHO", "REASON"], rows)


@text.register
def _(value: RunbookStatus) -> str:
    one = value.row.execution
    given = ", ".join(f"{n}={v}" for n, v in one.parameters.items())
    lines = [
        f"runbook {one.name}: {_state(value.row)}, {moment(one.started_at)} {_took(value.row)}"
    ]
    lines[0] = lines[0].rstrip()
    lines += [f"{INDENT}{shown(value.row.ended.reason)}"] if value.row.ended else []
    lines = [line for line in lines if line.strip()]
    lines += [f"{INDENT}with {shown(given)}"] if given else []
    lines += [f"{INDENT}resumes {one.resumes[:13]}"] if one.resumes else []
    lines += [f"{INDENT}saved: {one.out}", ""]
    cells = [[str(c.number), c.how, duration(c.took_ms), shown(c.title)] for c in value.cells]
    lines.append(table(["CELL", "STATE", "TOOK", "WHAT"], cells) if cells else "no cell is known")
    if value.done:
        lines += ["", "recorded; --resume skips what is proven done:"]
        lines += [f"{INDENT}{shown(each.words)}{_run(each, value)}" for each in value.done]
    return "\n".join(lines)


def _run(done: Done, value: RunbookStatus) -> str:
    if not done.run:
        return ": done"
    return f": run {done.run[:13]} {value.outcomes.get(done.run, 'goes on')}"


def _state(row: ExecutionRow) -> str:
    if row.ended is None:
        return row.state
    return "ok" if row.ended.exit_code == 0 else f"exit {row.ended.exit_code}"


def _took(row: ExecutionRow) -> str:
    if row.ended is None:
        return ""
    return duration(round((row.ended.ended_at - row.execution.started_at).total_seconds() * 1000))


@text.register
def _(value: Leaks) -> str:
    lines = [f"scrubbed: {file}" for file in value.scrubbed]
    if not value.rows:
        return "\n".join([*lines, f"nothing found in {many(value.files, 'notebook')}"])
    rows = [
        [each.file, str(each.cell or ""), each.place, str(each.line or ""), each.what]
        for each in value.rows
    ]
    lines.append(table(["NOTEBOOK", "CELL", "PLACE", "LINE", "WHAT"], rows))
    if any("kept" in each.what for each in value.rows):
        lines.append("to fix it: templedb notebook scrub NOTEBOOK")
    if any(each.place == "source" for each in value.rows):
        lines.append("a secret in a source: remove it, and change the secret itself;")
        lines.append("use a reference instead: templedb env set NAME env:NAME")
    return "\n".join(lines)
