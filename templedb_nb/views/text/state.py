"""A look at the state, as plain text."""

from __future__ import annotations

from collections.abc import Iterator

from templedb_nb.model.collected import CollectedArtifacts
from templedb_nb.model.state import JournalCheck, StateCheck
from templedb_nb.views.format import many, shown, size, table
from templedb_nb.views.text.base import INDENT, text


@text.register
def _(value: StateCheck) -> str:
    lines = [f"state {value.path}: {value.found}, {size(value.size)}"]
    lines += [f"{INDENT}{shown(value.trouble)}"] if value.trouble else []
    lines += _tables(value)
    lines += [f"{INDENT}{_journal(each)}" for each in value.journals]
    lines += [f"{INDENT}sealed, but cannot be opened here: {shown(each)}" for each in value.secrets]
    return "\n".join([*lines, "what to do", *(f"{INDENT}{each}" for each in value.ways)])


def _tables(value: StateCheck) -> Iterator[str]:
    whole = [f"{each.name} ({each.rows})" for each in value.tables if not each.trouble]
    if whole:
        yield f"{INDENT}{many(len(whole), 'table')} can be read: {', '.join(whole)}"
    for each in value.tables:
        if each.trouble:
            yield f"{INDENT}{each.name} cannot be read"


def _journal(each: JournalCheck) -> str:
    about = f", {shown(each.about)}" if each.about else ""
    events = f", {many(each.events, 'event')}" if each.events else ""
    lines = ", ".join(map(str, each.damaged))
    damaged = f"; line {lines} cannot be read" if each.damaged else ""
    return f"journal {each.file}: {each.state}{about}{events}{damaged}"


@text.register
def _(value: CollectedArtifacts) -> str:
    does = "would be removed" if value.dry_run else "removed"
    head = f"{does}: {many(value.files, 'file')} of artifacts, {size(value.size)}"
    rows = [[each.slug, each.target, each.run[:13], each.why] for each in value.kept]
    if not rows:
        return f"{head}\nno run of this state has artifacts"
    return f"{head}\nkept: the artifacts of\n{table(('project', 'target', 'run', 'why'), rows)}"
