"""Where artifacts are kept, and what an earlier run has kept there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from templedb_nb.app.deploy.case import root_of
from templedb_nb.app.project.configs import Configs
from templedb_nb.app.project.projects import Projects
from templedb_nb.core.config.home_folder import expanded
from templedb_nb.errors import StoreError, UnavailableArtifacts, UnfitArtifacts
from templedb_nb.model.artifact import Manifest
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import RunId
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.project import Project
from templedb_nb.model.result import Result
from templedb_nb.model.serialization import Digest, from_plain, short
from templedb_nb.ports.artifacts import ArtifactPlace, ArtifactSource
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.store import BlobStore
from templedb_nb.store.artifact_folder import ArtifactFolder
from templedb_nb.store.artifact_registry import SCHEMES, ArtifactRegistry
from templedb_nb.store.artifact_url import ArtifactUrl

HINT = (
    "deploy it again from there with artifacts_store in the config, or bring the artifacts along:"
    " templedb deploy plan --out FILE --with-artifacts"
)
_LONGEST = 256 << 20
"""So many bytes a record may have: that of some 500,000 files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifacts:
    """Use cases around what runs have kept; `folder` is where, unless a config says otherwise."""

    folder: Path
    content: BlobStore
    projects: Projects
    configs: Configs
    records: RecordStore

    @property
    def own(self) -> ArtifactFolder:
        """Return the folder beside the state."""
        return ArtifactFolder(self.folder, private=True)

    def place(self, store: str, root: Path | None) -> ArtifactPlace:
        """Return what keeps the contents where *store* of a config says; a path is of *root*."""
        if not store:
            return self.own
        if store.startswith(SCHEMES):
            return ArtifactRegistry(store)
        if "://" in store:
            return ArtifactUrl(store)
        path = expanded(store)
        if not path.is_absolute() and root is None:
            message = f"artifacts_store {store} is relative, and the project's folder is not here"
            raise UnfitArtifacts(message, hint="name an absolute path in the config")
        whole = path if root is None else root / path
        if root is not None and whole.resolve().is_relative_to(root.resolve()):
            message = f"artifacts_store {store} lies in the project's folder, which is deployed"
            raise UnfitArtifacts(message, hint="name a folder outside of it, such as ../artifacts")
        return ArtifactFolder(whole)

    def sources(self, store: str, root: Path | None) -> tuple[ArtifactSource, ...]:
        """Return where contents are looked for: where the config says, then beside the state."""
        return (self.place(store, root), self.own) if store else (self.own,)

    def of_run(
        self,
        project: Project,
        run: PastRun,
        *,
        store: str | None = None,
        bundle: ArtifactSource | None = None,
    ) -> Manifest | None:
        """Return the artifacts of a run, all of which are there; None if it has kept none.

        *store* is the artifacts_store to look into, else that of the newest config. Raise
        `UnavailableArtifacts` with each piece that is missing, and where it was looked for.
        """
        if not run.manifest:
            return None
        if store is None:
            newest = self.projects.release(project, None)
            store = self.configs.current(project, newest).config.artifacts_store
        sources = self.sources(store, root_of(project))
        if bundle is not None:
            sources = (bundle, *sources)
        manifest = self.manifest(run, sources)
        missing = [
            f"{file.path} of {artifact.name} ({short(file.blob)})"
            for artifact in manifest.artifacts
            for file in artifact.files
            if not any(each.has(file.blob) for each in sources)
        ]
        if missing:
            raise _nowhere(run, missing, sources)
        return manifest

    def kept_by(self, run: str, sources: Sequence[ArtifactSource]) -> Manifest:
        """Return what a run of this state has kept so far; empty for nothing."""
        result = Result.of(self.records.events(RunId(run)))
        if not result.manifest:
            return Manifest()
        past = PastRun(run=result.run, target=result.target, manifest=result.manifest)
        return self.manifest(past, sources)

    def manifest(self, run: PastRun, sources: Sequence[ArtifactSource]) -> Manifest:
        """Return the record of a run's artifacts, from the state or from where they are."""
        address = Digest(run.manifest)
        body = self._recorded(address) or next(filter(None, _bodies(address, sources)), None)
        if body is None:
            raise _nowhere(run, [f"the record of its artifacts ({short(address)})"], sources)
        manifest: Manifest = from_plain(Manifest, json.loads(body))
        return manifest

    def _recorded(self, address: Digest) -> bytes | None:
        try:
            return self.content.read([address])[address]
        except StoreError:
            return None


def _bodies(address: Digest, sources: Iterable[ArtifactSource]) -> Iterable[bytes | None]:
    for source in sources:
        body = bytearray()

        def write(part: bytes, body: bytearray = body) -> None:
            if len(body) + len(part) <= _LONGEST:
                body.extend(part)

        found = source.read(address, write)
        fits = found and hashlib.sha256(body).hexdigest() == address
        yield bytes(body) if fits else None


def _nowhere(
    run: PastRun, missing: Sequence[str], sources: Sequence[ArtifactSource]
) -> UnavailableArtifacts:
    places = ", ".join(each.title for each in sources)
    message = f"artifacts of run {run.run[:13]} are not here; nothing was executed"
    problems = [f"missing: {each}" for each in missing]
    problems.append(f"looked in: {places}")
    return UnavailableArtifacts(message, problems=problems, hint=HINT)
