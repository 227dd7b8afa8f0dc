"""What the words of a command mean."""

from __future__ import annotations

from typing import ClassVar

from templedb_nb.model.dataclass import dataclass

LAST = "last"
"""What stands for the newest run where a run is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which project and target the words of a command mean."""

    json_kind: ClassVar[str] = "Choice"

    project: str | None = None
    target: str | None = None
