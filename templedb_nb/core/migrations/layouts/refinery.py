"""refinery: ``V1__name.sql`` and ``U2__name.sql``, both forward, in the order of their numbers.

``U`` is for numbers that need not be consecutive; Flyway takes such files for ways back.
"""

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

NAME = re.compile(r"(?P<kind>[VU])(?P<version>\d+)__(?P<title>\w+)\.sql")
CODE = re.compile(r"[VU](?P<version>\d+)__(?P<title>\w+)\.rs")
OPAQUE = "is Rust, which only refinery can run"


def place(folder: MigrationFolder) -> Placements:
    """Return the files by number, which is the key."""
    placed, findings = [], []
    for path in (*folder.files, *folder.beside(CODE, below=True)):
        found = NAME.fullmatch(last(path)) or CODE.fullmatch(last(path))
        if found is None:
            findings.append(
                left_out(path, "has a name that refinery does not accept: it is left out")
            )
            continue
        opaque = "" if path.endswith(".sql") else OPAQUE
        reading = Reading(layout=Layout.REFINERY, opaque=opaque)
        key = str(int(found["version"]))
        placed.append(Placed(path=path, key=key, reading=reading, base=folder.base))
    placed.sort(key=lambda each: (int(each.key), each.path))
    findings += twice(placed)
    return Placements(files=tuple(placed), findings=tuple(findings))
