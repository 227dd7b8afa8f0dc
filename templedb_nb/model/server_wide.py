"""What a server has for all of its databases, what it offers to one, and its schemas: by name."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerWide:
    """Names of extensions that can be created, and of roles, databases and schemas that exist.

    A version of an extension is ``name@version``. `relations` have a schema, or an empty one where
    any is wanted; `path` is the search_path of the session, with the user's own name.
    """

    extensions: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    databases: frozenset[str] = frozenset()
    schemas: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    relations: frozenset[tuple[str, str]] = frozenset()
    path: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether there is any name."""
        names = (self.extensions, self.roles, self.databases, self.schemas, self.types)
        return any(names) or bool(self.relations)
