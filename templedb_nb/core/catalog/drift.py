"""Compare the objects of databases, and say what a plan's reader must know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from templedb_nb.model.drift import (
    CatalogChange,
    ChangeKind,
    Drift,
    KeptBase,
    LedgerStanding,
    Printer,
)
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.target import DatabaseName, FindingLevel, TargetName

Row: TypeAlias = tuple[str, str | None, str | None]
"""The name of an object, and its definitions before and after."""
TOLD = 10
"""At most this many changes of one database are listed on a plan."""


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


_UNKNOWN = "a run was interrupted, could not record the objects, or ran with drift: off"


def behind(kept: KeptBase, now: LedgerStanding) -> str:
    """Return why the base does not know all that runs did, or nothing."""
    unknown = _unknown(kept, now)
    if unknown and unknown <= now.going:
        return f"a run of {', '.join(sorted(unknown))} is running"
    return _UNKNOWN if unknown else ""


def seen(
    kept: KeptBase, printer: Printer, now: LedgerStanding, rows: Callable[[], Iterable[Row]]
) -> Drift:
    """Return how a database differs from its base, by *rows*, which are asked for if they count.

    Where a run left more than the base knows, the changes may be that run's or anybody's.
    """
    why = behind(kept, now)
    if why and not outdated(kept, now):
        return Drift(base=kept.base, behind=why)
    return replace(told(kept, printer, rows()), behind=why)


def outdated(kept: KeptBase | None, now: LedgerStanding) -> bool:
    """Return whether a run that begins must keep all objects anew: drift cannot be determined.

    What a run of another project does meanwhile, that run keeps at its own end.
    """
    return kept is None or bool(_unknown(kept, now) - now.going)


def _unknown(kept: KeptBase, now: LedgerStanding) -> frozenset[str]:
    """Return the projects of which the base does not know all that runs did."""
    if kept.projects is None:
        return frozenset() if kept.counts == now.counts else now.going or frozenset({""})
    names = kept.projects.keys() | now.projects.keys()
    return frozenset(n for n in names if kept.projects.get(n) != now.projects.get(n))


def told(kept: KeptBase, printer: Printer, rows: Iterable[Row]) -> Drift:
    """Return how a database differs, of objects by name with their definitions before and after.

    Where others worded the definitions, one that reads differently may be what it was.
    """
    changes = tuple(change(*row) for row in rows)
    if kept.printer == printer:
        return Drift(base=kept.base, changes=changes)
    sure = tuple(each for each in changes if each.kind is not ChangeKind.CHANGED)
    return Drift(
        base=kept.base,
        changes=sure,
        reprinted=tuple(each.name for each in changes if each.kind is ChangeKind.CHANGED),
        printer=other_words(kept.printer, printer),
    )


def other_words(before: Printer, now: Printer) -> str:
    """Return who worded the definitions of a base, where that is somebody else now."""
    if before.server and before.server != now.server:
        return f"the base is of {before.server}, and this is {now.server}"
    return "the base is that of an earlier templedb"


def on_drift(
    found: Mapping[DatabaseName, Drift], target: TargetName, level: FindingLevel
) -> Iterator[Finding]:
    """Yield a finding for each change that no run made, as grave as the target has it."""
    mend = f"templedb drift check --target {target}; if it is right: templedb drift accept"
    severity = Severity.ERROR if level is FindingLevel.BLOCK else Severity.WARNING
    for database, drift in sorted(found.items()):
        where = f"target {target} ({database})"
        if drift.behind:
            yield _behind(drift, where, mend, level)
            continue
        if drift.printer:
            yield _reprinted(drift, where, target)
        for each in drift.changes[:TOLD]:
            text = f"{each.name} was {each.kind} outside of templedb"
            yield Finding(
                severity=severity, topic=Topic.DRIFT, message=text, where=where, mend=mend
            )
        if (more := len(drift.changes) - TOLD) > 0:
            text = f"{more} more objects were changed outside of templedb"
            yield Finding(severity=severity, topic=Topic.DRIFT, message=text, where=where)


def _behind(drift: Drift, where: str, mend: str, level: FindingLevel) -> Finding:
    """Tell that nobody knows who changed what; a target that blocks drift wants a person's word."""
    names = [*(each.name for each in drift.changes), *drift.reprinted]
    text = f"{drift.behind}: later changes by others cannot be distinguished"
    severity = Severity.NOTE
    if names and level is FindingLevel.BLOCK:
        more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
        text, severity = f"{text}; {', '.join(names[:TOLD])}{more} changed", Severity.ERROR
    return Finding(
        severity=severity,
        topic=Topic.DRIFT,
        message=text,
        where=where,
        mend=mend if severity is Severity.ERROR else "",
    )


def _reprinted(drift: Drift, where: str, target: TargetName) -> Finding:
    count = len(drift.reprinted)
    text = f"{drift.printer}: only added and removed objects are reported, not changed ones"
    if count:
        text = f"{text}; {count} read differently"
    return Finding(
        severity=Severity.NOTE,
        topic=Topic.DRIFT,
        message=text,
        where=where,
        mend=f"templedb drift check --target {target}",
    )
