"""Drift: what of a target's databases no run of ours made, and how two targets differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.app.environment import Environment
from templedb_nb.core.approval.policy import demanded
from templedb_nb.core.catalog.drift import compare
from templedb_nb.errors import UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.drift import CatalogChange, Drift, DriftReport, DriftRow, TargetsDiffer
from templedb_nb.model.selection import Selection
from templedb_nb.model.target import DatabaseName, FindingLevel, Policy

Open = Callable[[Selection], AbstractContextManager[OpenTarget]]
_NO_BASE = (
    "nothing to compare with yet: the next run records the objects; so does templedb drift accept"
)
_ANEW = "the next run records the objects again; so does templedb drift accept"

_WORD = "its changes and those by others cannot be distinguished: look at them before drift accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftChecks:
    """Use cases around the objects of databases."""

    open: Open
    system: Environment

    def check(self, opened: OpenTarget, *, strict: bool) -> DriftReport:
        """Return what differs from what runs left; nothing is written."""
        policy = demanded(Policy.of(opened.case.target), opened.ledgers.values())
        rows: list[DriftRow] = []
        notes: list[str] = []
        bases, reprinted = [], []
        for name, session in opened.sessions.items():
            found = session.drift()
            notes += [f"{name}: {each}" for each in _notes(found, policy.drift)]
            if found.base is not None:
                bases.append((name, found.base))
            reprinted += [(name, each) for each in found.reprinted]
            if not found.behind or policy.drift is FindingLevel.BLOCK:
                rows += _rows(name, found.changes)
        return DriftReport(
            slug=opened.case.project.slug,
            target=opened.case.target.name,
            rows=tuple(rows),
            bases=tuple(bases),
            notes=tuple(notes),
            reprinted=tuple(reprinted),
            level=policy.drift,
            strict=strict,
        )

    def accept(self, opened: OpenTarget, reason: str) -> DriftReport:
        """Keep the objects as they are, and return what differed before."""
        before = self.check(opened, strict=False)
        case, user = opened.case, self.system.user()
        kept = [
            session.accept_catalog(case.project.known_as, f"{user}: {reason}", reason)
            for session in opened.sessions.values()
        ]
        if not any(kept):
            message = f"target {case.target.name} has no ledger that records objects"
            raise UsageProblem(message, hint="deploy to it first: templedb deploy run")
        return before

    def between(self, opened: OpenTarget, against: Selection) -> TargetsDiffer:
        """Return what would turn the objects of one target into those of another."""
        with self.open(against) as other:
            if other.case.target.name == opened.case.target.name:
                message = f"{other.case.target.name} cannot be compared with itself"
                raise UsageProblem(message, hint="name another target: --against TARGET")
            rows = list(_differences(opened, other))
            return TargetsDiffer(
                slug=opened.case.project.slug,
                target=opened.case.target.name,
                against=other.case.target.name,
                rows=tuple(rows),
            )


def _notes(found: Drift, level: FindingLevel) -> Iterator[str]:
    """Yield what could not be compared in one database, and why."""
    if found.base is None:
        yield _NO_BASE
    elif found.behind:
        blocked = level is FindingLevel.BLOCK and found.changes
        yield f"{found.behind}; {_WORD if blocked else _ANEW}"
    elif found.printer:
        count = len(found.reprinted)
        told = f"{count} definitions read differently; they may be unchanged"
        told = told if count else "every definition reads as before"
        yield f"{found.printer}: {told}; {_ANEW}"


def _differences(opened: OpenTarget, other: OpenTarget) -> Iterator[DriftRow]:
    both = opened.sessions.keys() & other.sessions.keys()
    if not both:
        names = f"{opened.case.target.name} and {other.case.target.name}"
        raise UsageProblem(f"{names} have no database in common with a known address")
    for name in sorted(both):
        here, there = opened.sessions[name], other.sessions[name]
        if bool(here.server) is not bool(there.server):
            raise UsageProblem(f"{name}: PostgreSQL and DuckDB cannot be compared")
        yield from _rows(name, compare(here.catalog(), there.catalog()))


def _rows(name: DatabaseName, changes: tuple[CatalogChange, ...]) -> list[DriftRow]:
    return [DriftRow(database=name, change=each) for each in changes]
