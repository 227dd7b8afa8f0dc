"""What a server of PostgreSQL offers, and what it has beside one database."""

from __future__ import annotations

from templedb_nb.model.server_wide import ServerWide
from templedb_nb.targets.postgres.connection.connect import Connection

_EXTENSIONS = """
SELECT name FROM pg_catalog.pg_available_extensions WHERE name = ANY (%(names)s)
UNION ALL SELECT extname FROM pg_catalog.pg_extension WHERE extname = ANY (%(names)s)
UNION ALL SELECT name || '@' || version FROM pg_catalog.pg_available_extension_versions
          WHERE name || '@' || version = ANY (%(names)s)
"""
_ROLES = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY (%(names)s)"
_SCHEMAS = "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname = ANY (%(names)s)"
_DATABASES = "SELECT datname FROM pg_catalog.pg_database WHERE datname = ANY (%(names)s)"


def there(connection: Connection, wanted: ServerWide) -> ServerWide:
    """Return those of the *wanted* names that are there."""

    def found(query: str, names: frozenset[str]) -> frozenset[str]:
        if not names:
            return names
        rows = connection.execute(query, {"names": sorted(names)}).fetchall()
        return frozenset(name for (name,) in rows)

    return ServerWide(
        extensions=found(_EXTENSIONS, wanted.extensions),
        roles=found(_ROLES, wanted.roles),
        databases=found(_DATABASES, wanted.databases),
        schemas=found(_SCHEMAS, wanted.schemas),
    )
