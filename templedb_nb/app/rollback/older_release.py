"""The release and the config of an earlier run: from this state, a bundle, or the folder's git."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from templedb_nb.app.deploy.bundles import bundled_case, read_bundle
from templedb_nb.app.deploy.case import DeployParts, root_of
from templedb_nb.app.project.configs import Configs
from templedb_nb.core.config import document as configs
from templedb_nb.core.config.overlay import document_of
from templedb_nb.engine.observe import ReadCache, Reader
from templedb_nb.errors import StoreError, TempleError, UnavailableRelease
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.file import FileEntry
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.project import Project, Release
from templedb_nb.model.serialization import Digest, digest, short
from templedb_nb.ports.records import PlanStore
from templedb_nb.ports.store import ReleaseStore

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRelease:
    """What an earlier run deployed; `origin` says where its files were found."""

    parts: DeployParts
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderReleases:
    """Finds what earlier runs deployed, and says where it has looked."""

    content: ReleaseStore
    configs: Configs
    records: PlanStore
    reader: Reader
    does: str = "go back to"
    """What somebody wants to do with the run, as errors say it."""

    def find(self, project: Project, run: PastRun, bundle: Path | None = None) -> FoundRelease:
        """Return the files and the config of *run*, or raise `UnavailableRelease`."""
        looked: list[str] = []
        if bundle is not None:
            return self._bundled(project, run, bundle)
        number = self.number(project, run)
        if number:
            release = self.content.release(project.slug, number)
            return self._with_config(project, run, release, self.reader, f"release {number}")
        looked.append(f"the releases of project {project.slug} in this state")
        root = root_of(project)
        found, told = _in_git(root, Digest(run.tree)) if root else (None, "")
        looked.append(told or "no git: the project's folder is not there")
        if found is None:
            raise self._nowhere(run, f"its files (tree {short(run.tree)}) were not found", looked)
        commit, files, blobs = found
        release = Release(
            project=project.slug,
            number=run.release,
            tree=Digest(run.tree),
            files=files,
            made_at=run.started_at or _LONG_AGO,
        )
        read = _reader(blobs, f"commit {commit[:12]}", self.reader)
        return self._with_config(project, run, release, read, f"commit {commit[:12]}")

    def number(self, project: Project, run: PastRun) -> int:
        """Return the number of the release here that has the files of *run*; 0 for none."""
        rows = self.content.releases(project.slug)
        return next((number for number, tree, *_ in rows if tree == run.tree), 0)

    def has_config(self, project: Project, run: PastRun, number: int) -> bool:
        """Return whether the config of *run* is known here."""
        release = self.content.release(project.slug, number)
        overlay = self._overlay(run)
        return self.configs.of_hash(project, release, run.config_hash, overlay) is not None

    def _with_config(
        self, project: Project, run: PastRun, release: Release, read: Reader, origin: str
    ) -> FoundRelease:
        overlay = self._overlay(run)
        found = self.configs.of_hash(project, release, run.config_hash, overlay, read)
        if found is None:
            looked = ["templedb.yaml of its release, if there is one"]
            looked.append("the versions of the config here: templedb deploy config --history")
            raise self._nowhere(run, f"its config ({_hash(run)}) was not found", looked)
        current, laid = found
        parts = DeployParts(release=release, current=current, overlay=laid, read=read)
        return FoundRelease(parts=parts, origin=origin)

    def _overlay(self, run: PastRun) -> object:
        """Return the overlay of the run's plan, if this state knows the plan."""
        try:
            return document_of(self.records.plan(run.plan).plan.overlay) if run.plan else None
        except TempleError:
            return None

    def _bundled(self, project: Project, run: PastRun, path: Path) -> FoundRelease:
        """Return what a bundle holds; its templedb.yaml says where variables come from."""
        bundle, blobs = read_bundle(path)
        case = bundled_case(bundle, blobs, None)
        looked = [f"{path} holds release {bundle.preview.release}: tree {short(case.release.tree)}"]
        if case.release.tree != run.tree:
            raise self._nowhere(
                run, f"its files (tree {short(run.tree)}) are not in {path}", looked
            )
        held = digest(configs.document(case.current.config))
        if run.config_hash and held != run.config_hash:
            raise self._nowhere(run, f"its config ({_hash(run)}) is not in {path}", looked)
        read = _reader(blobs, f"bundle {path.name}", self.reader)
        overlay = document_of(bundle.preview.plan.overlay)
        known = self.configs.of_hash(project, case.release, held, overlay, read)
        current, laid = known or (case.current, case.overlay)
        parts = DeployParts(release=case.release, current=current, overlay=laid, read=read)
        return FoundRelease(parts=parts, origin=f"bundle {path.name}")

    def _nowhere(self, run: PastRun, what: str, looked: list[str]) -> UnavailableRelease:
        message = f"cannot {self.does} run {run.run[:13]}: {what}; nothing was executed"
        problems = [f"looked in: {each}" for each in looked]
        hint = "name the bundle that was deployed then: --bundle FILE"
        return UnavailableRelease(message, problems=problems, hint=hint)


def _reader(blobs: Mapping[Digest, bytes], where: str, state: Reader) -> Reader:
    """Return what reads the release; down parts of newer migrations are in the state."""

    def read(wanted: Iterable[Digest]) -> Mapping[Digest, bytes]:
        needed = set(wanted)
        try:
            rest = state(needed - blobs.keys()) if needed - blobs.keys() else {}
        except StoreError as error:
            raise StoreError(f"{where} has no content for it: {error.message}") from None
        return {**{blob: blobs[blob] for blob in needed & blobs.keys()}, **rest}

    return Reader(read, ReadCache())


def _in_git(
    root: Path, tree: Digest
) -> tuple[tuple[str, tuple[FileEntry, ...], Mapping[Digest, bytes]] | None, str]:
    from templedb_nb.files.git_revisions import NEWEST, find

    found = find(root, tree)
    return found, f"the newest {NEWEST} versions of the folder in git"


def _hash(run: PastRun) -> str:
    return f"hash {short(run.config_hash)}" if run.config_hash else "its hash was not recorded"
