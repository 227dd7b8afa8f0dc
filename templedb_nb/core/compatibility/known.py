"""What the same plan made before: older code cannot use it, so nothing about it breaks that code.

Names count as they are written. ``users`` and ``public.users`` may be two tables, for no text
says which schemas a session looks through.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import field, replace

from templedb_nb.core.compatibility.judgement import EXPAND, Judgement, data
from templedb_nb.core.sql.cursor import Name
from templedb_nb.core.sql.tokens import Token
from templedb_nb.model.dataclass import dataclass

Key = tuple[str, ...]
REFERRED = data("FOREIGN KEY", "old code cannot delete rows that new rows refer to")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewColumn:
    """A column that the plan added to an older table, as older inserts meet it.

    They leave it `filled` where it has a default, by a `fresh` value each time where that differs
    from row to row. `watched` are those that a constraint looks at.
    """

    filled: bool = False
    fresh: bool = False
    not_null: bool = False
    watched: bool = False

    @property
    def empty(self) -> bool:
        """Return whether older inserts leave it NULL."""
        return not self.filled and not self.not_null


@dataclass(slots=True)
class Known:
    """Everything that was made so far, by kind."""

    nothing_older: bool = False
    """Whether the database was empty before: older code uses nothing in it."""
    relations: set[Key] = field(default_factory=set)
    temporary: set[Key] = field(default_factory=set)
    types: dict[Key, bool] = field(default_factory=dict)
    """Whether a type may refuse values: domains do."""
    domains: set[Key] = field(default_factory=set)
    """Domains that no older table has come to use."""
    functions: dict[Key, set[str]] = field(default_factory=dict)
    """Their arguments, by name."""
    schemas: set[str] = field(default_factory=set)
    columns: dict[Key, dict[Key, NewColumn]] = field(default_factory=dict)
    """By older table."""
    constraints: dict[Key, set[Key]] = field(default_factory=dict)
    """By older table."""
    near: bool = False
    """Whether anything is known without a schema."""
    elsewhere: bool = False
    """Whether names without a schema have come to mean others within a file."""
    refers: bool = False
    """Whether something new refers to something older by a foreign key."""
    filled: bool = False
    """Whether something new has rows."""

    def new(self, name: Name) -> bool:
        """Return whether a table, a view, an index or a sequence is new."""
        return name.key in self.relations or self.inside(name)

    def inside(self, name: Name) -> bool:
        """Return whether it is in a schema that is new as a whole."""
        return self.nothing_older or (len(name.key) > 1 and name.key[-2] in self.schemas)

    def new_schema(self, name: Name) -> bool:
        """Return whether a schema is new."""
        return self.nothing_older or name.key[-1] in self.schemas

    def new_type(self, name: Name) -> bool:
        """Return whether a type is new."""
        return name.key in self.types or self.inside(name)

    def new_function(self, name: Name, arguments: Sequence[Token] | None) -> bool:
        """Return whether a function is new; without *arguments*, whether one of its name is."""
        if self.inside(name):
            return True
        known = self.functions.get(name.key, set())
        return bool(known) if arguments is None else signature(arguments) in known

    def column(self, table: Name, name: Name) -> NewColumn | None:
        """Return a new column of an older table."""
        return self.columns.get(table.key, {}).get(name.key)

    def new_constraint(self, table: Name, name: Name) -> bool:
        """Return whether a constraint of an older table is new."""
        return name.key in self.constraints.get(table.key, set())

    def add(self, name: Name, *, temporary: bool = False) -> None:
        """Take in a relation."""
        if name.key:
            self.near = self.near or len(name.key) == 1
            self.relations.add(name.key)
        if name.key and temporary:
            self.temporary.add(name.key)

    def add_function(self, name: Name, arguments: Sequence[Token]) -> None:
        """Take in a function."""
        self.near = self.near or len(name.key) == 1
        self.functions.setdefault(name.key, set()).add(signature(arguments))

    def add_column(self, table: Name, name: Name, column: NewColumn) -> None:
        """Take in a column, or what became of it."""
        self.near = self.near or len(table.key) == 1
        self.columns.setdefault(table.key, {})[name.key] = column

    def add_type(self, name: Name, *, refuses: bool) -> None:
        """Take in a type; one that *refuses* values is a domain."""
        if name.key:
            self.near = self.near or len(name.key) == 1
            self.types[name.key] = refuses

    def use_type(self, name: Name) -> None:
        """Note that an older table uses a type: what it refuses from now on, older inserts meet."""
        self.domains.discard(name.key)

    def drop_column(self, table: Name, name: Name) -> bool:
        """Forget a column; say whether it was new."""
        return self.columns.get(table.key, {}).pop(name.key, None) is not None

    def add_constraint(self, table: Name, name: Name) -> None:
        """Take in a constraint by its name."""
        self.near = self.near or len(table.key) == 1
        if name.key:
            self.constraints.setdefault(table.key, set()).add(name.key)

    def watch(self, table: Name, names: Iterable[Name]) -> None:
        """Note that a constraint looks at columns."""
        for name in names:
            if column := self.column(table, name):
                self.add_column(table, name, replace(column, watched=True))

    def refer(self) -> Judgement:
        """Note a foreign key of something new, and judge it by the rows that it has already."""
        self.refers = True
        return REFERRED if self.filled else EXPAND

    def fill(self) -> Judgement:
        """Note rows of something new, and judge them by what they may refer to."""
        self.filled = True
        return REFERRED if self.refers else EXPAND

    def drop(self, name: Name) -> None:
        """Forget a relation, and what belongs to it."""
        self.relations.discard(name.key)
        self.temporary.discard(name.key)
        self.columns.pop(name.key, None)
        self.constraints.pop(name.key, None)

    def rename(self, old: Name, new: Key) -> None:
        """Follow a new relation to its new name."""
        if old.key in self.relations:
            self.drop(old)
            self.add(Name("", new))

    def forget_places(self) -> None:
        """Forget what is known without a schema: those names may mean others from here on."""
        self.elsewhere = True
        if not self.near:
            return
        self.near = False
        self.relations = {each for each in self.relations if len(each) > 1}
        self.types = {each: refuses for each, refuses in self.types.items() if len(each) > 1}
        self.domains = {each for each in self.domains if len(each) > 1}
        for by_name in (self.functions, self.columns, self.constraints):
            for key in [each for each in by_name if len(each) == 1]:
                del by_name[key]

    def drop_temporary(self) -> None:
        """Forget temporary tables."""
        for key in tuple(self.temporary):
            self.drop(Name("", key))

    def end_session(self) -> None:
        """Forget what ends with a migration: temporary tables, and where it looked for names."""
        self.drop_temporary()
        if self.elsewhere:
            self.forget_places()
        self.elsewhere = False

    def forget(self) -> None:
        """Forget everything: it may have been rolled back."""
        fresh = Known(nothing_older=self.nothing_older, elsewhere=self.elsewhere)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))


def before(database: str, empty: AbstractSet[str]) -> Known:
    """Return what is new of a database before anything has run; all of it, if it is *empty*."""
    return Known(nothing_older=database in empty)


def signature(arguments: Sequence[Token]) -> str:
    """Return the arguments of a function in a form that compares."""
    return " ".join(each.text.lower() for each in arguments)
