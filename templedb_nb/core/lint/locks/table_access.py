"""Which tables a query reads and writes, by its tokens: SELECT, INSERT, UPDATE, DELETE, MERGE.

What views, rules, triggers and functions do beside that is in no text.
"""

from __future__ import annotations

from collections.abc import Sequence

from templedb_nb.core.sql.cursor import NAMING, NOWHERE, Cursor, Name, words
from templedb_nb.core.sql.tokens import Token
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.effect import LockMode

VERBS = words("SELECT WITH VALUES TABLE INSERT UPDATE DELETE MERGE")
_CHANGES = words("INSERT UPDATE DELETE MERGE")
_READING = VERBS - {"VALUES"} | words("FROM USING JOIN FOR")
"""Without one of these, what stands in a query reads no table."""
_END = words(
    "WHERE GROUP HAVING WINDOW ORDER LIMIT OFFSET FETCH UNION INTERSECT EXCEPT RETURNING "
    "SET SELECT WHEN INTO VALUES"
)
_NO_ALIAS = _END | words("JOIN LEFT RIGHT FULL INNER CROSS NATURAL ON USING FOR TABLESAMPLE WITH")


@dataclass(slots=True)
class _Read:
    name: Name
    alias: Name
    lock: LockMode = LockMode.ACCESS_SHARE


Locked = tuple[Name, LockMode]
DEEPEST = 50
"""Queries inside of each other are read so far; what those below lock is not known."""


def locked(
    tokens: Sequence[Token], hidden: frozenset[tuple[str, ...]] = frozenset(), depth: int = 0
) -> list[Locked]:
    """Return the tables of a query and their locks; *hidden* are names that stand for no table."""
    if depth >= DEEPEST:
        return [(NOWHERE, LockMode.UNKNOWN)]
    return _Query(hidden, depth).read(Cursor(tokens))


def verb(tokens: Sequence[Token]) -> str:
    """Return what a query does in the end, behind its WITH."""
    at = Cursor(tokens)
    while at.word == "(":
        at = Cursor(at.group())
    if at.take("WITH"):
        _Query(frozenset()).ctes(at)
    return at.word


class _Query:
    """One query, without those inside of it, which are read by others of this class."""

    def __init__(self, hidden: frozenset[tuple[str, ...]], depth: int = 0) -> None:
        self.hidden = hidden
        self.depth = depth
        self.reads: list[_Read] = []
        self.found: list[Locked] = []

    def read(self, at: Cursor) -> list[Locked]:
        """Return what the whole query locks."""
        if at.take("WITH"):
            self.ctes(at)
        items = self._changed(at) if at.word in _CHANGES else False
        if at.take("TABLE"):
            at.take("ONLY")
            self._table(at)
        self._scan(at, items=items)
        return [*self.found, *((each.name, each.lock) for each in self.reads)]

    def ctes(self, at: Cursor) -> None:
        """Read the queries of a WITH; their names stand for no table from then on."""
        recursive = at.take("RECURSIVE")
        bodies: list[tuple[Sequence[Token], frozenset[tuple[str, ...]]]] = []
        while True:
            key = at.name().key
            before = self.hidden
            self.hidden |= {key}
            at.skip_to("AS")
            at.take("AS")
            at.take("NOT")
            at.take("MATERIALIZED")
            bodies.append((at.group(), before))
            at.skip_to(",", *VERBS, "(")
            if not at.take(","):
                break
        for body, before in bodies:
            self.found += locked(body, self.hidden if recursive else before, self.depth + 1)

    def _changed(self, at: Cursor) -> bool:
        """Go behind the table that is changed; say whether others are named after USING."""
        what = at.word
        at.at += 1
        at.take("INTO" if what in {"INSERT", "MERGE"} else "FROM")
        at.take("ONLY")
        self.found.append((at.name(), LockMode.ROW_EXCLUSIVE))
        return what in {"DELETE", "MERGE"}

    def _scan(self, at: Cursor, *, items: bool) -> None:
        listing, before = False, ""
        if not at.holds(_READING):  # millions of values, say: nothing of them reads a table
            return
        while not at.done:
            this = at.word
            if this == "(":
                self._inside(at.group(), listing=False)
            elif this == "FROM" and before != "DISTINCT":
                at.at += 1
                listing = True
                self._item(at)
            elif this == "USING" and items:
                at.at += 1
                items, listing = False, True
                self._item(at)
            elif this == "JOIN" or (this == "," and listing):
                at.at += 1
                self._item(at)
            elif this == "FOR" and self.reads:
                at.at += 1
                self._for(at)
            else:
                listing = listing and this not in _END
                at.at += 1
            before = this

    def _inside(self, group: Sequence[Token], *, listing: bool) -> None:
        """Read what stands in parentheses: a query, a list of tables, or an expression."""
        at = Cursor(group)
        if at.word in VERBS:
            self.found += locked(at.tokens, self.hidden, self.depth + 1)
        elif listing:
            self._joined(at)
        else:
            self._groups(at)

    def _joined(self, at: Cursor) -> None:
        """Read a join in parentheses, which may hold others."""
        self.depth += 1
        if self.depth >= DEEPEST:
            self.found.append((NOWHERE, LockMode.UNKNOWN))
        else:
            self._item(at)
            self._scan(at, items=False)
        self.depth -= 1

    def _groups(self, at: Cursor) -> None:
        """Read the queries that stand in parentheses somewhere in an expression, however deep."""
        while not at.done:
            if at.word == "(" and at.ahead(1) in VERBS:
                self._inside(at.group(), listing=False)
            else:
                at.at += 1

    def _item(self, at: Cursor) -> None:
        """Read one thing of a FROM: a table, a function's rows, a query, a join in parentheses."""
        while at.word in {"LATERAL", "ONLY"}:
            at.at += 1
        if at.word == "(":
            self._inside(at.group(), listing=True)
        elif at.word == "ROWS" and at.ahead(1) == "FROM":
            at.at += 2
        else:
            self._table(at)

    def _table(self, at: Cursor) -> None:
        name = at.name()
        if not name.text or at.word == "(" or name.key in self.hidden:
            return
        at.take("*")
        alias = name
        as_ = at.take("AS")
        named = not at.done and at.tokens[at.at].kind in NAMING
        if named and (as_ or at.word not in _NO_ALIAS):
            alias = at.name()
        self.reads.append(_Read(name, alias))

    def _for(self, at: Cursor) -> None:
        """Read ``FOR [NO KEY] UPDATE`` or ``FOR [KEY] SHARE``, and which tables it is about."""
        at.take_any(words("NO KEY"))
        if at.word not in {"UPDATE", "SHARE"}:
            return
        at.at += 1
        only = {each.key[-1] for each in at.names()} if at.take("OF") else None
        for each in self.reads:
            if only is None or each.alias.key[-1] in only:
                each.lock = LockMode.ROW_SHARE
