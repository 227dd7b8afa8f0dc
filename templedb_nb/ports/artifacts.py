"""What a run asks of those who keep artifacts, and what these ask of the places that hold them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from templedb_nb.model.artifact_step import KeepArtifacts, PlaceArtifacts
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.serialization import Digest
from templedb_nb.ports.store import BlobSink

Write = Callable[[bytes], object]
"""Takes the next bytes of a content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptArtifacts:
    """What was kept or placed: the record of the run so far, and how much it was.

    `warning` is what a reader must know of it all the same.
    """

    manifest: Digest
    artifacts: tuple[str, ...]
    files: int
    size: int
    warning: str = ""


class ArtifactKeeper(Protocol):
    """Keeps and places the artifacts of one run."""

    @property
    def manifest(self) -> str:
        """Return the address of what the run has kept and placed so far; nothing for nothing."""
        ...

    def keep(self, step: KeepArtifacts) -> KeptArtifacts:
        """Hash and keep what the step's rules match in the work folder."""
        ...

    def place(self, step: PlaceArtifacts) -> KeptArtifacts:
        """Write the step's files into the work folder, all of them, or none if one is unfit."""
        ...

    def place_again(self, step: KeepArtifacts) -> KeptArtifacts:
        """Place what the run has kept by that step which is resumed."""
        ...


class ArtifactSource(Protocol):
    """A place that has contents by the SHA-256 of their bytes."""

    @property
    def title(self) -> str:
        """Name the place, as an error would."""
        ...

    def has(self, blob: Digest) -> bool:
        """Return whether the content is there; its bytes are not read."""
        ...

    def read(self, blob: Digest, write: Write) -> bool:
        """Hand the bytes over, part by part; return False if there are none.

        Whoever takes them verifies them.
        """
        ...


class ArtifactPlace(ArtifactSource, Protocol):
    """A place that also takes contents in."""

    def sink(self) -> AbstractContextManager[BlobSink]:
        """Take contents in; each is there, whole, when it was committed."""
        ...
