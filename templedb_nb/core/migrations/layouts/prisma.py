"""Prisma: a folder for each migration, with ``migration.sql`` in it, in the order of names."""

from __future__ import annotations

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Placed,
    Placements,
    last,
    left_out,
    parent,
)
from templedb_nb.model.layout import Layout, Reading

NAME = "migration.sql"


def place(folder: MigrationFolder) -> Placements:
    """Return the folders by name, which is the key; Prisma has no down parts.

    Where there is a ``down.sql`` beside it, that is it: ``prisma migrate diff`` writes such ones.
    """
    reading = Reading(layout=Layout.PRISMA)
    downs = {path for path in folder.files if last(path) == "down.sql"}
    placed, findings = [], []
    for path in folder.files:
        if last(path) == NAME:
            down = f"{parent(path)}/down.sql"
            placed.append(
                Placed(
                    path=path,
                    key=last(parent(path)),
                    reading=reading,
                    down=down if down in downs else "",
                    base=folder.base,
                )
            )
        elif path not in downs:
            findings.append(left_out(path, "is not a migration.sql: Prisma ignores it"))
    placed.sort(key=lambda each: each.key)
    return Placements(files=tuple(placed), downs=tuple(sorted(downs)), findings=tuple(findings))
