"""Prisma: a folder for each migration, with ``migration.sql`` in it, in the order of names."""

from __future__ import annotations

import re

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Placed,
    Placements,
    last,
    left_out,
    parent,
)
from templedb_nb.model.finding import Finding
from templedb_nb.model.layout import Layout, Reading

NAME = "migration.sql"


_PROGRAM = re.compile(r"migration\.(?:[cm]?[jt]s|py|rb|sh)")


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
    findings += _programs(folder, {each.key for each in placed})
    placed.sort(key=lambda each: each.key)
    return Placements(files=tuple(placed), downs=tuple(sorted(downs)), findings=tuple(findings))


def _programs(folder: MigrationFolder, keys: set[str]) -> list[Finding]:
    """Warn of folders that hold a program in place of SQL: a tool of the project's own runs it."""
    found = [
        path
        for path in folder.beside(_PROGRAM, below=True)
        if parent(parent(path)) == folder.base and last(parent(path)) not in keys
    ]
    if not found:
        return []
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    message = f"{found[0]}{more}: not SQL, and therefore not a migration here"
    return [left_out(folder.base, message, "run it with a deploy_command, or write it as SQL")]
