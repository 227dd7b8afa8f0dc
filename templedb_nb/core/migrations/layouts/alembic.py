"""Alembic: revisions in Python, which it alone runs; they are listed in the order of their graph.

What a file says of itself is read by Python's own parser, and never executed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Placed,
    Placements,
    complaint,
)
from templedb_nb.model.finding import Finding
from templedb_nb.model.layout import Layout, Reading

MAKO = "script.py.mako"
_OPAQUE = "is Python, which only Alembic can run"


def place(folder: MigrationFolder) -> Placements:
    """Return the revisions, each behind those that it needs; a key is the revision's id."""
    placed: dict[str, Placed] = {}
    findings: list[Finding] = []
    above: dict[str, tuple[str, ...]] = {}
    reading = Reading(layout=Layout.ALEMBIC, opaque=_OPAQUE)
    for path in folder.files:
        told = revision(folder.look.texts.get(path, ""))
        if told is None:
            continue
        key, needs = told
        if key in placed:
            findings.append(complaint(path, f"is revision {key}; so is {placed[key].path}"))
        placed[key] = Placed(path=path, key=key, reading=reading, base=folder.base)
        above[key] = needs
    ordered = tuple(placed[key] for key in sorted_graph(above) if key in placed)
    for key, needs in above.items():
        for lost in (each for each in needs if each not in placed):
            message = f"depends on revision {lost}, which is missing here"
            findings.append(complaint(placed[key].path, message, "restore that file"))
    return Placements(files=ordered, findings=tuple(findings))


def revision(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the id of a revision and those that it comes behind; None of any other text."""
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    values = dict(_assigned(module))
    key = values.get("revision")
    if not isinstance(key, str):
        return None
    return key, (*_ids(values.get("down_revision")), *_ids(values.get("depends_on")))


def _assigned(module: ast.Module) -> Iterator[tuple[str, object]]:
    for node in module.body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign):
                try:
                    yield target.id, ast.literal_eval(node.value or ast.Constant(None))
                except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                    continue  # no literal, or none that Python would read


def _ids(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(each) for each in value) if isinstance(value, tuple | list) else ()


def sorted_graph(above: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the ids, each behind those that it comes behind; by id where that says nothing."""
    needs = {key: {each for each in above[key] if each in above} for key in sorted(above)}
    behind: dict[str, list[str]] = {}
    for key, needed in needs.items():
        for each in needed:
            behind.setdefault(each, []).append(key)
    done: dict[str, None] = {}
    ready = [key for key, needed in needs.items() if not needed]
    while ready:
        done |= dict.fromkeys(ready)
        freed = []
        for each in ready:
            for key in behind.get(each, ()):
                needs[key].discard(each)
                if not needs[key]:
                    freed.append(key)
        ready = sorted(freed)
    return list(done | dict.fromkeys(needs))  # a circle, which Alembic itself refuses, comes last


def ancestors(heads: list[str], above: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the heads with all that they come behind, in the order of the graph."""
    found: set[str] = set()
    wanted = list(heads)
    while wanted:
        key = wanted.pop()
        if key not in found:
            found.add(key)
            wanted += above.get(key, ())
    order = sorted_graph(above)
    return [*(key for key in order if key in found), *sorted(found - set(order))]
