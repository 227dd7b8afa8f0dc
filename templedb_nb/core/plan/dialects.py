"""Whose files the migrations of a plan are."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from templedb_nb.core.migrations.layouts import recognise
from templedb_nb.core.migrations.script import Script
from templedb_nb.model.layout import Layout
from templedb_nb.model.status import Tracked


class Dialects:
    """Tells of a migration whose file it is; a file that holds several is looked at once."""

    def __init__(self, paths: AbstractSet[str]) -> None:
        """Know every path of the release."""
        self._paths = paths
        self._seen: dict[tuple[str, Layout | None], recognise.Dialect | None] = {}

    def of(self, row: Tracked, script: Script) -> recognise.Dialect | None:
        """Return another tool's convention, if the file of *row* follows one that is not read."""
        layout = row.reading.layout if row.reading else None
        if (row.file, layout) not in self._seen:
            told = recognise.not_read(row.file, self._paths, {row.file: script.text}, layout)
            self._seen[row.file, layout] = told
        return self._seen[row.file, layout]
