"""How a script runs: in one transaction, or step by step where a statement forbids that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from enum import StrEnum

from templedb_nb.core.sql import classify
from templedb_nb.core.sql.classify import (
    Controls,
    CopiesOut,
    InsideTransaction,
    OutsideTransaction,
    TransactionBegin,
    TransactionCommit,
)
from templedb_nb.core.sql.directives import Directives, Remark, unused
from templedb_nb.core.sql.probes import CatalogQuestion, Probe, Reindexed, Repeated, probe_of
from templedb_nb.core.sql.tokens import Statement
from templedb_nb.core.sql.transaction_settings import (
    closes_session,
    configured,
    for_its_transaction,
    for_later,
    opening,
    openings,
)
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.plan import NOT_EXACTLY_ONCE
from templedb_nb.model.step import Mode


class StepMode(StrEnum):
    """How one step of a script runs."""

    TOGETHER = "together"
    """In a transaction that also records the step: exactly once, without any probe."""
    ALONE = "alone"
    """Outside of any transaction; the probe tells what became of it."""
    UNDONE = "undone"
    """In a transaction that the file itself rolls back: it leaves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One step: `statements` in order, the first of them the `first` one of the whole script.

    Those that `leading` counts go into its BEGIN.
    """

    way: StepMode
    statements: tuple[Statement, ...]
    first: int
    begin: str = "BEGIN"
    probe: Probe | None = None

    @property
    def leading(self) -> tuple[int, ...]:
        """Return which of its statements ask something of its transaction, before the others."""
        return openings(self.statements)

    @property
    def line(self) -> int:
        """Return the line on which the step begins."""
        return self.statements[0].line if self.statements else 0

    @property
    def title(self) -> str:
        """Name the step in one line."""
        words = " ".join(self.statements[0].text.split()) if self.statements else "nothing"
        return words if len(words) <= _TITLE else f"{words[: _TITLE - 1]}…"


@dataclass(slots=True)
class ExecutionPlan:
    """What was decided about a script: its statements as they run, in which mode, and why."""

    mode: Mode
    statements: tuple[Statement, ...]
    units: tuple[Unit, ...] = ()
    note: str = ""
    problems: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)


_TITLE = 72
NO_EFFECT = "setting-without-effect"
_READ_ONLY = "a read-only transaction cannot record its step"


def course(
    statements: Sequence[Statement], asked: Directives, *, apart: bool = False
) -> ExecutionPlan:
    """Return how *statements* run; *apart*, step by step in any case.

    A ``BEGIN … COMMIT`` around everything is dropped: our transaction stands in for it. A
    statement that cannot run in a transaction, or one that controls transactions, makes the
    script run step by step, and so does the directive no-transaction.
    """
    needs = [_need(each, asked) for each in statements]
    whole = _whole(needs) and not apart
    if whole and not asked.no_transaction:
        inner = tuple(statements[1:-1])
        note = "its own BEGIN and COMMIT are dropped: it runs in templedb's transaction"
        return _together(inner, asked, note)
    reason = _reason(statements, needs, asked)
    if not reason and not apart:
        return _together(tuple(statements), asked, "")
    return _stepwise(tuple(statements), needs, asked, reason)


def _need(statement: Statement, asked: Directives) -> classify.Need:
    """Return what a statement needs; one with a hint of the file's own stands alone."""
    found, hint = classify.need(statement), asked.hints.get(statement.start)
    if hint is None or statement.data is not None or not isinstance(found, InsideTransaction):
        return found
    return OutsideTransaction(f"the statement behind templedb:{hint.name}", asked=True)


def _whole(needs: Sequence[classify.Need]) -> bool:
    """Return whether one plain pair stands around everything, and no other control is there."""
    if len(needs) < 2 or needs[0] != TransactionBegin() or needs[-1] != TransactionCommit():  # noqa: PLR2004 - a pair
        return False
    return not any(
        isinstance(each, TransactionBegin | TransactionCommit | Controls | OutsideTransaction)
        for each in needs[1:-1]
    )


def _reason(
    statements: Sequence[Statement], needs: Sequence[classify.Need], asked: Directives
) -> str:
    for statement, need in zip(statements, needs, strict=True):
        match need:
            case OutsideTransaction(what=what, asked=alone):
                why = "runs outside of a transaction" if alone else "cannot run in a transaction"
                return f"line {statement.line}: {what} {why}"
            case TransactionBegin() | TransactionCommit() | Controls():
                what = " ".join(t.text.upper() for t in statement.tokens[:3])
                return f"line {statement.line}: {what} controls transactions"
            case _:
                pass
    if asked.no_transaction < 0:
        return asked.no_transaction_by
    return f"line {asked.no_transaction}: {asked.no_transaction_by}" if asked.no_transaction else ""


def _together(statements: tuple[Statement, ...], asked: Directives, note: str) -> ExecutionPlan:
    problems = [*_read_only(statements), *_copies_out(statements), *unused(asked, ())]
    return ExecutionPlan(
        mode=Mode.TRANSACTION,
        statements=statements,
        note=note,
        problems=problems,
        warnings=list(too_late(statements)),
    )


def too_late(statements: Sequence[Statement], *, last: bool = False) -> Iterator[Remark]:
    """Warn of a setting for later transactions, of which the file has none.

    With *last*, the statements are those of the last step; else they are the whole file.
    """
    why, where = "the file is one transaction", ""
    if last:
        why, where = "no step comes after it", " between BEGIN and COMMIT"
    for each in statements:
        if mode := for_later(each):
            message = f"{_head(each)} has no effect: it is for later transactions, and {why}"
            mend = f"write {mode} as the first statement{where}"
            if "READ ONLY" in mode:
                mend = "remove it: a migration cannot be read-only"
            yield Remark(message=message, line=each.line, mend=mend, rule=NO_EFFECT)


def _head(statement: Statement) -> str:
    """Name a SET by the words that tell which one it is, and a set_config by its setting."""
    words = [token.upper for token in statement.tokens]
    if words[0] != "SET":
        names = (each[0] for each in configured(statement) if each[0].startswith("default_"))
        return f"set_config('{next(names, '')}')"
    if words[1:3] == ["SESSION", "CHARACTERISTICS"]:
        return "SET SESSION CHARACTERISTICS"
    end = 3 if words[1:2] in (["SESSION"], ["LOCAL"]) else 2
    return " ".join(["SET", *words[1 : end - 1], statement.tokens[end - 1].text])


def _read_only(statements: Sequence[Statement]) -> Iterator[Remark]:
    for each in statements:
        if (found := opening(each)) and found.read_only:
            yield Remark(message=_READ_ONLY, line=each.line, mend="remove it")


def _copies_out(statements: Sequence[Statement]) -> Iterator[Remark]:
    for each in statements:
        if isinstance(classify.need(each), CopiesOut):
            message = "COPY … TO stdout returns rows to nobody"
            yield Remark(message=message, line=each.line, native_only=True)


def _stepwise(
    statements: tuple[Statement, ...],
    needs: Sequence[classify.Need],
    asked: Directives,
    reason: str,
) -> ExecutionPlan:
    cut = _Cut(asked)
    for number, (statement, need) in enumerate(zip(statements, needs, strict=True)):
        cut.take(number, statement, need)
    units = cut.result()
    alone = [s for unit in units if unit.way is StepMode.ALONE for s in unit.statements]
    lonely = {s.start for s in alone}
    copied = [s for s in statements if s.start not in lonely]
    problems = [
        *cut.problems,
        *_read_only(statements),
        *_closed(statements),
        *_copies_out(copied),
        *unused(asked, alone),
    ]
    return ExecutionPlan(
        mode=Mode.STATEMENTS,
        statements=statements,
        units=units,
        note=f"runs step by step, because of {reason}{_inexact(alone, asked)}",
        problems=problems,
        warnings=[*cut.warnings, *too_late(_of_last_step(units), last=True)],
    )


def _of_last_step(units: Sequence[Unit]) -> tuple[Statement, ...]:
    """Return the statements after which no transaction of the file begins."""
    last = units[-1] if units else None
    return last.statements if last is not None and last.way is not StepMode.ALONE else ()


def _closed(statements: Sequence[Statement]) -> Iterator[Remark]:
    """Complain of a session that is read-only for the steps behind it."""
    for each in statements[:-1]:
        if closes_session(each):
            message = "the steps behind it cannot be recorded in a read-only session"
            yield Remark(message=message, line=each.line, mend="remove it, or write it last")


def _inexact(alone: Sequence[Statement], asked: Directives) -> str:
    """Say which statements a crash may make run twice, since the file allows it."""
    hints = [(each, asked.hints.get(each.start)) for each in alone]
    lines = [str(each.line) for each, hint in hints if hint and not hint.probe]
    if not lines:
        return ""
    return f"; {NOT_EXACTLY_ONCE}: line {', '.join(lines)} (templedb:idempotent)"


class _Cut:
    """Cuts a script into steps: each statement is one, and so is each BEGIN … COMMIT."""

    def __init__(self, asked: Directives) -> None:
        self._hints = asked.hints
        self._units: list[Unit] = []
        self._open: list[Statement] | None = None
        self._begin: Statement | None = None
        self._modes = ""
        self._first = 0
        self.problems: list[Remark] = []
        self.warnings: list[Remark] = []

    def take(self, number: int, statement: Statement, need: classify.Need) -> None:
        match need:
            case TransactionBegin(modes=modes):
                self._opens(number, statement, modes)
            case TransactionCommit():
                self._closes(StepMode.TOGETHER)
            case Controls(what=what) if what in {"ROLLBACK", "ABORT"} and self._open is not None:
                self._closes(StepMode.UNDONE)
            case Controls(what=what) if what not in {"ROLLBACK", "ABORT"}:
                message = f"{what} leaves the transaction in a way that no ledger can record"
                mend = "end it with a plain COMMIT"
                self.problems.append(Remark(message=message, line=statement.line, mend=mend))
            case Controls():
                pass
            case OutsideTransaction(what=what, asked=False) if self._open is not None:
                message = f"{what} is between BEGIN and COMMIT, where it cannot run"
                mend = "move it out of the block"
                self.problems.append(Remark(message=message, line=statement.line, mend=mend))
            case _ if self._open is not None:
                self._open.append(statement)
            case OutsideTransaction():
                self._alone(number, statement)
            case _:
                unit = Unit(way=StepMode.TOGETHER, statements=(statement,), first=number)
                self._units.append(unit)
                if for_its_transaction(statement):
                    self.warnings.append(_without_effect(statement))

    def _opens(self, number: int, statement: Statement, modes: str) -> None:
        if self._open is not None:
            return
        if "READ ONLY" in modes.upper():
            self.problems.append(Remark(message=_READ_ONLY, line=statement.line, mend="remove it"))
        self._open, self._begin, self._modes, self._first = [], statement, modes, number + 1

    def _closes(self, way: StepMode) -> None:
        if self._open:
            unit = Unit(
                way=way,
                statements=tuple(self._open),
                first=self._first,
                begin=f"BEGIN {self._modes}".strip(),
            )
            self._units.append(unit)
        self._open = None

    def _alone(self, number: int, statement: Statement) -> None:
        hint = self._hints.get(statement.start)
        probe: Probe = probe_of(statement)
        if hint is not None and hint.probe:
            probe = CatalogQuestion(sql=hint.probe)
        elif hint is not None and not isinstance(probe, Reindexed):
            probe = Repeated()
        unit = Unit(way=StepMode.ALONE, statements=(statement,), first=number, probe=probe)
        self._units.append(unit)

    def result(self) -> tuple[Unit, ...]:
        if self._open is not None and self._begin is not None:
            message = "this BEGIN has no COMMIT: psql would discard what follows"
            mend = "write the COMMIT, or remove the BEGIN"
            self.problems.append(Remark(message=message, line=self._begin.line, mend=mend))
        return tuple(self._units)


def _without_effect(statement: Statement) -> Remark:
    what = " ".join(token.upper for token in statement.tokens[:2])
    message = f"{what} has no effect: each statement of this file is a transaction of its own"
    mend = "write BEGIN and COMMIT around it and the statements that it is for"
    return Remark(message=message, line=statement.line, mend=mend, rule=NO_EFFECT)


def session_statements(units: Sequence[Unit]) -> tuple[Statement, ...]:
    """Return the statements that shape the session for those behind them, in order.

    They leave nothing in the database, so that a session that resumes behind them repeats them.
    """
    return tuple(
        statement
        for unit in units
        if unit.way is not StepMode.UNDONE
        for statement in unit.statements
        if _shapes_session(statement)
    )


def lost_with_session(units: Sequence[Unit]) -> Statement | None:
    """Return the first statement whose effect ends with its session and cannot be repeated."""
    for unit in units:
        for statement in unit.statements:
            if classify.makes_temporary(statement) or statement.tokens[0].upper == "DECLARE":
                return statement
    return None


def _shapes_session(statement: Statement) -> bool:
    words = [token.upper for token in statement.tokens]
    match words[0]:
        case "SET":
            return words[1:2] not in (["LOCAL"], ["TRANSACTION"], ["CONSTRAINTS"])
        case "RESET" | "LOAD" | "DEALLOCATE" | "DISCARD" | "LISTEN" | "UNLISTEN":
            return True
        case "PREPARE":
            return words[1:2] != ["TRANSACTION"]
        case "SELECT":
            return "SET_CONFIG" in words
        case _:
            return False
