"""What a build makes and a deployment delivers: named, hashed, and the same on every target."""

from __future__ import annotations

from typing import ClassVar

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.file import FileEntry
from templedb_nb.model.serialization import Digest, digest

DEFAULT_LIMIT = 1 << 30
"""So many bytes the artifacts of one group may hold, unless the config says otherwise."""
_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRule:
    """How an artifact is found after the build: by globs, or by a file that names an image."""

    name: str
    files: tuple[str, ...] = ()
    image_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What a build has made: files of the work folder, or the reference of an image.

    `patterns` are the globs that the files matched; of an image the file is the one that named it.
    """

    name: str
    files: tuple[FileEntry, ...] = ()
    image: str = ""
    patterns: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Return how many bytes its files hold."""
        return sum(each.size for each in self.files)

    @property
    def place(self) -> str:
        """Return the path that stands for it: its one file, or the folder that all patterns name.

        It follows from the patterns alone, so that it does not move with what a build makes.
        """
        if len(self.patterns) == 1 and not _WILD & set(self.patterns[0]):
            return self.patterns[0]
        folders = [_folder(each) for each in self.patterns]
        shared = folders[0] if folders else ()
        for each in folders[1:]:
            pairs = zip(shared, each, strict=False)
            shared = tuple(
                one for n, (one, other) in enumerate(pairs) if shared[: n + 1] == each[: n + 1]
            )
        return "/".join(shared)

    @property
    def told(self) -> str:
        """Name it in a few words."""
        if self.image:
            return f"{self.name} ({self.image})"
        count = len(self.files)
        return f"{self.name} ({count} {'file' if count == 1 else 'files'})"


def _folder(pattern: str) -> tuple[str, ...]:
    """Return the folders that a pattern names before its first wildcard."""
    found: list[str] = []
    for segment in pattern.split("/")[:-1]:
        if _WILD & set(segment):
            break
        found.append(segment)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupArtifacts:
    """The artifacts of one group."""

    group: str
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that a run has kept, or placed: the record that its row in a ledger addresses."""

    groups: tuple[GroupArtifacts, ...] = ()

    @property
    def digest(self) -> Digest:
        """Address it: the SHA-256 of its canonical JSON."""
        return digest(self)

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """Return the artifacts of all groups."""
        return tuple(artifact for each in self.groups for artifact in each.artifacts)

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Return every file that belongs to an artifact."""
        return tuple(file for artifact in self.artifacts for file in artifact.files)

    def of(self, group: str) -> tuple[Artifact, ...]:
        """Return the artifacts of a group."""
        return next((each.artifacts for each in self.groups if each.group == group), ())

    def with_group(self, group: str, artifacts: tuple[Artifact, ...]) -> Manifest:
        """Return the manifest in which the group has these artifacts."""
        others = tuple(each for each in self.groups if each.group != group)
        added = GroupArtifacts(group=group, artifacts=artifacts)
        return Manifest(groups=tuple(sorted((*others, added), key=lambda each: each.group)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactsKept:
    """The artifacts of a group are kept, or placed again; `manifest` names all of the run so far.

    Who has that record, has the hash of each file.
    """

    kind: ClassVar[str] = "artifacts_kept"
    step: int
    manifest: Digest
    artifacts: tuple[str, ...]
    files: int
    size: int
