"""golang-migrate: ``000001_name.up.sql`` and ``000001_name.down.sql``, in the order of numbers."""

from __future__ import annotations

import re

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Placed,
    Placements,
    last,
    left_out,
    twice,
)
from templedb_nb.model.layout import Layout, Reading

NAME = re.compile(r"(?P<version>\d+)_(?P<title>.*)\.(?P<way>up|down)\.sql")
KEY_WIDTH = 20


def place(folder: MigrationFolder, layout: Layout = Layout.GOLANG_MIGRATE) -> Placements:
    """Return the up files by number; a key is that number without leading zeros."""
    reading = Reading(layout=layout)
    ups, downs, findings = [], dict[str, str](), []
    for path in folder.files:
        found = NAME.fullmatch(last(path))
        if found is None:
            message = f"is neither NUMBER_name.up.sql nor .down.sql: {layout} ignores it"
            findings.append(left_out(path, message))
        elif found["way"] == "down":
            downs[str(int(found["version"]))] = path
        else:
            ups.append((int(found["version"]), path))
    placed = [
        Placed(
            path=path,
            key=str(version),
            reading=reading,
            down=downs.get(str(version), ""),
            base=folder.base,
        )
        for version, path in sorted(ups)
    ]
    findings += twice(placed)
    return Placements(files=tuple(placed), downs=tuple(downs.values()), findings=tuple(findings))
