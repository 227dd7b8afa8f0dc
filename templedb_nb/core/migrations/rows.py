"""Rows of migrations by their groups, and in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from templedb_nb.core.migrations.status import GroupMigrations, Scripts
from templedb_nb.model.config import Group
from templedb_nb.model.status import Tracked


def by_group(rows: Iterable[Tracked]) -> Mapping[str, Sequence[Tracked]]:
    """Return the rows of each group that has some, in their order."""
    found: dict[str, list[Tracked]] = {}
    for row in rows:
        found.setdefault(row.group, []).append(row)
    return found


def of_groups(found: Iterable[GroupMigrations], chosen: Iterable[Group]) -> list[GroupMigrations]:
    """Return the migrations of the chosen groups."""
    names = {group.name for group in chosen}
    return [each for each in found if each.group.name in names]


def repeatable_last(rows: Sequence[Tracked], known: Scripts) -> list[Tracked]:
    """Return the rows with those that run again when they change at the end, by name."""

    def late(row: Tracked) -> bool:
        script = known.get(row.source) if row.source else None
        return script is not None and script.asked.repeatable

    return [
        *(row for row in rows if not late(row)),
        *sorted((row for row in rows if late(row)), key=lambda row: row.file),
    ]
