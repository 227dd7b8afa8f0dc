"""Migration files that wait to be deployed."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFiles:
    """Pending files that have been in the releases of this state for too long.

    `files` says how many; `first` is the one that has waited longest: for `days`, since `release`.
    """

    files: int
    days: int
    release: int
    first: str

    def __str__(self) -> str:
        """Return that as one line."""
        noun, verb = ("file", "has") if self.files == 1 else ("files", "have")
        days = f"{self.days} day{'' if self.days == 1 else 's'}"
        told = f"{self.files} {noun} {verb} waited for {days} (since release {self.release})"
        return f"{told}: first {self.first}"
