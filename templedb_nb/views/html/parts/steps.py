"""The steps of a plan as a table; a migration folds out to what it does and to its SQL.

Of very many steps the table has those that a reviewer must see, and then the first ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from templedb_nb.model.compatibility import Compat, Compatibility
from templedb_nb.model.effect import Blocks, StatementEffect, TableLock
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.plan import NOT_EXACTLY_ONCE, PlannedGroup, Preview, ScriptSummary
from templedb_nb.model.step import Migration, Mode, Revert, Step, failure_hook
from templedb_nb.model.switch_step import SwitchSlot
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
from templedb_nb.views.locks import blocked, blocks, caveat, held
from templedb_nb.views.plans import SHOWN, chosen, nature, older_code, settles
from templedb_nb.views.slots import proof

COLUMNS = (
    Column("#", number=True),
    Column("Phase"),
    Column("Step", wide=True),
    Column("What is known", told=True),
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
EFFECT_ROWS = 2000
"""So many rows of what statements do a card has, for all its migrations together."""
TONES = {Blocks.ALL: Tone.BAD, Blocks.WRITES: Tone.LOUD, Blocks.UNKNOWN: Tone.LOUD}


def steps_table(value: Preview) -> Html | None:
    """Return every step, in order, below the names of their groups."""
    if not value.plan.steps:
        return None
    count = len(value.plan.steps)
    caption = "Steps, in order"
    if count > SHOWN:
        caption = f"{SHOWN} of {count} steps, in order; the others are not shown here"
    told = caveat(value)
    return join(
        table(caption, COLUMNS, list(_bodies(value))),
        _left_out(value) if count > SHOWN else None,
        quiet(told) if told else None,
    )


def _bodies(value: Preview) -> Iterator[Html]:
    """Yield the steps that are shown, below the names of their groups."""
    scripts = value.draft.told
    shown = chosen([_grave(*each) for each in zip(value.plan.steps, scripts, strict=True)])
    first, room = 0, EFFECT_ROWS
    for place, group in enumerate(value.plan.groups, start=1):
        rows = []
        for number, step in enumerate(group.steps, first):
            if number in shown:
                script = scripts[number]
                effects = _effect_rows(script) if script else []
                rows.append(_step(number + 1, step, script, effects[:room], value))
                room -= len(effects[:room])
        first += len(group.steps)
        if rows:
            yield body(COLUMNS, rows, join(f"{place}. {group.name}", _goes_on(group)))


def _goes_on(group: PlannedGroup) -> Html | None:
    if not group.continue_on_failure:
        return None
    return toned(Tone.QUIET, " (later groups run even if it fails)")


def _grave(step: Step, script: ScriptSummary | None) -> bool:
    """Return whether a reviewer must see a step, whatever else the plan has."""
    if step.opaque or isinstance(step, Revert):
        return True
    if script is None:
        return False
    found, locks = script.compatibility, script.impact.locks
    alone = isinstance(step, Migration) and step.mode is not Mode.TRANSACTION
    older = found is not None and found.word in OLDER_CODE
    return alone or older or bool(locks and locks[0].blocks in TONES)


def _left_out(value: Preview) -> Html:
    """Return which steps are not in the table, and what shows all."""
    rest = len(value.plan.steps) - SHOWN
    shown = "shown are commands, locks that block and risks for older code, then the first steps"
    how = join("All of them: ", code("frame(plan)"), " in Python, or ", code(_command(value)))
    return tag("p", toned(Tone.LOUD, f"… and {many(rest, 'more step')}"), f"; {shown}. ", how, ".")


def _command(value: Preview) -> str:
    return f"%templedb deploy plan {value.slug} --target {value.plan.target} --json"


def _step(
    number: int,
    step: Step,
    script: ScriptSummary | None,
    effects: list[list[Child]],
    value: Preview,
) -> list[Child]:
    phase = toned(Tone.QUIET, step.phase.value)
    told = code(step.title)
    if script and script.statements:
        told = _folded(step, script, effects, value)
    return [str(number), phase, told, _known(step, script)]


def _known(step: Step, script: ScriptSummary | None) -> Child:
    if isinstance(step, CheckHealth):
        return toned(Tone.QUIET, f"{nature(step)}: {settles(step)}")
    if isinstance(step, SwitchSlot):
        later = "only after a failure" if failure_hook(step) else f"proof: {proof(step)}"
        return toned(Tone.QUIET, later)
    if step.opaque:
        later = ", only after a failure" if failure_hook(step) else ""
        return toned(Tone.QUIET, f"opaque command{later}")
    counted = f", {many(script.statements, 'statement')}" if script else ""
    counted += ", by psql" if nature(step) == "psql" else ""
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


def _folded(step: Step, script: ScriptSummary, effects: list[list[Child]], value: Preview) -> Html:
    told = held(script.impact, step)
    note = f"Not in a transaction: {script.note}." if script.note else ""
    return folded(
        code(step.title),
        quiet(note) if note else None,
        tag("p", told) if told else None,
        _effects(script, effects),
        sql_block(script.text) if script.text else None,
        _more(script, value),
    )


def _more(script: ScriptSummary, value: Preview) -> Html | None:
    if not script.more_lines:
        return None
    words = f"{value.slug} {script.file} --target {value.plan.target}"
    more = f"{many(script.more_lines, 'more line')}: "
    return tag("p", more, code(f"%templedb migration show {words}"))


def _effects(script: ScriptSummary, rows: list[list[Child]]) -> Html | None:
    if not rows:
        return None
    found = script.impact
    caption = "What its statements do"
    more = f", the first {len(found.effects)} of {script.statements}" if found.more else ""
    columns = EFFECTS if _locking(script) else CLASSES
    return table(f"{caption}{more}", columns, body(columns, rows))


def _locking(script: ScriptSummary) -> bool:
    found = script.impact
    return bool(found.locks) or any(each.touched for each in found.effects)


def _effect_rows(script: ScriptSummary) -> list[list[Child]]:
    """Return a row for each thing that a script's statements do, or for each statement."""
    if _locking(script):
        return [row for each in script.impact.effects for row in _rows(each)]
    return [[str(each.line), _what(each)] for each in script.impact.effects]


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
