"""Tables that two migrations of one plan create: the second one would stop the run half way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from templedb_nb.core.lint.server_objects import PendingScript
from templedb_nb.core.sql.cursor import NAMING, Cursor, words
from templedb_nb.core.sql.tokens import Statement
from templedb_nb.model.finding import Finding, Severity, Topic

_TAKE_AWAY = words("DROP ALTER ROLLBACK")
_UNSEEN = words("DO CALL SELECT EXECUTE WITH SET RESET")
"""What may drop a table, or change where an unqualified name leads, without saying it."""


def on_tables_made_twice(pending: Sequence[PendingScript]) -> Iterator[Finding]:
    """Warn of each table that an earlier file creates, too, unless it may be gone or elsewhere."""
    made: dict[tuple[str, ...], str] = {}
    for each in pending:
        if not each.native or not each.fresh or not each.alone or each.script.commands:
            return
        for statement in each.script.statements:
            first = Cursor(statement.tokens).word
            if first in _UNSEEN:
                return
            if first in _TAKE_AWAY:
                named = {Cursor((t,)).name().key[-1] for t in statement.tokens if t.kind in NAMING}
                whole = statement.tokens[1:2] and statement.tokens[1].upper in {"SCHEMA", "OWNED"}
                gone = [key for key in made if whole or key[-1] in named or first == "ROLLBACK"]
                for key in gone:
                    del made[key]
                continue
            key, sure = _table(statement)
            if key and sure and made.get(key, each.file) != each.file:
                yield _twice(".".join(key), made[key], f"{each.file}:{statement.line}")
                return  # it stops there
            if key:
                made.setdefault(key, each.file)


def _twice(table: str, before: str, where: str) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        topic=Topic.MIGRATION,
        message=f"creates table {table}, as {before} does before: the run would stop here",
        where=where,
        mend=f'if one is a snapshot of others, leave it out: add "!{before}" to file_patterns',
    )


def _table(statement: Statement) -> tuple[tuple[str, ...], bool]:
    """Return the table that a statement creates, and whether it fails where there is one."""
    at = Cursor(statement.tokens)
    if not at.take("CREATE"):
        return (), False
    at.take("UNLOGGED")
    if not at.take("TABLE"):
        return (), False
    sure = not at.take("IF", "NOT", "EXISTS")
    return at.name().key, sure
