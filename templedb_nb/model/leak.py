"""What a notebook holds that should not be checked in."""

from __future__ import annotations

from typing import ClassVar

from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A secret, or an output, in a file: never the value itself.

    `cell` counts from one, 0 is the notebook's own metadata; `line` is of the source, or None.
    """

    file: str
    cell: int
    place: str
    what: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaks:
    """What was found in notebooks, and which of them were written anew."""

    json_kind: ClassVar[str] = "Leaks"

    files: int
    rows: tuple[Leak, ...] = ()
    scrubbed: tuple[str, ...] = ()
