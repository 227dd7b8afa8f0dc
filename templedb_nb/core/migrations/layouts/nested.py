"""Folders that hold a folder for each migration, as Prisma's and diesel's do.

What else lies there is never a migration: both tools ignore it. It is named and left out. If it has
a number, or if there is more of it than of migrations, the folder is refused: it may be the rest of
a series that was meant to run.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

from templedb_nb.core.migrations.layouts import diesel, prisma
from templedb_nb.core.migrations.layouts.chosen import ChosenLayout, mixed
from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    complaint,
    file_names,
    joined,
    last,
    parent,
)
from templedb_nb.model.finding import Topic
from templedb_nb.model.layout import Layout

LOCK = "migration_lock.toml"
_PARTS = frozenset({"up.sql", "down.sql"})
_NUMBERED = re.compile(r"[Vv]?\d")
_OF_DIESEL = frozenset({"diesel.toml", "Cargo.toml"})


def is_part(path: str) -> bool:
    """Return whether a file is part of a migration that has a folder of its own."""
    own, name = last(parent(path)), last(path)
    return name == prisma.NAME or (name in _PARTS and diesel.FOLDER.fullmatch(own) is not None)


def choose(folder: MigrationFolder) -> ChosenLayout | None:
    """Return whose convention a folder with such migrations follows; None if it has none."""
    parts = [path for path in folder.files if is_part(path)]
    names = {last(path) for path in parts}
    if prisma.NAME in names and joined(folder.base, LOCK) in folder.there:
        return ChosenLayout(layout=Layout.PRISMA, evidence=f"the file {LOCK}")
    if not parts or names == {"down.sql"}:
        return None
    if any(f"{parent(path)}/snapshot.json" in folder.there for path in parts):  # Drizzle's
        return ChosenLayout(layout=Layout.PLAIN)
    own = next(path for path in parts if last(path) != "down.sql")
    if prisma.NAME in names and "up.sql" in names:
        up = next(path for path in parts if last(path) == "up.sql")
        main = next(path for path in parts if last(path) == prisma.NAME)
        return mixed(folder, f"{main} (Prisma)", f"{up} (diesel)")
    if stray := _doubtful(folder, parts):
        return mixed(folder, f"{own}, in a folder of its own", f"{stray}, in none")
    if prisma.NAME in names:
        return ChosenLayout(layout=Layout.PRISMA, evidence=f"files such as {own}")
    found = ChosenLayout(layout=Layout.DIESEL, evidence=f"files such as {own}")
    return _disagreeing(folder, parts) or found


def _doubtful(folder: MigrationFolder, parts: list[str]) -> str:
    """Return a file that may be a migration, and has no folder of its own; or nothing."""
    homes = {parent(path) for path in parts}
    within = tuple(f"{home}/" for home in homes)
    strays = [path for path in folder.files if not path.startswith(within)]
    strays = [path for path in strays if last(path) not in _PARTS]
    numbered = next((path for path in strays if _NUMBERED.match(last(path))), "")
    return numbered or (strays[0] if len(strays) > len(homes) else "")


def _disagreeing(folder: MigrationFolder, parts: list[str]) -> ChosenLayout | None:
    """Return an error if diesel's order is not that of the numbers, and nothing says diesel."""
    if _OF_DIESEL & file_names(folder.there):
        return None
    homes = {parent(path) for path in parts if last(path) == "up.sql"}
    ordered = sorted((diesel.key_of(last(each)), each) for each in homes)
    for (low, before), (high, after) in pairwise(ordered):
        if low.isdigit() and high.isdigit() and int(low) > int(high):
            message = f"{before} sorts before {after} by letters, but after it by number"
            mend = (
                "diesel goes by letters: to keep that, set layout: diesel in its group;"
                " else list the paths in an order_file"
            )
            found = replace(complaint(f"{folder.base}/", message, mend), topic=Topic.ORDER)
            return ChosenLayout(layout=Layout.DIESEL, findings=(found,))
    return None
