"""The steps of a plan as a table; a migration folds out to what it does and to its SQL."""

from __future__ import annotations

from collections.abc import Mapping

from templedb_nb.model.compatibility import Compat, Compatibility
from templedb_nb.model.effect import Blocks, StatementEffect, TableLock
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.plan import NOT_EXACTLY_ONCE, Preview, ScriptSummary
from templedb_nb.model.step import Migration, Mode, Step, failure_hook
from templedb_nb.views.format import many
from templedb_nb.views.html.card import (
    Column,
    Tone,
    body,
    code,
    folded,
    quiet,
    table,
    toned,
)
from templedb_nb.views.html.markup import Child, Html, join, tag
from templedb_nb.views.html.sql import sql_block
from templedb_nb.views.locks import CAVEAT, blocked, blocks, held
from templedb_nb.views.plans import nature, older_code, settles

COLUMNS = (
    Column("#", number=True),
    Column("Phase"),
    Column("Step", wide=True),
    Column("What is known"),
)
CLASSES = (Column("Line", number=True), Column("Statement", wide=True))
EFFECTS = (
    Column("Line", number=True),
    Column("Statement"),
    Column("Table"),
    Column("Lock"),
    Column("Blocks"),
    Column("Beside", wide=True),
)
OLDER_CODE = {Compat.CONTRACT: Tone.BAD, Compat.UNKNOWN: Tone.LOUD}
TONES = {Blocks.ALL: Tone.BAD, Blocks.WRITES: Tone.LOUD, Blocks.UNKNOWN: Tone.LOUD}


def steps_table(value: Preview) -> Html | None:
    """Return every step, in order, below the names of their groups."""
    if not value.plan.steps:
        return None
    scripts = {each.file: each for each in value.draft.scripts}
    bodies, first = [], 1
    for place, group in enumerate(value.plan.groups, start=1):
        rows = [_step(n, step, scripts, value) for n, step in enumerate(group.steps, first)]
        later = (
            toned(Tone.QUIET, " (later groups run even if it fails)")
            if group.continue_on_failure
            else None
        )
        bodies.append(body(COLUMNS, rows, join(f"{place}. {group.name}", later)))
        first += len(rows)
    locks = any(each.impact.locks for each in value.draft.scripts)
    return join(table("Steps, in order", COLUMNS, bodies), quiet(CAVEAT) if locks else None)


def _step(
    number: int, step: Step, scripts: Mapping[str, ScriptSummary], value: Preview
) -> list[Child]:
    phase = toned(Tone.QUIET, step.phase.value)
    script = scripts.get(step.file) if isinstance(step, Migration) else None
    told = _folded(step, script, value) if script and script.statements else code(step.title)
    return [str(number), phase, told, _known(step, script)]


def _known(step: Step, script: ScriptSummary | None) -> Child:
    if isinstance(step, CheckHealth):
        return toned(Tone.QUIET, f"{nature(step)}: {settles(step)}")
    if step.opaque:
        later = ", only after a failure" if failure_hook(step) else ""
        return toned(Tone.QUIET, f"opaque command{later}")
    counted = f", {many(script.statements, 'statement')}" if script else ""
    alone = isinstance(step, Migration) and step.mode is not Mode.TRANSACTION
    twice = alone and script is not None and NOT_EXACTLY_ONCE in script.note
    told = f"no transaction, {NOT_EXACTLY_ONCE}" if twice else "no transaction"
    loud = join(", ", toned(Tone.LOUD, told)) if alone else None
    locks = script.impact.locks if script else ()
    waits = join(tag("br"), toned(_tone(locks), blocked(locks))) if locks else None
    older = _older_code(script.compatibility) if script and script.compatibility else None
    return join(toned(Tone.QUIET, f"exact{counted}"), loud, waits, older)


def _older_code(found: Compatibility) -> Html:
    tone = OLDER_CODE.get(found.word, Tone.QUIET)
    return join(tag("br"), toned(tone, f"older code: {older_code(found)}"))


def _tone(locks: tuple[TableLock, ...]) -> Tone:
    return TONES.get(locks[0].blocks, Tone.QUIET)


def _folded(step: Step, script: ScriptSummary, value: Preview) -> Html:
    told = held(script.impact, step)
    note = f"Not in a transaction: {script.note}." if script.note else ""
    return folded(
        code(step.title),
        quiet(note) if note else None,
        tag("p", told) if told else None,
        _effects(script),
        sql_block(script.text) if script.text else None,
        _more(script, value),
    )


def _more(script: ScriptSummary, value: Preview) -> Html | None:
    if not script.more_lines:
        return None
    words = f"{value.slug} {script.file} --target {value.plan.target}"
    more = f"{many(script.more_lines, 'more line')}: "
    return tag("p", more, code(f"%templedb migration show {words}"))


def _effects(script: ScriptSummary) -> Html:
    found = script.impact
    caption = "What its statements do"
    more = f", the first {len(found.effects)} of {script.statements}" if found.more else ""
    if not found.locks and not any(each.touched for each in found.effects):
        classes = [[str(each.line), _what(each)] for each in found.effects]
        return table(f"{caption}{more}", CLASSES, body(CLASSES, classes))
    rows = [row for each in found.effects for row in _rows(each)]
    return table(f"{caption}{more}", EFFECTS, body(EFFECTS, rows))


def _rows(each: StatementEffect) -> list[list[Child]]:
    """Return a row for each thing that a statement touches, and one where it touches nothing."""
    first: list[Child] = [str(each.line), _what(each)]
    if not each.touched:
        return [[*first, None, toned(Tone.QUIET, "none"), toned(Tone.QUIET, "nobody"), each.note]]
    rows: list[list[Child]] = []
    for place, touched in enumerate(each.touched):
        head: list[Child] = [None, None] if place else first
        tone = TONES.get(touched.blocks, Tone.QUIET)
        name = code(touched.title) if touched.name else "not known"
        lock = toned(Tone.QUIET, "new") if touched.new else str(touched.lock)
        note = None if place else each.note
        rows.append([*head, name, lock, toned(tone, blocks(touched)), note])
    return rows


def _what(each: StatementEffect) -> str:
    return f"{each.what}, {each.count} times" if each.count > 1 else each.what
