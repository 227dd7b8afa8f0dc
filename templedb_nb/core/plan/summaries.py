"""What a reader wants to know of the migrations of a plan: their text, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import lru_cache

from templedb_nb.core.compatibility.known import Known, before
from templedb_nb.core.compatibility.migrations import compatibility
from templedb_nb.core.lint.effects import impact
from templedb_nb.core.lint.locks.named_locks import Neighbours
from templedb_nb.core.migrations.down import down_script
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.migrations.status import Ledgers, Scripts
from templedb_nb.core.secrets.sql_passwords import redacted
from templedb_nb.model.effect import Impact
from templedb_nb.model.plan import ScriptSummary
from templedb_nb.model.step import Apply, Migration, Mode, Revert, Step
from templedb_nb.model.target import DatabaseName

LINES, SIZE, WHOLE = 400, 16_000, 128_000
"""So many lines and characters of one script, and characters of all, are shown."""


def summaries(
    steps: Iterable[Step],
    scripts: Scripts,
    ledgers: Ledgers,
    empty: AbstractSet[DatabaseName] = frozenset(),
) -> tuple[ScriptSummary, ...]:
    """Return a summary of each migration among *steps*; their texts are cut to what is read.

    Older code uses nothing of databases that are *empty*.
    """
    summed, room = [], WHOLE
    known: dict[str, Known] = {}
    for step in steps:
        script = scripts.get(step.source) if isinstance(step, Migration) else None
        if not isinstance(step, Migration) or script is None:
            continue
        found = None
        if isinstance(step, Apply):
            found = compatibility(
                script, known.setdefault(step.database, before(step.database, empty))
            )
        script = down_script(script) if isinstance(step, Revert) else script
        ledger = ledgers.get(step.database)
        text, more = excerpt(redacted(script.up).strip("\n"), room)
        room -= len(text)
        summed.append(
            ScriptSummary(
                file=step.file,
                statements=len(script.statements),
                lines=script.lines,
                note=script.note if step.mode is script.mode else "",
                impact=_impact(script, locking=ledger is None or ledger.table_locks),
                text=text,
                more_lines=more,
                compatibility=found,
            )
        )
    return tuple(summed)


def by_name(step: Migration, script: Script, near: Neighbours) -> Impact:
    """Return what a migration does, with what it locks beside what it names by name."""
    script = down_script(script) if isinstance(step, Revert) else script
    together = script.mode is Mode.TRANSACTION
    return impact(script.statements, together=together, locking=True, near=near)


def masked(summary: ScriptSummary, mask: Callable[[str], str]) -> ScriptSummary:
    """Return a summary without what *mask* hides in the words of its file."""
    found = summary.compatibility
    if found is not None:
        found = replace(found, reason=mask(found.reason))
    return replace(summary, text=mask(summary.text), compatibility=found)


def excerpt(text: str, room: int) -> tuple[str, int]:
    """Return the first lines of *text*, and how many more there are."""
    lines = text.splitlines()
    room = min(SIZE, room)
    size, kept = 0, 0
    for line in lines[:LINES]:
        size += len(line) + 1
        if size > room + 1:
            break
        kept += 1
    return "\n".join(lines[:kept]), len(lines) - kept


def _impact(script: Script, *, locking: bool) -> Impact:
    return _kept(_ScriptAddress(script), locking)


class _ScriptAddress:
    """A script under the address of its content: equal ones have equal effects."""

    __slots__ = ("key", "script")

    def __init__(self, script: Script) -> None:
        self.script = script
        self.key = (script.checksums.text, script.line, script.mode)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ScriptAddress) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@lru_cache(maxsize=1024)
def _kept(known: _ScriptAddress, locking: bool) -> Impact:  # noqa: FBT001 - a cache's key
    together = known.script.mode is Mode.TRANSACTION
    return impact(known.script.statements, together=together, locking=locking)
