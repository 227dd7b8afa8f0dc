"""Whose convention a folder of migrations follows, and how that reads a file."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, TypeAlias

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.serialization import Digest


class Layout(StrEnum):
    """A convention for folders of migrations; all but the first two are other tools'."""

    AUTO = "auto"
    PLAIN = "plain"
    GOLANG_MIGRATE = "golang-migrate"
    DBMATE = "dbmate"
    GOOSE = "goose"
    FLYWAY = "flyway"
    PRISMA = "prisma"
    SUPABASE = "supabase"
    SQLX = "sqlx"
    DIESEL = "diesel"
    ATLAS = "atlas"
    GRAPHILE = "graphile-migrate"
    POSTGRATOR = "postgrator"
    REFINERY = "refinery"
    YOYO = "yoyo"
    SQITCH = "sqitch"
    LIQUIBASE = "liquibase"
    TERN = "tern"
    ALEMBIC = "alembic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a file's text becomes a migration, beside what the text itself says.

    `no_transaction` is what beside the file forbids a transaction; `values` are those of its
    placeholders; `opaque` is why it cannot be read at all. `part` names the one that is meant of
    several migrations in one file.
    """

    layout: Layout
    no_transaction: str = ""
    repeatable: bool = False
    literal: bool = False
    values: tuple[tuple[str, str], ...] = ()
    opaque: str = ""
    part: str = ""


class MigrationSource(NamedTuple):
    """A text, and how it is read."""

    blob: Digest
    reading: Reading


Address: TypeAlias = Digest | MigrationSource
"""What a script is read from; the address of a text alone is read by the plain convention."""


def address(blob: Digest, reading: Reading | None) -> Address:
    """Return where the script of a text that is read in that way comes from."""
    return blob if reading is None else MigrationSource(blob, reading)
