"""Where an attempt at a migration that runs step by step goes on, and what must be settled first.

Steps that are done must stay as they are. The one that had begun may be edited, once the catalog
says that nothing of it stands; what is left of it goes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import psycopg

from templedb_nb.core.migrations.script import read_script
from templedb_nb.core.secrets.sql_passwords import redacted
from templedb_nb.core.sql.execution_units import Unit, session_statements
from templedb_nb.core.sql.probes import IndexGone
from templedb_nb.errors import Busy, Unresolved
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.ledger import State
from templedb_nb.targets.postgres.apply.attempt import Attempt
from templedb_nb.targets.postgres.apply.outcome_probe import EffectStanding, ProbeVerdict, ask
from templedb_nb.targets.postgres.connection.connect import LOCK_TIMEOUT, first_line, run
from templedb_nb.targets.postgres.connection.wire import Link
from templedb_nb.targets.postgres.ledger import migration_rows as rows


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginMark:
    """Whether the ledger knows that a step had begun, and which indexes were invalid before it."""

    started: bool
    spared: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePoint:
    """Where an attempt goes on: steps that are proven, and whether the next one had begun.

    Indexes whose oids are `spared` were invalid before that one ran for the first time.
    """

    done: int = 0
    begun: bool = False
    spared: frozenset[int] = frozenset()


def enter(link: Link, attempt: Attempt) -> ResumePoint:
    """Return where to go on, and write the row as running, committed before anything else."""
    step, claim = attempt.step, attempt.claim
    known = rows.attempted(link.connection, claim.project, step.key)
    place = _place(link, attempt, known)
    with link.connection.transaction():
        started = place.done + place.begun
        rows.begun_row(
            link.connection, step, attempt.script, attempt.id, claim, (place.done, started)
        )
    return place


def _place(link: Link, attempt: Attempt, known: rows.AttemptProgress | None) -> ResumePoint:
    step = attempt.step
    if known is None or known.state is State.REVERTED:
        return ResumePoint()
    if known.state is State.APPLIED:
        if attempt.script.asked.repeatable and known.checksum != step.checksums.text:
            return ResumePoint()
        raise Busy(f"{step.file} is in the ledger of {link.where} already: another run applied it")
    if known.state is State.IN_DOUBT:
        raise in_doubt(attempt, known.step_done, "it is not resolved yet")
    if known.checksum == step.checksums.text:
        return _there(link, attempt, known)
    return _edited(link, attempt, known)


def _there(link: Link, attempt: Attempt, known: rows.AttemptProgress) -> ResumePoint:
    begun = known.step_started > known.step_done
    spared: frozenset[int] = frozenset()
    if begun:
        project, key = attempt.claim.project, attempt.step.key
        spared = rows.spared(link.connection, project, key, known.step_done)
    return ResumePoint(done=known.step_done, begun=begun, spared=spared)


# --- a file that was edited ---------------------------------------------------------------------


def _edited(link: Link, attempt: Attempt, known: rows.AttemptProgress) -> ResumePoint:
    """Refuse an edit of what is done; let what had begun be edited, if nothing of it stands."""
    before = _units(attempt, known.sql)
    same = _same(before, _units(attempt, attempt.script.text))
    if same < known.step_done:
        raise _refused(attempt, known, same)
    if same >= known.step_started:
        return _there(link, attempt, known)
    return _settled(link, attempt, known, before[known.step_done])


def _units(attempt: Attempt, text: str) -> tuple[Unit, ...]:
    """Return the steps of a text without its passwords: the ledger keeps none."""
    return read_script(redacted(text).encode(), attempt.step.reading, apart=True).units


def _same(before: Sequence[Unit], now: Sequence[Unit]) -> int:
    """Return how many steps from the first one on read as they did."""
    pairs = zip(before, now, strict=False)
    return next(
        (n for n, (was, is_) in enumerate(pairs) if _tokens(was) != _tokens(is_)),
        min(len(before), len(now)),
    )


def _tokens(unit: Unit) -> list[str]:
    return [token.text for each in unit.statements for token in each.tokens]


def _refused(attempt: Attempt, known: rows.AttemptProgress, same: int) -> Unresolved:
    done = known.step_done
    ran = "step 1 ran already" if done == 1 else f"steps 1 to {done} ran already"
    message = f"{attempt.step.file}: {ran}, and step {same + 1} was edited, moved or removed"
    return Unresolved(message, hint="restore its text; statements after it may change")


def _settled(link: Link, attempt: Attempt, former: rows.AttemptProgress, old: Unit) -> ResumePoint:
    """Ask what became of a begun step that reads differently now; remove what is left."""
    place = _there(link, attempt, former)
    earlier = attempt.script.units[: place.done]
    try:
        for statement in session_statements(earlier):
            run(link.connection, statement.text)
        verdict = _asked(link, old, place)
        if verdict.standing is EffectStanding.BROKEN:
            _take_away(link, attempt, old, verdict)
    finally:
        link.clean()
    number, total = place.done + 1, len(attempt.script.units)
    match verdict.standing:
        case EffectStanding.ABSENT | EffectStanding.BROKEN:
            return ResumePoint(done=place.done)
        case EffectStanding.DONE:
            file = attempt.step.file
            message = f"{file}: step {number} took effect and was edited: {verdict.evidence}"
            hint = "restore its text; statements after it may change"
            raise Unresolved(message, hint=hint)
        case EffectStanding.UNKNOWN:
            told = f"it was edited after it had begun, and {verdict.evidence}"
            which = [attempt.claim.project, attempt.step.key, former.attempt]
            rows.ended_row(link.connection, which, State.IN_DOUBT, told)
            raise in_doubt(attempt, place.done, told, total=max(total, number))
        case _:
            assert_never(verdict.standing)


def _asked(link: Link, old: Unit, place: ResumePoint) -> ProbeVerdict:
    if old.probe is None:  # its count commits with it
        return ProbeVerdict(standing=EffectStanding.ABSENT)
    try:
        run(link.connection, "SET statement_timeout = 0")  # the file's is meant for its statements
        return ask(link.connection, old.probe, place.spared)
    except psycopg.Error as error:
        told = f"the catalog could not be read: {first_line(error)}"
        return ProbeVerdict(standing=EffectStanding.UNKNOWN, evidence=told)


def _take_away(link: Link, attempt: Attempt, old: Unit, verdict: ProbeVerdict) -> None:
    """Take away what is left of a step that the file does not have any more."""
    if isinstance(old.probe, IndexGone):
        if any(unit.probe == old.probe for unit in attempt.script.units):
            return
        name = old.probe.name
        message = f"{attempt.step.file}: {verdict.evidence}, and its step was edited"
        hint = f"DROP INDEX CONCURRENTLY {name}, or REINDEX INDEX CONCURRENTLY {name} to keep it"
        raise Unresolved(message, hint=f"{hint}; then run again")
    run(link.connection, "SET lock_timeout = 0")
    repair(link, attempt, verdict)


def repair(link: Link, attempt: Attempt, verdict: ProbeVerdict) -> None:
    """Repair what is broken; what this role may not repair, and nothing needs, is reported."""
    for each in verdict.repair:
        try:
            run(link.connection, each)
        except psycopg.errors.InsufficientPrivilege as error:
            if not verdict.optional:
                raise
            attempt.warn(_left(link, attempt, each, first_line(error)))


def _left(link: Link, attempt: Attempt, drop: str, said: str) -> str:
    role, file = link.connection.info.user, attempt.step.file
    message = f"{file}: an interrupted REINDEX left an invalid index, and role {role} may not"
    message = f"{message} drop it ({said}). It slows down every write, and does no other harm."
    return f"{message} Run as a superuser: {drop}"


# --- around statements that stand alone ---------------------------------------------------------


def patient(link: Link, attempt: Attempt, number: int) -> bool:
    """Let a statement wait for others as long as it takes, unless the file says how long.

    Return whether the session's lock_timeout must come back behind it.
    """
    earlier = session_statements(attempt.script.units[:number])
    own = any(token.upper == "LOCK_TIMEOUT" for each in earlier for token in each.tokens)
    asked = attempt.script.asked
    if not own:
        wanted = 0 if asked.lock_timeout_ms is None else asked.lock_timeout_ms
        run(link.connection, f"SET lock_timeout = {wanted}")
    if asked.statement_timeout_ms is not None:
        run(link.connection, f"SET statement_timeout = {asked.statement_timeout_ms}")
    return not own


def impatient(link: Link) -> None:
    """Give the session its lock_timeout back."""
    run(link.connection, f"SET lock_timeout = '{LOCK_TIMEOUT}'")


def left_of(link: Link, unit: Unit, spared: frozenset[int]) -> ProbeVerdict:
    """Return what is left of a statement that the server refused; it stands alone."""
    return _asked(link, unit, ResumePoint(spared=spared))


def in_doubt(attempt: Attempt, done: int, told: str, *, total: int = 0) -> Unresolved:
    """Return the error for a step of which nothing tells whether it took effect."""
    step, total = attempt.step, total or len(attempt.script.units)
    message = f"{step.file}: step {done + 1} of {total} is in doubt: {told}"
    hint = f"look, then: templedb migration resolve {step.file} --applied (or --not-applied)"
    return Unresolved(message, hint=f"{hint} --reason WHAT-YOU-SAW")
