"""Tables of tools that nothing is imported from: they only tell that something ran before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from templedb_nb.core.migrations.histories.known import TOOLS, Table, owners
from templedb_nb.core.migrations.histories.tool import Tool
from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticedTool:
    """One tool: how its tables are called, and which columns they have, without regard to case.

    With `exact` there are no others, for a name that many use. `beside` is a table that must be in
    the same schema. `names` is a column that may name the file that ran.
    """

    title: str
    tables: tuple[str, ...]
    columns: tuple[str, ...]
    names: str = ""
    exact: bool = False
    beside: str = ""

    def fits(self, table: str, columns: AbstractSet[str], beside: AbstractSet[str]) -> bool:
        """Return whether a table may be this tool's; all names are in small letters."""
        wanted = frozenset(self.columns)
        if table not in self.tables or (self.beside and self.beside not in beside):
            return False
        return columns == wanted if self.exact else columns >= wanted


NOTICED: Mapping[str, NoticedTool] = {
    each.title: each
    for each in (
        NoticedTool(
            title="knex",
            tables=("knex_migrations",),
            columns=("name", "batch", "migration_time"),
            names="name",
        ),
        NoticedTool(title="Sequelize", tables=("sequelizemeta",), columns=("name",), names="name"),
        NoticedTool(
            title="node-pg-migrate",
            tables=("pgmigrations",),
            columns=("name", "run_on"),
            names="name",
        ),
        NoticedTool(
            title="DbUp",
            tables=("schemaversions",),
            columns=("scriptname", "applied"),
            names="scriptname",
        ),
        NoticedTool(
            title="grate",
            tables=("scriptsrun",),
            columns=("script_name", "text_hash"),
            names="script_name",
        ),
        NoticedTool(
            title="Drizzle", tables=("__drizzle_migrations",), columns=("hash", "created_at")
        ),
        NoticedTool(
            title="TypeORM",
            tables=("migrations", "typeorm_migrations"),
            columns=("id", "timestamp", "name"),
            names="name",
            exact=True,
        ),
        NoticedTool(
            title="MikroORM",
            tables=("mikro_orm_migrations",),
            columns=("name", "executed_at"),
            names="name",
        ),
        NoticedTool(
            title="Kysely",
            tables=("kysely_migration",),
            columns=("name", "timestamp"),
            names="name",
        ),
        NoticedTool(
            title="postgres-migrations",
            tables=("migrations",),
            columns=("id", "name", "hash", "executed_at"),
            names="name",
            exact=True,
        ),
        NoticedTool(
            title="sql-migrate",
            tables=("gorp_migrations",),
            columns=("id", "applied_at"),
            names="id",
        ),
        NoticedTool(
            title="Rails",
            tables=("schema_migrations",),
            columns=("version",),
            exact=True,
            beside="ar_internal_metadata",
        ),
        NoticedTool(
            title="Ecto",
            tables=("schema_migrations",),
            columns=("version", "inserted_at"),
            exact=True,
        ),
        NoticedTool(
            title="Django", tables=("django_migrations",), columns=("app", "name", "applied")
        ),
        NoticedTool(
            title="Entity Framework",
            tables=("__efmigrationshistory", "__ef_migrations_history"),
            columns=(),
        ),
        NoticedTool(title="Phinx", tables=("phinxlog",), columns=("version",)),
        NoticedTool(
            title="Laravel",
            tables=("migrations",),
            columns=("id", "migration", "batch"),
            names="migration",
            exact=True,
        ),
        NoticedTool(
            title="Doctrine", tables=("doctrine_migration_versions",), columns=("version",)
        ),
        NoticedTool(
            title="Play", tables=("play_evolutions",), columns=("id", "hash", "apply_script")
        ),
        NoticedTool(
            title="MyBatis Migrations",
            tables=("changelog",),
            columns=("id", "applied_at", "description"),
            exact=True,
        ),
        NoticedTool(
            title="Evolve",
            tables=("changelog",),
            columns=("version", "description", "checksum", "installed_on", "success"),
            names="name",
        ),
        NoticedTool(
            title="FluentMigrator", tables=("versioninfo",), columns=("version", "appliedon")
        ),
        NoticedTool(title="shmig", tables=("shmig_version",), columns=("version",)),
        NoticedTool(
            title="rambler",
            tables=("migrations",),
            columns=("migration",),
            names="migration",
            exact=True,
        ),
        NoticedTool(
            title="Bun", tables=("bun_migrations",), columns=("name", "group_id"), names="name"
        ),
        NoticedTool(title="pop", tables=("schema_migration",), columns=("version",)),
        NoticedTool(
            title="Slonik",
            tables=("migration",),
            columns=("name", "hash", "date"),
            names="name",
            exact=True,
        ),
    )
}


def everybody(
    tables: Mapping[Table, Iterable[str]],
) -> list[tuple[Tool | NoticedTool, Table]]:
    """Return which of *tables*, given by their columns, are of a tool that is known here."""
    found: list[tuple[Tool | NoticedTool, Table]] = [*owners(tables)]
    taken = {table for _, table in found}
    schemas: dict[str, set[str]] = {}
    for schema, name in tables:
        schemas.setdefault(schema, set()).add(name.lower())
    for (schema, name), columns in sorted(tables.items()):
        small = frozenset(each.lower() for each in columns)
        for tool in NOTICED.values():
            fits = tool.fits(name.lower(), small, schemas[schema])
            if fits and (schema, name) not in taken:
                found.append((tool, (schema, name)))
                break
    return found


def wanted_columns(tool: Tool | NoticedTool) -> tuple[str, ...]:
    """Return the columns that are read of a tool's table."""
    if isinstance(tool, NoticedTool):
        return (tool.names,) if tool.names else ()
    return (*tool.columns, *tool.more)


def importable(title: str) -> bool:
    """Return whether the history of that tool can be imported."""
    return title in TOOLS


_COMMON = frozenset({"migrations", "migration", "changes", "changelog", "versioninfo"})
_KEPT = {
    name.lower(): title
    for title, names in (
        *((title, tool.tables) for title, tool in NOTICED.items()),
        *((title, tool.tables) for title, tool in TOOLS.items()),
    )
    for name in names
    if name.lower() not in _COMMON
}


def owner_of(table: str) -> str:
    """Return whose table has that name, if it is one that nobody else gives to a table."""
    return _KEPT.get(table.rpartition(".")[2].strip('"').lower(), "")
