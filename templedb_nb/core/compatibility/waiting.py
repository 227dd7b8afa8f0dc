"""What the migrations that wait on a target mean for the code that runs there now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from templedb_nb.core.compatibility.known import Known
from templedb_nb.core.compatibility.migrations import compatibility
from templedb_nb.core.migrations.status import Scripts
from templedb_nb.model.status import WAITING, Tracked


def with_compatibility(rows: Iterable[Tracked], scripts: Scripts) -> Iterator[Tracked]:
    """Yield *rows*, those that wait with what they mean; what one makes is new to the next."""
    known: dict[str, Known] = {}
    for row in rows:
        script = scripts.get(row.source) if row.source and row.state in WAITING else None
        if script is None:
            yield row
        else:
            found = compatibility(script, known.setdefault(row.database, Known()))
            yield replace(row, compatibility=found)
