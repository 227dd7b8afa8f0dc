"""Every tool whose table can be imported, and which tables are whose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from templedb_nb.core.migrations.histories.chained import (
    ATLAS,
    GRAPHILE,
    POSTGRATOR,
    REFINERY,
    SQITCH,
    YOYO,
)
from templedb_nb.core.migrations.histories.flyway import FLYWAY
from templedb_nb.core.migrations.histories.graphs import ALEMBIC, LIQUIBASE, RIVER, TERN
from templedb_nb.core.migrations.histories.hashed import PRISMA, SQLX, SUPABASE
from templedb_nb.core.migrations.histories.older import OLDER, OLDER_TEMPLEDB
from templedb_nb.core.migrations.histories.simple import DBMATE, DIESEL, GOLANG_MIGRATE, GOOSE
from templedb_nb.core.migrations.histories.tool import Tool

TOOLS: Mapping[str, Tool] = {
    tool.title: tool
    for tool in (
        GOLANG_MIGRATE,
        DBMATE,
        GOOSE,
        FLYWAY,
        PRISMA,
        SUPABASE,
        SQLX,
        DIESEL,
        ATLAS,
        GRAPHILE,
        POSTGRATOR,
        REFINERY,
        YOYO,
        SQITCH,
        LIQUIBASE,
        ALEMBIC,
        TERN,
        RIVER,
    )
} | {OLDER: OLDER_TEMPLEDB}

Table = tuple[str, str]
"""A schema and the name of a table in it."""


def owners(tables: Mapping[Table, Iterable[str]]) -> list[tuple[Tool, Table]]:
    """Return which of *tables*, given by their columns, are of a tool: told by name and columns."""
    names = frozenset(tables)
    return [
        (tool, (schema, table))
        for (schema, table), columns in sorted(tables.items())
        for tool in TOOLS.values()
        if tool.fits(schema, table, columns) and not _other(tool, schema, names)
    ]


def _other(tool: Tool, schema: str, tables: AbstractSet[Table]) -> bool:
    """Return whether a table beside it says that it is another tool's."""
    return bool(tool.unless) and (schema, tool.unless) in tables
