"""Runbooks, as plain text."""

from __future__ import annotations

from templedb_nb.model.runbook import CellShown, CellState, RunbookResult, RunbookShown
from templedb_nb.views.text.base import INDENT, text
from templedb_nb.views.words import duration, many, shown, table


@text.register
def _(value: RunbookShown) -> str:
    lines = [f"runbook {value.notebook} ({value.runbook[:12]})"]
    lines += [f"targets: {', '.join(value.targets) or 'none is named'}", ""]
    rows = [[each.name, each.type or "any", each.default] for each in value.parameters]
    lines += [table(["PARAMETER", "TYPE", "DEFAULT"], rows) if rows else "no parameters", ""]
    found = [row for cell in value.cells for row in _rows(cell)]
    lines.append(table(["CELL", "CHANGES", "TARGET", "WHAT"], found) if found else "no cells")
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
    counted = f"{many(value.ran, 'cell')} ran" + "".join(others)
    runs = [f"{INDENT}run {r.run[:13]}: {r.slug} to {r.target}: {r.outcome}" for r in value.runs]
    reason = [f"{INDENT}{shown(value.reason)}"] if value.reason else []
    return "\n".join([head, *reason, f"{INDENT}{counted}", *runs, f"{INDENT}saved: {value.out}"])
