"""postgrator: ``001.do.name.sql`` and ``001.undo.name.sql``, in the order of numbers."""

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

NAME = re.compile(r"(?P<version>\d+)\.(?P<way>do|undo)(?:\..*)?\.sql")
CODE = re.compile(r"(?P<version>\d+)\.(?P<way>do)(?:\..*)?\.(?:[cm]?js|ts)")


def place(folder: MigrationFolder) -> Placements:
    """Return the files that do by number, which is the key; those that undo roll them back."""
    placed, downs, findings = [], dict[str, str](), []
    for path in (*folder.files, *folder.beside(CODE, below=True)):
        found = NAME.fullmatch(last(path)) or CODE.fullmatch(last(path))
        if found is None:
            message = "is neither NUMBER.do.name.sql nor .undo.: postgrator ignores it"
            findings.append(left_out(path, message))
        elif found["way"] == "undo":
            downs[str(int(found["version"]))] = path
        else:
            opaque = "" if path.endswith(".sql") else "is a program, which only postgrator can run"
            reading = Reading(layout=Layout.POSTGRATOR, opaque=opaque)
            placed.append((path, str(int(found["version"])), reading))
    made = [
        Placed(path=path, key=key, reading=reading, down=downs.get(key, ""), base=folder.base)
        for path, key, reading in sorted(placed, key=lambda each: (int(each[1]), each[0]))
    ]
    findings += twice(made)
    return Placements(files=tuple(made), downs=tuple(downs.values()), findings=tuple(findings))
