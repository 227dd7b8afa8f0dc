"""What a script leaves in a database: less than it says, or nothing.

A ``ROLLBACK`` of its own rolls statements back, and so does ``ROLLBACK TO`` a savepoint. Statements
that shape the session alone leave nothing either: the session is made clean behind each migration.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import field
from operator import attrgetter

from templedb_nb.core.sql import classify
from templedb_nb.core.sql.classify import Controls
from templedb_nb.core.sql.cursor import words
from templedb_nb.core.sql.execution_units import StepMode, Unit
from templedb_nb.core.sql.tokens import Statement, TokenKind
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.step import Mode

EMPTY, UNDONE = "empty-file", "rolled-back"
RULES = frozenset({EMPTY, UNDONE})
"""The rules about what a file leaves, as ``-- templedb:nolint`` and reports name them."""
_IDLE = "it will count as applied and change nothing"
_PASSING = words(
    "SET RESET SHOW DISCARD LISTEN UNLISTEN DEALLOCATE LOAD LOCK CLOSE SAVEPOINT RELEASE"
)
_READING = frozenset({"SELECT", "VALUES", "TABLE", "SHOW", "EXPLAIN", "FETCH", "WITH"})
_WRITING = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "INTO"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NetEffect:
    """Why a script leaves less than a reader may think; `nothing` if it leaves nothing at all."""

    rule: str
    message: str
    mend: str
    line: int = 0
    nothing: bool = True


def left(statements: Sequence[Statement], mode: Mode, units: Sequence[Unit]) -> NetEffect | None:
    """Return why a script leaves nothing, or less than it says; None of an ordinary one."""
    walk = _Walk()
    if mode is Mode.TRANSACTION:
        walk.together(statements)
    ends = [each for each in statements if isinstance(classify.need(each), Controls)]
    for unit in units:
        walk.unit(unit, _end(unit, ends))
    taken = [each for each in walk.taken if not _passes(each.statement)]
    if not any(not _passes(each) for each in walk.kept):
        return _all_of_it(taken) if taken else _empty(statements)
    written = [each for each in taken if not _reads(each.statement)]
    return _some_of_it(written[0]) if written else _stray(statements)


@dataclass(frozen=True, slots=True)
class _Undone:
    """A statement, and the one that rolls it back."""

    statement: Statement
    by: Statement


@dataclass(slots=True)
class _Walk:
    """Follows statements in the order in which they run."""

    kept: list[Statement] = field(default_factory=list)
    taken: list[_Undone] = field(default_factory=list)

    def unit(self, unit: Unit, end: Statement) -> None:
        if unit.way is StepMode.UNDONE:
            self.taken += [_Undone(each, end) for each in unit.statements]
        else:
            self.together(unit.statements)

    def together(self, statements: Sequence[Statement]) -> None:
        """Take in the statements of one transaction, and its savepoints."""
        marks: list[tuple[str, int]] = []
        kept: list[Statement] = []
        for each in statements:
            name, back = _savepoint(each)
            known = [place for place, (mark, _) in enumerate(marks) if mark == name]
            if name and not back:
                marks.append((name, len(kept)))
            elif name and known:
                del marks[known[-1] + 1 :]
                since = marks[known[-1]][1]
                self.taken += [_Undone(one, each) for one in kept[since:]]
                del kept[since:]
            kept.append(each)
        self.kept += kept


def _end(unit: Unit, ends: Sequence[Statement]) -> Statement:
    """Return the statement that ends the unit's transaction; of others, its last one."""
    last = unit.statements[-1]
    place = bisect_right(ends, last.start, key=attrgetter("start"))
    return ends[place] if place < len(ends) else last


def _savepoint(statement: Statement) -> tuple[str, bool]:
    """Return the name of a savepoint that is set, or gone back to; else nothing."""
    said = [token.upper for token in statement.tokens]
    if said[:1] == ["SAVEPOINT"]:
        return _name(statement), False
    if said[:1] == ["ROLLBACK"] and "TO" in said[1:3]:
        return _name(statement), True
    return "", False


def _name(statement: Statement) -> str:
    token = statement.tokens[-1]
    return token.text if token.kind is TokenKind.QUOTED else token.text.lower()


def _passes(statement: Statement) -> bool:
    """Return whether nothing of a statement is there once its session has ended."""
    said = [token.upper for token in statement.tokens[:2]]
    if said[:1] == ["PREPARE"]:
        return said[1:] != ["TRANSACTION"]
    if said[:1] == ["ROLLBACK"]:
        return said[1:] != ["PREPARED"]
    passes = classify.makes_temporary(statement) or _ends(statement)
    return bool(said) and (said[0] in _PASSING or passes)


def _ends(statement: Statement) -> bool:
    return not isinstance(
        classify.need(statement), classify.InsideTransaction | classify.OutsideTransaction
    )


def _reads(statement: Statement) -> bool:
    said = {token.upper for token in statement.tokens}
    return statement.tokens[0].upper in _READING and not said & _WRITING


def _empty(statements: Sequence[Statement]) -> NetEffect:
    message, mend = "has no statement", _meant("write the SQL that it should run", EMPTY)
    told = [s for s in statements if not _ends(s)]
    if told:
        said = " ".join(told[0].text.split())[:40]
        message = f"has no statement that lasts beyond its session ({said})"
    return NetEffect(rule=EMPTY, message=f"{message}: {_IDLE}", mend=mend)


def _all_of_it(taken: Sequence[_Undone]) -> NetEffect:
    by = taken[-1].by
    message = f"{_words(by)} rolls back everything that the file does: {_IDLE}"
    mend = _meant("write COMMIT instead, or remove it", UNDONE)
    return NetEffect(rule=UNDONE, message=message, mend=mend, line=by.line)


def _some_of_it(taken: _Undone) -> NetEffect:
    message = f"{_words(taken.by)} rolls back what is above it, from line {taken.statement.line} on"
    mend = _meant("remove the statements that are rolled back", UNDONE)
    return NetEffect(rule=UNDONE, message=message, mend=mend, line=taken.by.line, nothing=False)


def _stray(statements: Sequence[Statement]) -> NetEffect | None:
    """Return a ROLLBACK that no BEGIN stands before: what is above it stays."""
    inside = False
    for each in statements:
        match classify.need(each):
            case classify.TransactionBegin():
                inside = True
            case classify.TransactionCommit():
                inside = False
            case Controls() if not inside:
                message = f"{_words(each)} is outside of a transaction: it rolls nothing back"
                mend = _meant("write BEGIN before what it should roll back", UNDONE)
                return NetEffect(
                    rule=UNDONE, message=message, mend=mend, line=each.line, nothing=False
                )
            case Controls():
                inside = False
            case _:
                pass
    return None


def _words(statement: Statement) -> str:
    return f"{statement.tokens[0].text.upper()} on line {statement.line}"


def _meant(mend: str, rule: str) -> str:
    return f"{mend}; if intended, write at the top of the file: -- templedb:nolint {rule}"
