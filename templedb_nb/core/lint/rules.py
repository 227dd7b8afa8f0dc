"""Risky statements of pending migrations, told by tokens and by the sizes that a server guesses.

A table that the same plan made before has no readers: nothing is risky about it. What a rule asks
for, with examples, stands in docs/lint.md, and the tests try those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from templedb_nb.core.lint.effects import seen
from templedb_nb.core.lint.observed_effect import ALL, BUILDS, REWRITES, SCANS, Seen
from templedb_nb.core.migrations.net_effect import RULES as LEAVING
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.secrets.sql_passwords import passwords_in
from templedb_nb.core.sql.cursor import NOWHERE, Name, word, words
from templedb_nb.core.sql.directives import WHOLE
from templedb_nb.core.sql.lexer import Statement
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.lint import Complaint, Size, Sizes
from templedb_nb.model.step import Mode
from templedb_nb.model.target import Level

BIG_ROWS, BIG_BYTES = 100_000, 64 << 20
"""From so many rows or bytes on, work on a whole table is worth a word."""
_DROPPED = "deploy code that does not use it first; then drop it in a release of its own"
_RENAMED = "add the new name beside the old one, move code over, and drop the old one later"
_IN_PARTS = "change the rows in parts of some thousands, each in a transaction of its own"


@dataclass(frozen=True, slots=True)
class _Place:
    """One statement, and what is known around it."""

    statement: Statement
    found: Seen
    table: Name
    size: str
    new: bool
    big: bool
    locked: tuple[Name, ...] = ()

    @property
    def whats(self) -> frozenset[str]:
        return frozenset(self.found.what.split(", "))

    @property
    def on(self) -> str:
        return f"{self.table.text}{self.size}"


LITERAL = "literal-password"
Rule = Callable[[_Place], tuple[str, str] | None]
"""Returns what happens and the safer way, or None."""


def _drop_table(at: _Place) -> tuple[str, str] | None:
    if "drop table" not in at.whats:
        return None
    return f"{at.on} and its rows are gone, and code that still uses it fails", _DROPPED


def _drop_column(at: _Place) -> tuple[str, str] | None:
    if "drop column" not in at.whats:
        return None
    return f"values of {at.table.text} are gone, and code that still uses them fails", _DROPPED


def _drop_schema(at: _Place) -> tuple[str, str] | None:
    if not at.whats & {"drop schema", "drop owned", "drop database"}:
        return None
    return f"{at.found.what}: everything in it is gone", _DROPPED


def _truncate(at: _Place) -> tuple[str, str] | None:
    if "truncate" not in at.whats:
        return None
    mend = "keep a copy of the rows, or do it by hand where somebody looks"
    return f"every row of {at.on} is gone, and readers wait meanwhile", mend


def _rename_table(at: _Place) -> tuple[str, str] | None:
    if not at.found.renamed.text:
        return None
    return f"code that says {at.table.text} fails from then on", _RENAMED


def _rename_column(at: _Place) -> tuple[str, str] | None:
    if "rename" not in at.whats or at.found.renamed.text:
        return None
    words = [word(token) for token in at.statement.tokens]
    behind = words[words.index("RENAME") + 1 :][:1]
    if behind in (["CONSTRAINT"], []):
        return None
    return f"code that says the old name of a column of {at.table.text} fails", _RENAMED


def _table_rewrite(at: _Place) -> tuple[str, str] | None:
    if REWRITES not in at.found.note or not at.big:
        return None
    if "vacuum full" in at.whats or "cluster" in at.whats:
        return f"{at.on} is written anew, and nobody reads it meanwhile", "use pg_repack, or wait"
    may = "may be" if f"{REWRITES}," in at.found.note or f"{REWRITES} if" in at.found.note else "is"
    mend = "add a new column without a default, fill it in parts, then switch over"
    return f"{at.on} {may} written anew, and nobody reads it meanwhile", mend


def _index_not_concurrent(at: _Place) -> tuple[str, str] | None:
    if "create index" not in at.whats or not at.big:
        return None
    return f"nobody writes to {at.on} while it is built", "CREATE INDEX CONCURRENTLY"


def _drop_index_not_concurrent(at: _Place) -> tuple[str, str] | None:
    if "drop index" not in at.whats or not at.big:
        return None
    return f"the table of {at.on} is locked for readers, too", "DROP INDEX CONCURRENTLY"


def _reindex_not_concurrent(at: _Place) -> tuple[str, str] | None:
    if "reindex" not in at.whats or not at.big:
        return None
    return f"{at.on} cannot be written, and mostly not be read", "REINDEX … CONCURRENTLY"


def _constraint_not_valid(at: _Place) -> tuple[str, str] | None:
    adds = at.whats & {"add foreign key", "add constraint"}
    if not adds or SCANS not in at.found.note or not at.big:
        return None
    mend = "add it as NOT VALID; VALIDATE CONSTRAINT in a later migration, while writes go on"
    return f"{at.on} is read as a whole under a lock that keeps writes waiting", mend


def _set_not_null(at: _Place) -> tuple[str, str] | None:
    if "set not null" not in at.whats or not at.big:
        return None
    mend = "add CHECK (c IS NOT NULL) NOT VALID, validate it, then SET NOT NULL: it proves it"
    return f"{at.on} is read as a whole, and nobody reads it meanwhile", mend


def _unique_without_index(at: _Place) -> tuple[str, str] | None:
    if "add constraint" not in at.whats or BUILDS not in at.found.note or not at.big:
        return None
    mend = "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … USING INDEX"
    return f"nobody reads {at.on} while its index is built", mend


def _column_with_index(at: _Place) -> tuple[str, str] | None:
    if "add column" not in at.whats or not at.big or REWRITES in at.found.note:
        return None
    if BUILDS not in at.found.note and SCANS not in at.found.note:
        return None
    mend = "add the column alone; then its index, or its constraint as NOT VALID"
    return f"nobody reads {at.on} while its constraint is checked", mend


def _refresh_not_concurrent(at: _Place) -> tuple[str, str] | None:
    if "refresh materialized view" not in at.whats or not at.big:
        return None
    mend = "REFRESH MATERIALIZED VIEW CONCURRENTLY, which wants a unique index"
    return f"nobody reads {at.on} while its query runs", mend


def _every_row(at: _Place) -> tuple[str, str] | None:
    if not at.whats & {"update", "delete"} or "every row" not in at.found.note or not at.big:
        return None
    return f"{at.found.what} of every row of {at.on}: they stay locked until it commits", _IN_PARTS


def _lock_timeout_off(at: _Place) -> tuple[str, str] | None:
    words = [word(token) or token.text.strip("'\"") for token in at.statement.tokens]
    if words[:1] != ["SET"] or "LOCK_TIMEOUT" not in words:
        return None
    value = words[-1].upper()
    if value not in {"0", "DEFAULT"} and not value.startswith("0"):
        return None
    mend = "leave lock_timeout as it is, or: -- templedb:lock-timeout 30s on top of the file"
    return "a statement that waits for a lock makes everybody behind it wait, without end", mend


def _literal_password(at: _Place) -> tuple[str, str] | None:
    if not passwords_in(at.statement):
        return None
    mend = "set it by hand (\\password of psql), or by a command that takes it from a variable"
    return "a password stands in the file: everybody who can read the repository has it", mend


RULES: dict[str, Rule] = {
    "drop-table": _drop_table,
    "drop-column": _drop_column,
    "drop-schema": _drop_schema,
    "truncate": _truncate,
    "rename-table": _rename_table,
    "rename-column": _rename_column,
    "table-rewrite": _table_rewrite,
    "index-not-concurrent": _index_not_concurrent,
    "drop-index-not-concurrent": _drop_index_not_concurrent,
    "reindex-not-concurrent": _reindex_not_concurrent,
    "constraint-not-valid": _constraint_not_valid,
    "set-not-null": _set_not_null,
    "unique-without-index": _unique_without_index,
    "column-with-check": _column_with_index,
    "refresh-not-concurrent": _refresh_not_concurrent,
    "every-row": _every_row,
    "lock-timeout-off": _lock_timeout_off,
    LITERAL: _literal_password,
}
"""The rules that look at one statement."""
LOSSES = words("drop-table drop-column drop-schema truncate rename-table rename-column")
"""Rules about what is gone afterwards, not about who waits meanwhile."""
SEVERAL, ENUM = "several-tables-locked", "enum-value-used"


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
class Linted:
    """What is risky, in order; `new` are the lines, by file, of statements on what nobody uses."""

    complaints: tuple[Complaint, ...]
    new: Mapping[str, tuple[range, ...]]


def lint(
    pending: Sequence[Pending],
    sizes: Mapping[str, Sizes | None],
    quiet: AbstractSet[str] = frozenset(),
) -> Linted:
    """Return what is risky in *pending*, in the order in which they run.

    *sizes* are by database; where one has none, every table counts as large. The databases of
    *quiet* have no locks on tables: only what is lost matters there.
    """
    known: dict[str, _Known] = {}
    found: list[Complaint] = []
    new: dict[str, tuple[range, ...]] = {}
    for each in pending:
        state = known.setdefault(each.database, _Known(sizes.get(each.database)))
        places = list(_places(each, state))
        new[each.file] = tuple(_lines(place.statement) for place in places if place.new)
        own = [*_of_statements(each, places), *_of_file(each, places)]
        if each.database in quiet:
            own = [one for one in own if one.rule in LOSSES | LEAVING | {LITERAL}]
        found += [one for one in own if not _silenced(each.script, one)]
    return Linted(complaints=tuple(found), new=new)


TWINS = words(
    "ban-drop-table ban-drop-column ban-drop-schema ban-drop-database ban-truncate-cascade "
    "renaming-table renaming-column changing-column-type adding-field-with-default "
    "adding-serial-primary-key-field require-concurrent-index-creation "
    "require-concurrent-index-deletion require-concurrent-reindex constraint-missing-not-valid "
    "adding-foreign-key-constraint adding-not-nullable-field disallowed-unique-constraint"
)
"""Rules of squawk's that ours decide with what the server knows: they are not told twice."""


def merged(linted: Linted, others: Iterable[Complaint]) -> tuple[Complaint, ...]:
    """Return our complaints with those of another linter that say something else.

    Statements on a table that the same plan makes are left out there, too.
    """
    fresh = [
        each
        for each in others
        if each.rule not in TWINS
        and not any(each.line in lines for lines in linted.new.get(each.file, ()))
    ]
    order = {file: place for place, file in enumerate(linted.new)}
    return tuple(
        sorted((*linted.complaints, *fresh), key=lambda each: (order[each.file], each.line))
    )


@dataclass(slots=True)
class _Known:
    """What exists in a database, and what the plan itself has made of it so far."""

    sizes: Sizes | None
    made: set[tuple[str, ...]] = field(default_factory=set)

    def new(self, name: Name) -> bool:
        """Return whether nobody else can use it: the plan made it, or it is not there yet."""
        key = _bare(name.key)
        return key in self.made or (self.sizes is not None and not self._sizes(key))

    def size(self, name: Name) -> tuple[str, bool]:
        """Return how large it is, in words, and whether that is large."""
        if self.sizes is None or not name.key:
            return "", True
        found = max(self._sizes(_bare(name.key)), key=lambda each: each.bytes, default=None)
        if found is None:
            return "", False
        big = (found.rows or 0) >= BIG_ROWS or found.bytes >= BIG_BYTES
        return f" ({_rows(found)})", big

    def remember(self, found: Seen) -> None:
        """Take in what a statement makes or renames."""
        made = {_bare(name.key) for name in found.made}
        self.made |= made
        if found.renamed.text and _bare(found.locked[0][0].key) in self.made:
            self.made.add(_bare(found.renamed.key))

    def _sizes(self, key: tuple[str, ...]) -> list[Size]:
        assert self.sizes is not None  # noqa: S101 - the callers asked
        schema = key[-2] if len(key) > 1 else None
        return [
            size
            for (there, name), size in self.sizes.items()
            if name == key[-1] and schema in {None, there}
        ]


def _bare(key: tuple[str, ...]) -> tuple[str, ...]:
    return key[1:] if len(key) == 2 and key[0] == "public" else key  # noqa: PLR2004 - schema and name


def _rows(size: Size) -> str:
    if size.rows is None:
        return f"{size.bytes >> 20} MiB"
    if size.rows >= 1_000_000:  # noqa: PLR2004 - a million
        return f"about {size.rows / 1e6:.1f} million rows"
    return f"about {size.rows} rows"


def _places(each: Pending, state: _Known) -> Iterator[_Place]:
    for statement in each.script.statements:
        found = seen(statement.tokens)
        table = found.locked[0][0] if found.locked else NOWHERE
        size, big = state.size(table)
        made = not found.locked and bool(found.made)
        new = made or (bool(table.key) and state.new(table))
        others = tuple(
            name
            for name, lock in found.locked
            if lock is ALL and name.key and not state.new(name) and state.size(name)[1]
        )
        yield _Place(statement, found, table, size, new, big, others)
        state.remember(found)


def _lines(statement: Statement) -> range:
    return range(statement.line, statement.line + statement.text.count("\n") + 1)


def _of_statements(each: Pending, places: Iterable[_Place]) -> Iterator[Complaint]:
    for place in places:
        for rule, look in RULES.items():
            if (told := look(place)) and (not place.new or rule == LITERAL):
                yield _complaint(rule, each.file, place.statement, *told)


def _of_file(each: Pending, places: Iterable[_Place]) -> Iterator[Complaint]:
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
            rule=ENUM,
            file=each.file,
            line=remark.line,
            column=1,
            message=remark.message,
            mend=remark.mend,
        )
    if each.script.mode is Mode.TRANSACTION:
        yield from _several(each, places)


def _several(each: Pending, places: Iterable[_Place]) -> Iterator[Complaint]:
    """Tell of a transaction that keeps readers of several large tables waiting."""
    locked: dict[tuple[str, ...], str] = {}
    for place in places:
        locked |= {_bare(name.key): name.text for name in place.locked}
        if len(locked) > 1:
            names = ", ".join(locked.values())
            message = f"one transaction keeps readers of {names} waiting, and may deadlock"
            yield _complaint(SEVERAL, each.file, place.statement, message, "a file for each table")
            return


def _complaint(rule: str, file: str, at: Statement, message: str, mend: str) -> Complaint:
    return Complaint(
        rule=rule, file=file, line=at.line, column=at.column, message=message, mend=mend
    )


def _silenced(script: Script, found: Complaint) -> bool:
    """Return whether the file, or a comment right before the statement, says that it is meant."""
    asked = script.asked.nolint
    if found.rule in asked.get(WHOLE, ()):
        return True
    start = next(
        (s.start for s in script.statements if (s.line, s.column) == (found.line, found.column)),
        None,
    )
    return start is not None and found.rule in asked.get(start, ())


def on_lint(found: Iterable[Complaint], level: Level) -> Iterator[Finding]:
    """Yield a finding for each complaint, as grave as the target has it.

    What a file leaves is told of every plan already, whatever the level.
    """
    severity = Severity.ERROR if level is Level.BLOCK else Severity.WARNING
    for each in (one for one in found if one.rule not in LEAVING):
        yield Finding(
            severity=severity,
            topic=Topic.LINT,
            message=f"{each.message} [{each.rule}]",
            where=f"{each.file}:{each.line}",
            mend=each.mend,
        )
