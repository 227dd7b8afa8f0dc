"""What the way to a project's first plan came to."""

from __future__ import annotations

from typing import ClassVar

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.plan import Preview


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The plan of a first run, and the single commands that lead to it.

    `next` is the command that carries it out, if nothing forbids that.
    """

    json_kind: ClassVar[str] = "Started"

    preview: Preview
    commands: tuple[str, ...]
    next: str = ""
