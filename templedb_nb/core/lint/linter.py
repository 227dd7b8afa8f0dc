"""Risky statements of pending migrations: every rule asked, what a file silences left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from templedb_nb.core.lint.effects import seen
from templedb_nb.core.lint.locks.observed_effect import ALL
from templedb_nb.core.lint.rules import (
    LITERAL,
    RULES,
    SEVERAL,
    KnownObjects,
    StatementPlace,
    bare,
)
from templedb_nb.core.migrations.net_effect import RULES as LEAVING
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.sql.cursor import NOWHERE, words
from templedb_nb.core.sql.directives import WHOLE
from templedb_nb.core.sql.line_index import Spans
from templedb_nb.core.sql.tokens import Statement
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.lint import Complaint, Sizes
from templedb_nb.model.step import Mode
from templedb_nb.model.target import FindingLevel

LOSSES = words("drop-table drop-column drop-schema truncate rename-table rename-column")
"""Rules about what is gone afterwards, not about who waits meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """One file as it will run, by `file`, in the database that *database* names."""

    file: str
    database: str
    script: Script


def relations(pending: Iterable[Pending]) -> frozenset[str]:
    """Return the names, without schemas, of what the statements are about."""
    names = (
        name
        for each in pending
        for statement in each.script.statements
        for name, _ in seen(statement.tokens).locked
    )
    return frozenset(name.key[-1] for name in names if name.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFindings:
    """What is risky, in order; `new` are the lines, by file, of statements on what nobody uses.

    `beside_default` are those of statements that detach a partition beside a default one, or that.
    """

    complaints: tuple[Complaint, ...]
    new: Mapping[str, tuple[range, ...]]
    beside_default: Mapping[str, tuple[range, ...]]


def lint(
    pending: Sequence[Pending],
    sizes: Mapping[str, Sizes | None],
    quiet: AbstractSet[str] = frozenset(),
) -> LintFindings:
    """Return what is risky in *pending*, in the order in which they run.

    *sizes* are by database; where one has none, every table counts as large. The databases of
    *quiet* have no locks on tables: only what is lost matters there.
    """
    known: dict[str, KnownObjects] = {}
    found: list[Complaint] = []
    new: dict[str, list[range]] = {}
    beside: dict[str, list[range]] = {}
    for each in pending:
        if each.database not in known:  # it sorts all sizes: once for each database
            known[each.database] = KnownObjects(sizes.get(each.database))
        state = known[each.database]
        places = list(_places(each, state))
        lines = (_lines(place.statement) for place in places if place.new)
        new.setdefault(each.file, []).extend(lines)  # several may stand in one file
        apart = (p for p in places if p.has_default and "detach partition" in p.whats)
        beside.setdefault(each.file, []).extend(_lines(place.statement) for place in apart)
        own = [*_of_statements(each, places), *_of_file(each, places)]
        if each.database in quiet:
            own = [one for one in own if one.rule in LOSSES | LEAVING | {LITERAL}]
        found += _heard(each.script, own)
    return LintFindings(
        complaints=tuple(found),
        new={f: tuple(lines) for f, lines in new.items()},
        beside_default={f: tuple(lines) for f, lines in beside.items()},
    )


TWINS = words(
    "ban-drop-table ban-drop-column ban-drop-schema ban-drop-database ban-truncate-cascade "
    "renaming-table renaming-column changing-column-type adding-field-with-default "
    "adding-serial-primary-key-field require-concurrent-index-creation "
    "require-concurrent-index-deletion require-concurrent-reindex constraint-missing-not-valid "
    "adding-foreign-key-constraint adding-not-nullable-field disallowed-unique-constraint"
)
"""Rules of squawk that ours cover with the server's facts: they are not reported twice."""


_DETACHES, _SINCE = "require-concurrent-partition-detach", 14
"""A rule of squawk, and since when servers know what it asks for; never beside a default one."""


def merged(
    linted: LintFindings, others: Iterable[Complaint], versions: Mapping[str, int]
) -> tuple[Complaint, ...]:
    """Return our complaints with those of another linter that say something else.

    Statements on a table that the same plan makes are left out there, too, and advice that the
    server of a file refuses, by *versions* (0 where it is not known).
    """
    made, beside = _spans(linted.new), _spans(linted.beside_default)
    fresh = [each for each in others if each.rule not in TWINS and not _lies_in(made, each)]
    fresh = [
        each
        for each in fresh
        if each.rule != _DETACHES
        or not (0 < versions.get(each.file, 0) < _SINCE or _lies_in(beside, each))
    ]
    order = {file: place for place, file in enumerate(linted.new)}
    return tuple(
        sorted((*linted.complaints, *fresh), key=lambda each: (order[each.file], each.line))
    )


def _spans(found: Mapping[str, Iterable[range]]) -> dict[str, Spans]:
    return {f: Spans((own.start, own.stop) for own in lines) for f, lines in found.items()}


def _lies_in(spans: Mapping[str, Spans], each: Complaint) -> bool:
    return each.file in spans and each.line in spans[each.file]


def _places(each: Pending, state: KnownObjects) -> Iterator[StatementPlace]:
    for statement in each.script.statements:
        found = seen(statement.tokens)
        table = found.locked[0][0] if found.locked else NOWHERE
        size, big = state.size(table)
        heavy = state.heavy(table)
        made = not found.locked and bool(found.made)
        new = made or (bool(table.key) and state.new(table))
        others = tuple(
            name
            for name, lock in found.locked
            if lock is ALL and name.key and not state.new(name) and state.size(name)[1]
        )
        known = state.known(table)
        yield StatementPlace(
            statement,
            found,
            table,
            size,
            new,
            big,
            heavy,
            others,
            partitioned=known is not None and known.partitioned,
            has_default=known is not None and known.has_default,
            proven=state.proven(table),
        )
        state.remember(found, statement)


def _lines(statement: Statement) -> range:
    return range(statement.line, statement.line + statement.text.count("\n") + 1)


def _of_statements(each: Pending, places: Iterable[StatementPlace]) -> Iterator[Complaint]:
    for place in places:
        for rule, look in RULES.items():
            if (told := look(place)) and (not place.new or rule == LITERAL):
                yield _complaint(rule, each.file, place.statement, *told)


def _of_file(each: Pending, places: Iterable[StatementPlace]) -> Iterator[Complaint]:
    if (few := each.script.left) and not each.script.meant and not each.script.problems:
        message, line = (
            f"the file {few.message}" if few.nothing and not few.line else few.message,
            few.line or 1,
        )
        yield Complaint(
            rule=few.rule, file=each.file, line=line, column=1, message=message, mend=few.mend
        )
    for remark in each.script.warnings:
        yield Complaint(
            rule=remark.rule,
            file=each.file,
            line=remark.line,
            column=1,
            message=remark.message,
            mend=remark.mend,
        )
    if each.script.mode is Mode.TRANSACTION:
        yield from _several(each, places)


def _several(each: Pending, places: Iterable[StatementPlace]) -> Iterator[Complaint]:
    """Tell of a transaction that keeps readers of several large tables waiting."""
    locked: dict[tuple[str, ...], str] = {}
    for place in places:
        locked |= {bare(name.key): name.text for name in place.locked}
        if len(locked) > 1:
            names = ", ".join(locked.values())
            message = f"one transaction blocks readers of {names}, and may deadlock"
            yield _complaint(SEVERAL, each.file, place.statement, message, "use one file per table")
            return


def _complaint(rule: str, file: str, at: Statement, message: str, mend: str) -> Complaint:
    return Complaint(
        rule=rule, file=file, line=at.line, column=at.column, message=message, mend=mend
    )


def _heard(script: Script, found: Sequence[Complaint]) -> Iterator[Complaint]:
    """Yield what neither the file nor a comment right before the statement says is meant."""
    asked = script.asked.nolint
    starts = {(s.line, s.column): s.start for s in script.statements if s.start in asked}
    for each in found:
        own = asked.get(starts.get((each.line, each.column), WHOLE), ())
        if each.rule not in own and each.rule not in asked.get(WHOLE, ()):
            yield each


def on_lint(found: Iterable[Complaint], level: FindingLevel) -> Iterator[Finding]:
    """Yield a finding for each complaint, as grave as the target has it.

    What a file leaves is told of every plan already, whatever the level.
    """
    severity = Severity.ERROR if level is FindingLevel.BLOCK else Severity.WARNING
    for each in (one for one in found if one.rule not in LEAVING):
        yield Finding(
            severity=severity,
            topic=Topic.LINT,
            message=f"{each.message} [{each.rule}]",
            where=f"{each.file}:{each.line}",
            mend=each.mend,
        )
