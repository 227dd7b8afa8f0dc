"""Artifacts that travel in the bundle of a plan: written and read part by part."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from templedb_nb.app.artifacts.run_artifacts import HINT
from templedb_nb.errors import UnavailableArtifacts
from templedb_nb.model.artifact import Artifact
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.file import FileEntry
from templedb_nb.model.plan import Plan
from templedb_nb.model.serialization import Digest, short
from templedb_nb.ports.artifacts import ArtifactSource, Write

FOLDER = "artifacts"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PART = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledArtifacts:
    """The artifacts in a bundle."""

    path: Path

    @property
    def title(self) -> str:
        """Name the bundle."""
        return f"bundle {self.path.name}"

    def has(self, blob: Digest) -> bool:
        """Return whether the content is there."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                return _name(blob) in archive.NameToInfo
        except (OSError, zipfile.BadZipFile):
            return False

    def read(self, blob: Digest, write: Write) -> bool:
        """Hand the bytes over, part by part; return False if there are none."""
        if not self.has(blob):
            return False
        with zipfile.ZipFile(self.path) as archive:
            for part in _parts(archive, blob):
                write(part)
        return True


def pack(archive: zipfile.ZipFile, plan: Plan, sources: Sequence[ArtifactSource]) -> None:
    """Put in what the plan places, each content verified before it is written."""
    files = named(plan)
    missing, found = [], {}
    for blob, file in sorted(files.items()):
        source = next((each for each in sources if _fits(each, blob)), None)
        if source is None:
            missing.append(f"{file.path} ({short(blob)})")
        else:
            found[blob] = source
    if missing:
        problems = [*missing, f"looked in: {', '.join(each.title for each in sources)}"]
        message = "artifacts of the plan are missing or damaged here; no bundle was written"
        raise UnavailableArtifacts(message, problems=problems, hint=HINT)
    for blob, source in found.items():
        with archive.open(zipfile.ZipInfo(_name(blob), _EPOCH), "w", force_zip64=True) as entry:
            source.read(blob, entry.write)


def named(plan: Plan) -> dict[Digest, FileEntry]:
    """Return the files that a plan places, by their contents."""
    placed: Sequence[Artifact] = [each for group in plan.placed.values() for each in group]
    return {file.blob: file for each in placed for file in each.files}


def entries(plan: Plan) -> set[str]:
    """Return the names that artifacts of a plan have in an archive."""
    return {_name(blob) for blob in named(plan)}


def damaged(archive: zipfile.ZipFile, plan: Plan) -> Iterator[str]:
    """Yield each artifact in the archive that is not what its name says."""
    for blob, file in sorted(named(plan).items()):
        info = archive.NameToInfo.get(_name(blob))
        if info is None:
            continue
        sha256 = hashlib.sha256()
        if info.file_size == file.size:
            for part in _parts(archive, blob):
                sha256.update(part)
        if sha256.hexdigest() != blob:
            yield f"the artifact {file.path} does not match its hash"


def _fits(source: ArtifactSource, blob: Digest) -> bool:
    sha256 = hashlib.sha256()
    return source.read(blob, sha256.update) and sha256.hexdigest() == blob


def _parts(archive: zipfile.ZipFile, blob: Digest) -> Iterator[bytes]:
    try:
        with archive.open(_name(blob)) as entry:
            while part := entry.read(_PART):
                yield part
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
        message = f"the content {short(blob)} in {archive.filename} cannot be read: {error}"
        raise UnavailableArtifacts(message, hint="make the bundle again") from None


def _name(blob: Digest) -> str:
    return f"{FOLDER}/{blob}"
