"""What a server has for all of its databases, what it offers to one, and its schemas: by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerWide:
    """Names of extensions that can be created, and of roles, databases and schemas that exist.

    A version of an extension is ``name@version``.
    """

    extensions: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    databases: frozenset[str] = frozenset()
    schemas: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Return whether there is any name."""
        return bool(self.extensions or self.roles or self.databases or self.schemas)
