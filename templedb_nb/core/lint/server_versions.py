"""Statements that only a later server knows, found before a file stops in its middle there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from templedb_nb.core.migrations.script import Script
from templedb_nb.core.sql import classify
from templedb_nb.core.sql.derived_tables import has_unnamed
from templedb_nb.core.sql.directives import WHOLE
from templedb_nb.core.sql.tokens import Statement, TokenKind
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.step import Mode

_NAME = "_"
"""Stands for what is neither a bare word nor a symbol: nothing that these rules look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewerForm:
    """A form of a statement that is there since a major version; `form` matches words and signs."""

    version: int
    what: str
    form: re.Pattern[str]
    mend: str = ""


def _since(version: int, what: str, form: str, mend: str = "") -> NewerForm:
    return NewerForm(version=version, what=what, form=re.compile(form), mend=mend)


_DETACH = "ALTER TABLE .* DETACH PARTITION .*"
_FIRST = frozenset({"ALTER", "CREATE", "GRANT", "MERGE", "REINDEX", "VACUUM"})
FORMS = (
    _since(14, "DETACH PARTITION … CONCURRENTLY", rf"{_DETACH} CONCURRENTLY$",
           "without CONCURRENTLY it locks the table for a moment"),
    _since(14, "DETACH PARTITION … FINALIZE", rf"{_DETACH} FINALIZE$"),
    _since(14, "CREATE OR REPLACE TRIGGER", r"CREATE OR REPLACE (?:CONSTRAINT )?TRIGGER ",
           "DROP TRIGGER IF EXISTS, then CREATE TRIGGER"),
    _since(14, "REINDEX (TABLESPACE …)", r"REINDEX \( [^)]*\bTABLESPACE\b"),
    _since(14, "VACUUM (PROCESS_TOAST)", r"VACUUM \( [^)]*\bPROCESS_TOAST\b"),
    _since(15, "MERGE", r"MERGE INTO ", "INSERT … ON CONFLICT DO UPDATE"),
    _since(15, "NULLS NOT DISTINCT", r"(?:CREATE|ALTER) .*\bNULLS NOT DISTINCT\b"),
    _since(15, "REFRESH COLLATION VERSION of a database",
           r"ALTER DATABASE .* REFRESH COLLATION VERSION$"),
    _since(16, "REINDEX DATABASE without a name",
           r"REINDEX (?:\( .* \) )?(?:DATABASE|SYSTEM)(?: CONCURRENTLY)?$", "name the database"),
    _since(16, "an option of VACUUM", r"VACUUM \( [^)]*\b(?:PROCESS_MAIN|SKIP_DATABASE_STATS|"
           r"ONLY_DATABASE_STATS|BUFFER_USAGE_LIMIT)\b"),
    _since(16, "GRANT … WITH INHERIT or SET", r"GRANT .*\bWITH (?:ADMIN \w+ , )?(?:INHERIT|SET) "
           r"(?:TRUE|FALSE|OPTION)\b"),
    _since(18, "VIRTUAL", r"(?:CREATE|ALTER) (?:\w+ )?TABLE .*\) VIRTUAL\b",
           "GENERATED ALWAYS AS (…) STORED"),
    _since(18, "NOT ENFORCED", r"(?:CREATE|ALTER) (?:\w+ )?TABLE .*\bNOT ENFORCED\b"),
    _since(18, "WITHOUT OVERLAPS", r"(?:CREATE|ALTER) (?:\w+ )?TABLE .*\bWITHOUT OVERLAPS\b"),
)  # fmt: skip


UNNAMED = _since(
    16, "a subquery in FROM without a name of its own", "", "write AS and a name behind it"
)


def too_new(script: Script, file: str, server: int) -> Iterator[Finding]:
    """Yield a finding for each statement that a server of that major version does not know."""
    for statement in script.statements:
        if since := unknown(statement, server):
            yield Finding(
                severity=Severity.ERROR,
                topic=Topic.MIGRATION,
                message=(
                    f"{since.what} needs PostgreSQL {since.version}; "
                    f"this server is PostgreSQL {server}"
                ),
                where=f"{file}:{statement.line}",
                mend=since.mend,
            )


_ENUMS_SINCE = 17
_RULE = "enum-value-used"


def enum_used_early(script: Script, file: str, server: int) -> Iterator[Finding]:
    """Yield a warning for each enum value that is used where its type and itself are made.

    PostgreSQL 17 and newer allow that in one transaction, earlier servers refuse it (55P04). Of a
    type that was there before, the script itself tells: no server allows that.
    """
    if server >= _ENUMS_SINCE or script.mode is not Mode.TRANSACTION:
        return
    made: set[str] = set()
    added: set[str] = set()
    for statement in script.statements:
        name, labels = classify.type_name(statement), classify.added_labels(statement)
        if name and statement.tokens[0].upper == "CREATE":
            made.add(name)
        elif labels and name in made:
            added |= set(labels)
        elif added and not _silenced(script, statement):
            used = {each.text for each in statement.tokens if each.kind is TokenKind.STRING}
            for label in sorted(used & added):
                yield Finding(
                    severity=Severity.WARNING,
                    topic=Topic.MIGRATION,
                    message=(
                        f"the new enum value {label} looks used in the transaction that adds it to"
                        f" a new type; that needs PostgreSQL {_ENUMS_SINCE},"
                        f" this server is PostgreSQL {server} [{_RULE}]"
                    ),
                    where=f"{file}:{statement.line}",
                    mend="name the value in CREATE TYPE, or use it in a later migration",
                )


def _silenced(script: Script, statement: Statement) -> bool:
    asked = script.asked.nolint
    return _RULE in asked.get(WHOLE, ()) or _RULE in asked.get(statement.start, ())


def unknown(statement: Statement, server: int) -> NewerForm | None:
    """Return the form that is too new for a server of that major version, if there is one."""
    first = statement.tokens[0].upper
    if server < UNNAMED.version and has_unnamed(statement.tokens):
        return UNNAMED
    if first not in _FIRST or all(each.version <= server for each in FORMS):
        return None
    words = " ".join(
        each.upper or (each.text if len(each.text) == 1 else _NAME) for each in statement.tokens
    )
    found = (each for each in FORMS if each.version > server and each.form.match(words))
    return next(found, None)
