"""What migrations mean for older code: by their statements, or as their files state it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from templedb_nb.core.compatibility.judgement import Judgement, data, unknown
from templedb_nb.core.compatibility.known import Known
from templedb_nb.core.compatibility.statements import judged
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.secrets.sql_passwords import redacted
from templedb_nb.core.sql.execution_units import StepMode
from templedb_nb.core.sql.tokens import Meta, Statement
from templedb_nb.model.compatibility import Compat, Compatibility, strength
from templedb_nb.model.step import Mode

_COMMENT = "-- "


class OrderedMigration(NamedTuple):
    """One migration as it runs, in the database that *database* names."""

    key: str
    database: str
    script: Script


def compatibility(script: Script, known: Known | None = None) -> Compatibility:
    """Return what a migration means for older code.

    *known* is what migrations that older code does not know either made before it, in the same
    database; what this one makes is added to it.
    """
    found = _inferred(script, known if known is not None else Known())
    stated = script.asked.compat
    if stated is None:
        return found
    return Compatibility(
        word=stated.word,
        reason=_said(stated.reason) or f"stated on line {stated.line}",
        line=stated.line,
        stated=True,
        inferred=found.word,
        inferred_reason=found.reason,
    )


def in_order(migrations: Iterable[OrderedMigration]) -> Mapping[str, Compatibility]:
    """Return what each of several migrations means, by key, in the order in which they run.

    What an earlier one made is new to older code when a later one changes it. Of one key in two
    databases the stronger word counts.
    """
    known: dict[str, Known] = {}
    words: dict[str, Compatibility] = {}
    for each in migrations:
        found = compatibility(each.script, known.setdefault(each.database, Known()))
        before = words.get(each.key, found)
        words[each.key] = max(before, found, key=lambda word: strength(word.word))
    return words


def _said(reason: str) -> str:
    """Return what a comment says, without a password that stands in it."""
    return redacted(f"{_COMMENT}{reason}").removeprefix(_COMMENT)


def _inferred(script: Script, known: Known) -> Compatibility:
    """Return the strongest of its statements, the first of equal ones."""
    if not script.statements and script.problems:
        return Compatibility(word=Compat.UNKNOWN, reason="its statements are not known")
    best = Compatibility(word=Compat.EXPAND)
    for line, judgement in _judgements(script, known):
        if strength(judgement.word) > strength(best.word):
            reason = f"line {line}: {judgement.reason}"
            best = Compatibility(word=judgement.word, reason=reason, line=line)
    known.end_session()
    return best


def _judgements(script: Script, known: Known) -> Iterator[tuple[int, Judgement]]:
    for statement in _lasting(script):
        yield statement.line, judged(statement.tokens, known)
    for meta in script.commands:
        yield meta.line, _by_psql(meta)


def _lasting(script: Script) -> Iterator[Statement]:
    """Yield the statements, but for those that the file itself rolls back."""
    if script.mode is not Mode.STATEMENTS or not script.units:
        yield from script.statements
        return
    for unit in script.units:
        if unit.way is not StepMode.UNDONE:
            yield from unit.statements


def _by_psql(meta: Meta) -> Judgement:
    name = meta.text.split()[0]
    if name == "\\copy":
        return data(name, "rows of old code change, its statements do not")
    return unknown(name, "what psql does there is not analysed")
