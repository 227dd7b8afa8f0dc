"""sqlx: ``20260101120000_name.sql``, or pairs of ``.up.sql`` and ``.down.sql``, by number."""

from __future__ import annotations

import re

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Parts,
    Placed,
    Placements,
    last,
    left_out,
    twice,
)
from templedb_nb.model.layout import Layout, Reading

NAME = re.compile(r"(?P<version>\d+)_(?P<title>.*?)(?P<way>\.up|\.down)?\.sql")
ALONE = "-- no-transaction"


def place(folder: MigrationFolder) -> Placements:
    """Return the files by number; a key is that number."""
    reading = Reading(layout=Layout.SQLX)
    downs: dict[int, str] = {}
    ups, findings = [], []
    for path in folder.files:
        found = NAME.fullmatch(last(path))
        if found is None:
            findings.append(left_out(path, "has no number in front: sqlx ignores it"))
        elif found["way"] == ".down":
            downs[int(found["version"])] = path
        else:
            ups.append((int(found["version"]), path))
    placed = [
        Placed(path=p, key=str(v), reading=reading, down=downs.get(v, ""), base=folder.base)
        for v, p in sorted(ups)
    ]
    findings += twice(placed)
    return Placements(files=tuple(placed), downs=tuple(downs.values()), findings=tuple(findings))


def parts(text: str) -> Parts:
    """Return the text; a first line ``-- no-transaction`` forbids one."""
    alone = text.startswith(ALONE)
    return Parts(up=text, no_transaction=1 if alone else 0, words=ALONE)
