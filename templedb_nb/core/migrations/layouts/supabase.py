"""Supabase: ``supabase/migrations/20260101120000_name.sql``, in the order of names."""

from __future__ import annotations

import re
from dataclasses import replace

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Placements,
    by_number,
    last,
    left_out,
)
from templedb_nb.model.layout import Layout

NAME = re.compile(r"(?P<version>\d++)_.*\.sql")
_INIT = re.compile(r"(?P<version>\d{14})_init\.sql")
_FIRST_READ = 20211209000000


def place(folder: MigrationFolder) -> Placements:
    """Return the files by name; a key is the number in front.

    A first ``*_init.sql`` of before December 2021 is left out, as Supabase does.
    """
    found = by_number(Layout.SUPABASE, folder, NAME, by_letters=True)
    first = found.files[0].path if found.files else ""
    old = _INIT.fullmatch(last(first))
    if old is None or int(old["version"]) >= _FIRST_READ:
        return found
    message = "is an init file from before December 2021, which Supabase also ignores"
    return replace(
        found, files=found.files[1:], findings=(*found.findings, left_out(first, message))
    )
