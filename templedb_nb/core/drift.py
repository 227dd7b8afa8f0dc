"""Compare the objects of databases, and say what a plan's reader must know of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from templedb_nb.model.drift import CatalogChange, ChangeKind, Drift
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.target import DatabaseName, Level, TargetName

TOLD = 10
"""So many changes of one database are told one by one on a plan."""


def compare(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[CatalogChange, ...]:
    """Return what turns *before* into *after*, by name."""
    return tuple(
        change(name, before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def change(name: str, before: str | None, after: str | None) -> CatalogChange:
    """Return what became of one object that is not what it was."""
    kind = ChangeKind.CHANGED
    if before is None or after is None:
        kind = ChangeKind.ADDED if before is None else ChangeKind.REMOVED
    return CatalogChange(name=name, kind=kind, before=before or "", after=after or "")


def on_drift(
    found: Mapping[DatabaseName, Drift], target: TargetName, level: Level
) -> Iterator[Finding]:
    """Yield a finding for each change that no run made, as grave as the target has it."""
    mend = f"templedb drift check --target {target}; if it is right: templedb drift accept"
    severity = Severity.ERROR if level is Level.BLOCK else Severity.WARNING
    for database, drift in sorted(found.items()):
        where = f"target {target} ({database})"
        if drift.behind:
            told = f"{drift.behind}: what others changed since cannot be told apart"
            yield Finding(severity=Severity.NOTE, topic=Topic.DRIFT, message=told, where=where)
            continue
        for each in drift.changes[:TOLD]:
            told = f"{each.name} was {each.kind} by no run of ours"
            yield Finding(
                severity=severity, topic=Topic.DRIFT, message=told, where=where, mend=mend
            )
        if (more := len(drift.changes) - TOLD) > 0:
            told = f"{more} more objects were changed by no run of ours"
            yield Finding(severity=severity, topic=Topic.DRIFT, message=told, where=where)
