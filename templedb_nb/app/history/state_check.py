"""A look at the state itself: what can be read, what waits, and how to go on where it is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from shlex import quote
from typing import Any

from templedb_nb.model.project import Slug
from templedb_nb.model.state import Inspection, JournalCheck, JournalState, StateCheck, StateFound
from templedb_nb.model.target import TargetName
from templedb_nb.model.variable import Keeping, Variable
from templedb_nb.ports.store import StateInspector
from templedb_nb.store.advice import SAFE

_PROTECTED = 5
_WANTED = ("projects", "targets", "variables")


def check(state: StateInspector, trouble: Callable[[Variable], str]) -> StateCheck:
    """Return how the state is; *trouble* says why a sealed value does not open. Changes nothing."""
    inspection = state.inspect(_WANTED)
    there = tuple(state.journals())
    sealed = tuple(_locked_out(inspection, trouble))
    return StateCheck(
        path=str(state.path),
        size=_size(state),
        found=inspection.found,
        trouble=inspection.trouble,
        tables=inspection.tables,
        journals=there,
        secrets=sealed,
        ways=tuple(_ways(state, inspection, there, sealed)),
    )


def _size(state: StateInspector) -> int:
    try:
        return state.path.stat().st_size
    except OSError:
        return 0


def _locked_out(found: Inspection, trouble: Callable[[Variable], str]) -> Iterator[str]:
    for row in found.rows.get("variables", []):
        variable = _variable(row)
        if variable.keeping is Keeping.SEALED and (why := trouble(variable)):
            where = f" of {variable.target}" if variable.target else ""
            yield f"{variable.project}: {variable.name}{where}: {why}"


def _variable(row: tuple[Any, ...]) -> Variable:
    project, target, name, keeping, text = row[:5]
    return Variable(
        project=Slug(project),
        target=TargetName(target) if target else None,
        name=name,
        keeping=Keeping(keeping),
        text=text,
    )


def _ways(
    state: StateInspector,
    found: Inspection,
    there: tuple[JournalCheck, ...],
    sealed: tuple[str, ...],
) -> Iterator[str]:
    match found.found:
        case StateFound.BROKEN:
            yield from _anew(state, found)
        case StateFound.UNUSABLE:
            yield "fix the problem above, then: templedb state check"
        case StateFound.SOUND:
            yield f"keep a copy: templedb state backup {quote(f'{state.path}.backup')}"
        case StateFound.ABSENT:
            yield "the first command that writes creates it: templedb project import FOLDER"
    if any(each.state is JournalState.WAITING for each in there):
        yield "the next command reads the pending journals: templedb deploy history"
    if damaged := [each for each in there if each.state is JournalState.DAMAGED]:
        yield from (_about_journal(each) for each in damaged)
    if sealed:
        yield "restore the key (TEMPLEDB_KEY, or the key file), or set the values again:"
        yield "templedb env set PROJECT NAME --target TARGET"


def _about_journal(each: JournalCheck) -> str:
    file = quote(each.file)
    if each.about:
        return f"templedb deploy history reads what can be read of {file}, and keeps the file"
    return f"mv {file} {file}.away"


def _anew(state: StateInspector, found: Inspection) -> Iterator[str]:
    """Yield the way to a state that works: from a backup, or from what the targets know."""
    path = state.path
    yield f"{SAFE}. Move the file away:"
    for each in (path, path.with_name(f"{path.name}.wal")):
        if each.exists() or each.is_symlink():
            yield f"mv {quote(str(each))} {quote(f'{each}.broken')}"
    yield "with a backup (of `templedb state backup`):"
    yield f"cp BACKUP {quote(str(path))}"
    yield "without one, import the projects again; no migration is applied twice:"
    yield from _imports(found)
    yield "templedb migration status"


def _imports(inspection: Inspection) -> Iterator[str]:
    """Yield the commands that restore what the tables still have; values are never shown."""
    projects = inspection.rows.get("projects", [])
    for slug, known_as, root, *_ in projects:
        name = "" if slug == known_as else f" --known-as {quote(known_as)}"
        yield f"templedb project import {quote(root or 'FOLDER')} --slug {quote(slug)}{name}"
        yield f"templedb deploy init {quote(slug)}"
    if not projects:
        yield "templedb project import FOLDER"
        yield "templedb deploy init"
        yield "templedb target add NAME"
        yield "templedb env set DATABASE_URL --target NAME"
        return
    for project, name, *rest in inspection.rows.get("targets", []):
        guard = " --protected" if rest[_PROTECTED] else ""
        yield f"templedb target add {quote(project)} {quote(name)}{guard}"
    for project, target, name, *_ in inspection.rows.get("variables", []):
        where = f" --target {quote(target)}" if target else ""
        yield f"templedb env set {quote(project)} {quote(name)}{where}"
