"""tern: ``001_name.sql``, gapless; what stands below its separator rolls back; Go templates."""

from __future__ import annotations

import re

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Parts,
    Placed,
    Placements,
    by_number,
    complaint,
    only,
)
from templedb_nb.model.layout import Layout

NAME = re.compile(r"(?P<version>\d++)_.+\.sql")
_BELOW = re.compile(r"^---- create above / drop below ----[ \t]*$", re.MULTILINE)
_ALONE = re.compile(r"^---- tern: disable-tx ----[ \t]*$", re.MULTILINE)


def place(folder: MigrationFolder) -> Placements:
    """Return the files by number; a gap is an error, as it is for tern."""
    found = by_number(Layout.TERN, folder, NAME)
    files = tuple(
        Placed(path=p.path, key=str(int(p.key)), reading=p.reading, base=p.base)
        for p in found.files
    )
    findings = list(found.findings)
    for number, each in enumerate(files, start=1):
        if int(each.key) > number:
            message = f"is number {each.key}, but number {number} is missing"
            findings.append(complaint(each.path, message, "restore the missing file"))
            break
    return Placements(files=files, findings=tuple(findings))


def parts(text: str) -> Parts:
    """Return what stands above the separator, and what below it rolls that back."""
    cut, alone = _BELOW.search(text), _ALONE.search(text)
    end = cut.start() if cut else len(text)
    down = only(text, [(cut.end(), len(text))]) if cut and text[cut.end() :].strip() else None
    line = text.count("\n", 0, alone.start()) + 1 if alone else 0
    up = only(text, [(0, end)])
    return Parts(up=up, down=down, no_transaction=line, words="---- tern: disable-tx ----")
