"""What came of a search for artifacts that nobody needs."""

from __future__ import annotations

from typing import ClassVar

from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRun:
    """A run whose artifacts stay, and why."""

    slug: str
    target: str
    run: str
    manifest: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedArtifacts:
    """Which runs keep their artifacts, and how much was removed, or would be."""

    json_kind: ClassVar[str] = "CollectedArtifacts"

    kept: tuple[KeptRun, ...]
    files: int
    size: int
    dry_run: bool = False
