"""Risky statements of pending migrations, by their tokens and the server's estimated sizes.

A table that the same plan made before has no readers: nothing is risky about it. What a rule asks
for, with examples, stands in docs/lint.md, and the tests try those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from itertools import pairwise

from templedb_nb.core.lint.locks.observed_effect import BUILDS, REWRITES, SCANS, ObservedEffect
from templedb_nb.core.lint.not_null import PlannedChecks, set_not_null
from templedb_nb.core.secrets.sql_passwords import passwords_in
from templedb_nb.core.sql.cursor import Name, word
from templedb_nb.core.sql.tokens import Statement
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.lint import Size, Sizes

BIG_ROWS, BIG_BYTES = 100_000, 64 << 20
"""From so many rows or bytes on, work on a whole table is worth a word."""
_UNUSABLE = "cannot be written, and mostly not be read"
_DROPPED = "first deploy code that does not use it; then drop it in a separate release"
_RENAMED = "add the new name beside the old one, move code over, and drop the old one later"
_IN_PARTS = "change some thousand rows at a time, each batch in its own transaction"


_EACH_PART = (
    "… ON ONLY the table; CREATE INDEX CONCURRENTLY on each partition; then ALTER INDEX … ATTACH "
    "PARTITION for each"
)


@dataclass(slots=True)
class KnownObjects:
    """What exists in a database, and what the plan itself has made of it so far."""

    sizes: Sizes | None
    made: set[tuple[str, ...]] = field(default_factory=set)
    checks: PlannedChecks = field(default_factory=PlannedChecks)
    by_name: dict[str, list[tuple[str, Size]]] = field(init=False, default_factory=dict)
    """The sizes again: a plan asks for each name often, and may name thousands."""

    def __post_init__(self) -> None:
        """Sort the sizes by name."""
        for (schema, name), size in (self.sizes or {}).items():
            self.by_name.setdefault(name, []).append((schema, size))

    def new(self, name: Name) -> bool:
        """Return whether nobody else can use it: the plan made it, or it is not there yet."""
        key = bare(name.key)
        return key in self.made or (self.sizes is not None and not self._sizes(key))

    def known(self, name: Name) -> Size | None:
        """Return what the server says of it; of several with that name, of the largest."""
        if self.sizes is None or not name.key:
            return None
        return max(self._sizes(bare(name.key)), key=lambda each: each.bytes, default=None)

    def proven(self, name: Name) -> frozenset[str]:
        """Return the columns that a valid check proves to hold no NULL."""
        there = known.checks if (known := self.known(name)) else ()
        return self.checks.proven(bare(name.key), there)

    def size(self, name: Name) -> tuple[str, bool]:
        """Return how large it is, in words, and whether that is large."""
        if self.sizes is None or not name.key:
            return "", True
        found = self.known(name)
        if found is None:
            return "", False
        big = (found.rows or 0) >= BIG_ROWS or found.bytes >= BIG_BYTES
        return f" ({rows_told(found)})", big

    def heavy(self, name: Name) -> bool:
        """Return whether it is large with the long values that are stored outside of its rows."""
        if self.sizes is None or not name.key:
            return True
        return any(each.bytes + each.toast >= BIG_BYTES for each in self._sizes(bare(name.key)))

    def remember(self, found: ObservedEffect, statement: Statement) -> None:
        """Take in what a statement makes, renames or proves."""
        if found.locked:
            table = found.locked[0][0]
            there = known.checks if (known := self.known(table)) else ()
            self.checks.remember(bare(table.key), statement.tokens, there)
        made = {bare(name.key) for name in found.made}
        self.made |= made
        if found.renamed.text and bare(found.locked[0][0].key) in self.made:
            self.made.add(bare(found.renamed.key))

    def _sizes(self, key: tuple[str, ...]) -> list[Size]:
        schema = key[-2] if len(key) > 1 else None
        found = self.by_name.get(key[-1], ())
        return [size for there, size in found if schema in {None, there}]


def bare(key: tuple[str, ...]) -> tuple[str, ...]:
    """Return a name without the schema that needs no word."""
    return key[1:] if len(key) == 2 and key[0] == "public" else key  # noqa: PLR2004 - schema and name


def rows_told(size: Size) -> str:
    """Return how large a table is, as its server guesses."""
    if size.rows is None:
        return f"{size.bytes + size.toast >> 20} MiB"
    if size.toast >= BIG_BYTES:
        return f"about {size.rows} rows, {size.bytes + size.toast >> 20} MiB with long values"
    if size.rows >= 1_000_000:  # noqa: PLR2004 - a million
        return f"about {size.rows / 1e6:.1f} million rows"
    return f"about {size.rows} rows"


@dataclass(frozen=True, slots=True)
class StatementPlace:
    """One statement, and what is known around it."""

    statement: Statement
    found: ObservedEffect
    table: Name
    size: str
    new: bool
    big: bool
    heavy: bool
    locked: tuple[Name, ...] = ()
    partitioned: bool = False
    has_default: bool = False
    proven: frozenset[str] = frozenset()

    @property
    def whats(self) -> frozenset[str]:
        """Return what the statement does, action by action."""
        return frozenset(self.found.what.split(", "))

    @property
    def on(self) -> str:
        """Return the table with its size."""
        return f"{self.table.text or 'each table concerned'}{self.size}"


LITERAL = "literal-password"
Rule = Callable[[StatementPlace], tuple[str, str] | None]
"""Returns what happens and the safer way, or None."""


def _drop_table(at: StatementPlace) -> tuple[str, str] | None:
    if "drop table" not in at.whats:
        return None
    return f"{at.on} and its rows are lost, and code that still uses it fails", _DROPPED


def _drop_column(at: StatementPlace) -> tuple[str, str] | None:
    if "drop column" not in at.whats:
        return None
    return f"values of {at.table.text} are lost, and code that still uses them fails", _DROPPED


def _drop_schema(at: StatementPlace) -> tuple[str, str] | None:
    if not at.whats & {"drop schema", "drop owned", "drop database"}:
        return None
    return f"{at.found.what}: everything in it is lost", _DROPPED


def _truncate(at: StatementPlace) -> tuple[str, str] | None:
    if "truncate" not in at.whats:
        return None
    mend = "keep a copy of the rows, or do it by hand under supervision"
    return f"every row of {at.on} is lost, and readers wait meanwhile", mend


def _rename_table(at: StatementPlace) -> tuple[str, str] | None:
    if not at.found.renamed.text:
        return None
    return f"code that uses {at.table.text} fails from then on", _RENAMED


def _rename_column(at: StatementPlace) -> tuple[str, str] | None:
    if "rename" not in at.whats or at.found.renamed.text:
        return None
    words = [word(token) for token in at.statement.tokens]
    behind = words[words.index("RENAME") + 1 :][:1]
    if behind in (["CONSTRAINT"], []):
        return None
    return f"code that uses the old name of a column of {at.table.text} fails", _RENAMED


def _table_rewrite(at: StatementPlace) -> tuple[str, str] | None:
    if REWRITES not in at.found.note or not (at.big or at.heavy):
        return None
    if "vacuum full" in at.whats or "cluster" in at.whats:
        return f"{at.on} is rewritten, and cannot be read meanwhile", "use pg_repack, or wait"
    may = "may be" if f"{REWRITES}," in at.found.note or f"{REWRITES} if" in at.found.note else "is"
    mend = "add a new column without a default, fill it in parts, then switch over"
    return f"{at.on} {may} rewritten, and cannot be read meanwhile", mend


def _index_not_concurrent(at: StatementPlace) -> tuple[str, str] | None:
    if "create index" not in at.whats or not at.big:
        return None
    if at.partitioned and any(each.upper == "ONLY" for each in at.statement.tokens):
        return None  # it builds nothing
    mend = f"CREATE INDEX {_EACH_PART}" if at.partitioned else "CREATE INDEX CONCURRENTLY"
    return f"{at.on} cannot be written while the index is built", mend


def _drop_index_not_concurrent(at: StatementPlace) -> tuple[str, str] | None:
    if "drop index" not in at.whats or not at.big:
        return None
    mend = "a partitioned index has no CONCURRENTLY: drop it when few sessions use the table"
    return (
        f"the table of {at.on} is locked for readers, too",
        mend if at.partitioned else "DROP INDEX CONCURRENTLY",
    )


def _reindex_not_concurrent(at: StatementPlace) -> tuple[str, str] | None:
    if "reindex" not in at.whats or not at.big:
        return None
    if not at.table.text and any(each.upper == "SYSTEM" for each in at.statement.tokens):
        return f"the catalog {_UNUSABLE}", "leave it to a DBA, in a maintenance window"
    return f"{at.on} {_UNUSABLE}", "REINDEX … CONCURRENTLY"


def _constraint_not_valid(at: StatementPlace) -> tuple[str, str] | None:
    adds = at.whats & {"add foreign key", "add constraint"}
    if not adds or SCANS not in at.found.note or not at.big:
        return None
    mend = "add it as NOT VALID; VALIDATE CONSTRAINT in a later migration, while writes go on"
    if at.partitioned and "add foreign key" in adds:
        mend = (
            "first add it to each partition as NOT VALID, and validate it there; then add it to "
            "the table, which takes those over without a scan"
        )
    return f"{at.on} is read completely under a lock that blocks writes", mend


def _set_not_null(at: StatementPlace) -> tuple[str, str] | None:
    if "set not null" not in at.whats or not at.big:
        return None
    if at.proven.issuperset(set_not_null(at.statement.tokens)):
        return None
    mend = "add CHECK (c IS NOT NULL) NOT VALID, validate it, then SET NOT NULL (no scan)"
    return f"{at.on} is scanned completely, and cannot be read meanwhile", mend


def _unique_without_index(at: StatementPlace) -> tuple[str, str] | None:
    if "add constraint" not in at.whats or BUILDS not in at.found.note or not at.big:
        return None
    mend = "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … USING INDEX"
    if at.partitioned:
        mend = f"a unique index does the same: CREATE UNIQUE INDEX {_EACH_PART}"
    if _excludes(at.statement):
        mend = "no index can be built before it: add it when few sessions use the table"
    return f"{at.on} cannot be read while its index is built", mend


def _excludes(statement: Statement) -> bool:
    """Return whether a constraint keeps rows apart: ADD CONSTRAINT … USING INDEX has no such."""
    behind = pairwise(word(token) for token in statement.tokens)
    return any(pair in _EXCLUDING for pair in behind)


_EXCLUDING = {("EXCLUDE", "USING"), ("EXCLUDE", "("), ("WITHOUT", "OVERLAPS")}


def _column_with_index(at: StatementPlace) -> tuple[str, str] | None:
    if "add column" not in at.whats or not at.big or REWRITES in at.found.note:
        return None
    if BUILDS not in at.found.note and SCANS not in at.found.note:
        return None
    mend = "first add only the column; then its index, or its constraint as NOT VALID"
    return f"{at.on} cannot be read while its constraint is checked", mend


def _refresh_not_concurrent(at: StatementPlace) -> tuple[str, str] | None:
    if "refresh materialized view" not in at.whats or not at.big:
        return None
    mend = "REFRESH MATERIALIZED VIEW CONCURRENTLY, which requires a unique index"
    return f"{at.on} cannot be read while its query runs", mend


def _every_row(at: StatementPlace) -> tuple[str, str] | None:
    if not at.whats & {"update", "delete"} or "every row" not in at.found.note or not at.big:
        return None
    return f"{at.found.what} of every row of {at.on}: they stay locked until it commits", _IN_PARTS


def _lock_timeout_off(at: StatementPlace) -> tuple[str, str] | None:
    words = [word(token) or token.text.strip("'\"") for token in at.statement.tokens]
    if words[:1] != ["SET"] or "LOCK_TIMEOUT" not in words:
        return None
    value = words[-1].upper()
    if value not in {"0", "DEFAULT"} and not value.startswith("0"):
        return None
    mend = "remove this setting, or write at the top of the file: -- templedb:lock-timeout 30s"
    return "a statement that waits for a lock without limit blocks all sessions behind it", mend


def _literal_password(at: StatementPlace) -> tuple[str, str] | None:
    if not passwords_in(at.statement):
        return None
    mend = "set it by hand (\\password of psql), or by a command that takes it from a variable"
    return "the file contains a password: everybody who can read the repository can read it", mend


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
SEVERAL = "several-tables-locked"
