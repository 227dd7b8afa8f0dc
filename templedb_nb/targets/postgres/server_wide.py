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
_TYPES = "SELECT typname FROM pg_catalog.pg_type WHERE typname = ANY (%(names)s)"
_RELATIONS = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = ANY (%(names)s)
  AND n.nspname NOT LIKE 'pg\\_t%%'
UNION SELECT n.nspname, p.proname || '()' FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.proname || '()' = ANY (%(names)s)
"""
_PATH = "SELECT pg_catalog.current_setting('search_path'), current_user::text"
_DATABASES = "SELECT datname FROM pg_catalog.pg_database WHERE datname = ANY (%(names)s)"


def there(connection: Connection, wanted: ServerWide) -> ServerWide:
    """Return those of the *wanted* names that are there."""

    def found(query: str, names: frozenset[str]) -> frozenset[str]:
        if not names:
            return names
        rows = connection.execute(query, {"names": sorted(names)}).fetchall()
        return frozenset(name for (name,) in rows)

    relations, path = _relations(connection, {name for _, name in wanted.relations})
    return ServerWide(
        extensions=found(_EXTENSIONS, wanted.extensions),
        roles=found(_ROLES, wanted.roles),
        databases=found(_DATABASES, wanted.databases),
        schemas=found(_SCHEMAS, wanted.schemas),
        types=found(_TYPES, wanted.types),
        relations=relations,
        path=path,
    )


def _relations(
    connection: Connection, names: set[str]
) -> tuple[frozenset[tuple[str, str]], tuple[str, ...]]:
    """Return where relations of those names are, and the session's search_path."""
    if not names:
        return frozenset(), ()
    rows = connection.execute(_RELATIONS, {"names": sorted(names)}).fetchall()
    ((path, user),) = connection.execute(_PATH).fetchall()
    parts = [each.strip().strip('"') for each in path.split(",")]
    listed = tuple(user if each == "$user" else each for each in parts)
    return frozenset((schema, name) for schema, name in rows), ("pg_catalog", *listed)
