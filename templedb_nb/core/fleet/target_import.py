"""What a file of targets makes of those that are known; with every complaint at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any  # Any: fields of a target

from templedb_nb.core.fleet.labels import key_fault, value_fault
from templedb_nb.core.fleet.target_rows import TargetRow, TargetRows
from templedb_nb.core.values.schema import NAME
from templedb_nb.errors import InvalidConfig
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.target import TEXT_FIELDS, Target, TargetName, TargetType
from templedb_nb.model.target_import import ImportedTarget, TargetChange

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*+")
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}
_FIELDS = (*TEXT_FIELDS, "type", "protected")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTargets:
    """The targets of a project, and which references their variables are."""

    targets: Mapping[str, Target]
    references: Mapping[tuple[str, str], str]
    """By target and variable."""
    is_reference: Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportDraft:
    """What is to be stored: targets, references of their variables; and what of it is a change."""

    targets: tuple[Target, ...]
    references: Mapping[tuple[TargetName, str], str]
    rows: tuple[ImportedTarget, ...]
    named: frozenset[str]

    @property
    def same(self) -> int:
        """Return how many targets of the file stay as they are."""
        return len(self.named) - len(self.rows)


def import_draft(found: TargetRows, known: KnownTargets, file: str) -> ImportDraft:
    """Return what a file changes, or raise `InvalidConfig` with everything that is wrong in it."""
    problems = list(found.problems)
    problems += [(line, told) for key, line in found.columns.items() if (told := _column(key))]
    targets, references = list[Target](), dict[tuple[TargetName, str], str]()
    rows, lines = list[ImportedTarget](), dict[str, int]()
    for row in found.rows:
        name = row.cells.get("name", "")
        faults = [*_name_faults(name, lines, known), *_cell_faults(row, known)]
        lines.setdefault(name, row.line)
        if faults:
            problems += [(row.line, f"{name}: {each}" if name else each) for each in faults]
            continue
        before = known.targets.get(name)
        after = _target(before or Target(name=TargetName(name), imported=True), row)
        values = {
            (after.name, key): value
            for key, value in row.cells.items()
            if _VARIABLE.fullmatch(key) and value
        }
        what = tuple(_differences(before, after, values, known))
        if before is not None and not what:
            continue
        targets.append(after)
        references |= values
        change = TargetChange.NEW if before is None else TargetChange.CHANGED
        told_of = () if before is None else what
        rows.append(ImportedTarget(target=after.name, change=change, line=row.line, what=told_of))
    if not problems and not found.rows:
        problems.append((1, "no target is named"))
    if problems:
        raise _refused(file, problems)
    return ImportDraft(
        targets=tuple(targets),
        references=references,
        rows=tuple(rows),
        named=frozenset(lines),
    )


def _refused(file: str, problems: list[tuple[int, str]]) -> InvalidConfig:
    told = [f"{file}:{line}: {each}" for line, each in sorted(problems, key=lambda p: p[0])]
    count = "a problem" if len(told) == 1 else f"{len(told)} problems"
    message = f"{file} has {count}; no target was added or changed"
    return InvalidConfig(message, problems=told, hint="templedb target import --help")


def _column(key: str) -> str:
    """Return what is wrong with the name of a column."""
    if key == "name" or key in _FIELDS or _VARIABLE.fullmatch(key):
        return ""
    if not key:
        return "a column has no name"
    told = key_fault(key)
    return f"the column {key!r} can be no label: {told}" if told else ""


def _name_faults(name: str, lines: Mapping[str, int], known: KnownTargets) -> Iterator[str]:
    if not name:
        yield "it has no name"
        return
    faults: list[str] = []
    NAME.read(name, "name", lambda _, told: faults.append(told))
    yield from (f"is not a target name: {each}" for each in faults)
    if name in lines:
        yield f"is there twice, first in line {lines[name]}"
    before = known.targets.get(name)
    if before is not None and before.from_file:
        yield "is defined in templedb.yaml: change it there"


def _cell_faults(row: TargetRow, known: KnownTargets) -> Iterator[str]:
    types = [each.value for each in TargetType]
    for key, value in row.cells.items():
        if key == "name" or _column(key):
            continue
        if key == "type":
            if value and value not in types:
                yield f"type is {value!r}, but must be one of {', '.join(types)}"
        elif key == "protected":
            yield from _protection_faults(value, row, known)
        elif _VARIABLE.fullmatch(key):
            if value and not known.is_reference(value):
                yield (
                    f"{key} is no reference (env:NAME, file:PATH), and values are not imported;"
                    f" templedb env set {key} 'template:…' makes one for every target"
                )
        elif value and (told := value_fault(value)):
            yield f"{key} {told}"


def _protection_faults(value: str, row: TargetRow, known: KnownTargets) -> Iterator[str]:
    if value.lower() not in _TRUTH:
        yield f"protected is {value!r}, but must be true or false"
        return
    before = known.targets.get(row.cells.get("name", ""))
    if before is not None and before.protected and value and not _TRUTH[value.lower()]:
        name = row.cells["name"]
        yield f"it is protected: templedb target update {name} --no-protected --reason WHY"


def _target(before: Target, row: TargetRow) -> Target:
    """Return a target as its row says; what the row does not name stays."""
    labels = dict(before.labels)
    own = dict[str, Any]()
    for key, value in row.cells.items():
        if key in TEXT_FIELDS:
            own[key] = value
        elif key == "type":
            own[key] = TargetType(value) if value else before.type
        elif key == "protected":
            own[key] = before.protected or _TRUTH[value.lower()]
        elif key == "name" or _VARIABLE.fullmatch(key):
            continue
        elif value:
            labels[key] = value
        else:
            labels.pop(key, None)
    return replace(before, labels=dict(sorted(labels.items())), **own)


def _differences(
    before: Target | None,
    after: Target,
    values: Mapping[tuple[TargetName, str], str],
    known: KnownTargets,
) -> Iterator[str]:
    """Yield how a target differs from what it was, one line each."""
    old = before or Target(name=after.name)
    for key in _FIELDS:
        if (was := getattr(old, key)) != (now := getattr(after, key)):
            yield f"{key}: {_shown(was)} → {_shown(now)}"
    for key in sorted({*old.labels, *after.labels}):
        if (one := old.labels.get(key)) != (other := after.labels.get(key)):
            yield f"{key}: {_shown(one)} → {_shown(other)}"
    for (target, key), value in values.items():
        if (kept := known.references.get((target, key))) != value:
            yield f"{key}: {_shown(kept)} → {value}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value or "-")


def gone(
    named: frozenset[str], targets: Mapping[str, Target], *, removed: bool
) -> tuple[ImportedTarget, ...]:
    """Return the targets that an earlier file added and this one does not name."""
    change = TargetChange.REMOVED if removed else TargetChange.GONE
    return tuple(
        ImportedTarget(target=each.name, change=change)
        for name, each in sorted(targets.items())
        if each.imported and name not in named
    )
