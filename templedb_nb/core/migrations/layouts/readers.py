"""How each layout reads a folder, and a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from templedb_nb.core.migrations.layouts import (
    alembic,
    atlas,
    dbmate,
    diesel,
    flyway,
    golang_migrate,
    goose,
    graphile,
    liquibase,
    postgrator,
    prisma,
    refinery,
    sqitch,
    sqlx,
    supabase,
    tern,
    yoyo,
)
from templedb_nb.core.migrations.layouts.placing import MigrationFolder, Parts, Placements
from templedb_nb.model.layout import Layout, Reading

PLACES: Mapping[Layout, Callable[[MigrationFolder], Placements]] = {
    Layout.GOLANG_MIGRATE: golang_migrate.place,
    Layout.DBMATE: dbmate.place,
    Layout.GOOSE: goose.place,
    Layout.FLYWAY: flyway.place,
    Layout.PRISMA: prisma.place,
    Layout.SUPABASE: supabase.place,
    Layout.SQLX: sqlx.place,
    Layout.DIESEL: diesel.place,
    Layout.ATLAS: atlas.place,
    Layout.GRAPHILE: graphile.place,
    Layout.POSTGRATOR: postgrator.place,
    Layout.REFINERY: refinery.place,
    Layout.YOYO: yoyo.place,
    Layout.SQITCH: sqitch.place,
    Layout.LIQUIBASE: liquibase.place,
    Layout.TERN: tern.place,
    Layout.ALEMBIC: alembic.place,
}
NESTED = frozenset({Layout.PRISMA, Layout.DIESEL})
"""Layouts with a folder for each migration."""


def parts(text: str, reading: Reading) -> Parts:
    """Return what of a text goes up and what goes down."""
    match reading.layout:
        case Layout.DBMATE:
            return dbmate.parts(text)
        case Layout.GOOSE:
            return goose.parts(text)
        case Layout.FLYWAY:
            return flyway.parts(text, reading)
        case Layout.SQLX:
            return sqlx.parts(text)
        case Layout.ATLAS:
            return atlas.parts(text)
        case Layout.GRAPHILE:
            return graphile.parts(text, reading)
        case Layout.YOYO:
            return yoyo.parts(text)
        case Layout.LIQUIBASE:
            return liquibase.parts(text, reading)
        case Layout.TERN:
            return tern.parts(text)
        case _:
            return Parts(up=text)
