"""Drizzle's journal: the files of a folder that it lists, in its order; the tool ignores others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any  # Any: a JSON document, whose shape is read here

from templedb_nb.core.migrations.layouts.placing import joined, last, parent

JOURNAL = "meta/_journal.json"


def is_one(path: str) -> bool:
    """Return whether a file may be such a journal."""
    return f"/{path}".endswith(f"/{JOURNAL}")


def left_out(folder: str, own: Sequence[str], beside: Mapping[str, str]) -> Iterator[str]:
    """Yield the files of a folder that its journal does not list, if it lists some of them."""
    listed = _listed(folder, beside)
    right = [path for path in own if parent(path) == folder]
    if set(listed).intersection(right):
        yield from (path for path in right if path not in listed)


def doubt(folder: str, own: Sequence[str], beside: Mapping[str, str]) -> str:
    """Return how the journal contradicts the files that are there; nothing if it does not."""
    listed = _listed(folder, beside)
    if not set(listed).intersection(own):
        return ""
    if gone := next((path for path in listed if path not in own), ""):
        return f"{JOURNAL} lists {last(gone)}, which is not there"
    ordered = [path for path in own if path in listed]
    odd = next((n for n, path in enumerate(ordered) if path != listed[n]), None)
    if odd is None:
        return ""
    said, first = listed[odd], ordered[odd]
    return f"{JOURNAL} lists {last(said)} before {last(first)}, and their names do not"


def _listed(folder: str, beside: Mapping[str, str]) -> list[str]:
    """Return the paths that the journal of a folder lists, in its order."""
    try:
        found: Any = json.loads(beside.get(joined(folder, JOURNAL), "{}"))
        entries = sorted(found.get("entries", []), key=lambda each: int(each["idx"]))
        return [joined(folder, f"{each['tag']}.sql") for each in entries]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []  # it is none of Drizzle's
