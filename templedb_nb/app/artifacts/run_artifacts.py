"""The artifacts of one run: kept after its build, or placed instead of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import field
from functools import partial
from pathlib import Path

from templedb_nb.core.config.artifact_rules import FOLDER, variable
from templedb_nb.core.run import images
from templedb_nb.errors import FilesError, UnavailableArtifacts, UnfitArtifacts
from templedb_nb.failpoints import reach
from templedb_nb.files import artifact_files
from templedb_nb.files.artifact_files import FoundFile, UnfitFile
from templedb_nb.files.built_groups import BuiltGroups
from templedb_nb.model.artifact import Artifact, ArtifactRule, Manifest
from templedb_nb.model.artifact_step import KeepArtifacts, PlaceArtifacts
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.file import FileEntry
from templedb_nb.model.phase import Phase
from templedb_nb.model.plan import Plan
from templedb_nb.model.serialization import Digest, canonical
from templedb_nb.model.step import Command
from templedb_nb.ports.artifacts import ArtifactPlace, ArtifactSource, KeptArtifacts
from templedb_nb.ports.store import BlobSink, BlobStore

SHOWN = 5
"""So many files are named in a message; more are counted."""


@dataclass(slots=True, kw_only=True)
class RunArtifacts:
    """Keeps and places what the groups of a run deploy.

    `tree` returns the work folder with the release in it, which `home` holds; `release` are the
    release's paths, and `built` the groups whose build the folder has. `place_of` opens where a
    step keeps its bytes; `sources` are looked into after that. `known` is what the run that is
    resumed had kept.
    """

    plan: Plan
    home: Path
    tree: Callable[[], str]
    release: tuple[str, ...]
    built: BuiltGroups
    place_of: Callable[[str], ArtifactPlace]
    sources: tuple[ArtifactSource, ...]
    content: BlobStore
    known: Callable[[], Manifest]
    mask: Callable[[str], str]
    _manifest: Manifest = field(default_factory=Manifest, init=False)
    _delivered: set[str] = field(default_factory=set, init=False)

    @property
    def manifest(self) -> str:
        """Return the address of what the run has kept and placed so far; nothing for nothing."""
        return self._manifest.digest if self._manifest.groups else ""

    @property
    def environment(self) -> dict[str, str]:
        """Return what commands are told of the artifacts that there are so far."""
        if not self._manifest.groups:
            return {}
        tree = self.tree()
        found = {FOLDER: tree}
        for each in self._manifest.artifacts:
            place = f"{tree}/{each.place}" if each.place else tree
            found[variable(each.name)] = each.image or place
        return found

    def begin(self, step: Command) -> None:
        """Make the work folder fit for the command of a group that keeps artifacts.

        Before each attempt at the first command, what an earlier build has left goes, so that only
        this one's work is kept: the other commands may make parts of an artifact. Before the first
        command behind the tests, what was kept comes back.
        """
        own = [each for each in self.plan.steps if each.group == step.group]
        keep = next((each for each in own if isinstance(each, KeepArtifacts)), None)
        if keep is None:
            return
        if step == next(each for each in own if isinstance(each, Command)):
            self._clear(keep)
        elif step.phase not in _BEFORE and step.group not in self._delivered:
            self._restore(keep)

    def _clear(self, step: KeepArtifacts) -> None:
        rules = step.rules
        patterns = [pattern for rule in rules for pattern in rule.files]
        patterns += [_literal(rule.image_from) for rule in rules if rule.image_from]
        try:
            artifact_files.clear(Path(self.tree()), patterns, self.release)
            self.built.add(step.group)
        except OSError as error:
            message = f"the work folder cannot be cleared of an earlier build: {error}"
            raise FilesError(message) from None

    def _restore(self, step: KeepArtifacts) -> None:
        """Place what was kept, if the tests have changed it: no other target gets their changes."""
        artifacts = self._manifest.of(step.group)
        if artifacts and not _unchanged(Path(self.tree()), artifacts):
            self._written(step.group, artifacts, self.place_of(step.store))
        self._delivered.add(step.group)

    def keep(self, step: KeepArtifacts) -> KeptArtifacts:
        """Hash and keep what the step's rules match in the work folder."""
        tree = Path(self.tree())
        if step.group not in self.built.groups:
            message = f"group {step.group}: nothing was kept:"
            message = f"{message} another plan has worked in the work folder since the build"
            raise UnfitArtifacts(message, hint=_ANEW)
        try:
            manifest, artifacts = self._kept(step, tree)
        except (UnfitFile, OSError) as error:
            raise UnfitArtifacts(f"group {step.group}: {error}", hint=_LOOK) from None
        self._remember(manifest)
        loose = [each.image for each in artifacts if each.image and not images.pinned(each.image)]
        told = f"{', '.join(loose)}: a tag, which may be another image tomorrow" if loose else ""
        return _told(manifest, artifacts, told)

    def _kept(self, step: KeepArtifacts, tree: Path) -> tuple[Manifest, tuple[Artifact, ...]]:
        found = [(rule, _found(tree, rule, step.group)) for rule in step.rules]
        every = [file for _, files in found for file in files]
        self._refuse_secrets(step.group, [file.path for file in every])
        _refuse_large(step, every)
        with self.place_of(step.store).sink() as sink:
            artifacts = tuple(
                _artifact(tree, rule, files, _stored(tree, files, sink), step)
                for rule, files in found
            )
            self._refuse_secrets(step.group, [each.image for each in artifacts])
            manifest = self._manifest.with_group(step.group, artifacts)
            _record(manifest, sink)
        return manifest, artifacts

    def _refuse_secrets(self, group: str, names: Sequence[str]) -> None:
        """Raise if a name tells the value of a secret: plans and ledgers would keep it."""
        for name in names:
            if (told := self.mask(name)) != name:
                message = f"group {group}: the name of an artifact contains a secret: {told}"
                raise UnfitArtifacts(message, hint="let the build choose another name")

    def place(self, step: PlaceArtifacts) -> KeptArtifacts:
        """Write the step's files into the work folder, all of them, or none if one is unfit."""
        own = self.place_of(step.store)
        self._written(step.group, step.artifacts, own)
        manifest = self._manifest.with_group(step.group, step.artifacts)
        with own.sink() as sink:
            _record(manifest, sink)
        self._remember(manifest)
        return _told(manifest, step.artifacts)

    def place_again(self, step: KeepArtifacts) -> KeptArtifacts:
        """Place what the run has kept by that step which is resumed."""
        artifacts = self.known().of(step.group)
        placed = PlaceArtifacts(group=step.group, artifacts=artifacts, store=step.store)
        return self.place(placed)

    def _written(self, group: str, artifacts: Sequence[Artifact], own: ArtifactPlace) -> None:
        tree, files = Path(self.tree()), _files(artifacts)
        try:
            with artifact_files.staging(self.home) as staging:
                missing: list[str] = []
                for number, file in enumerate(files):
                    found, told = self._staged(staging, file, own)
                    if found is None:
                        missing.append(told)
                    elif found is not own and not missing:
                        _copy(staging, number, file, own)
                if missing:
                    raise _unavailable(group, missing)
                reach("artifacts.staged")
                patterns = [pattern for each in artifacts for pattern in each.patterns]
                artifact_files.clear(tree, patterns, {each.path for each in files})
                staging.place(tree, partial(reach, "artifacts.placing"))
        except OSError as error:
            message = f"group {group}: the artifacts cannot be written as files: {error}"
            raise FilesError(message) from None

    def _staged(
        self, staging: artifact_files.Staging, file: FileEntry, own: ArtifactPlace
    ) -> tuple[ArtifactSource | None, str]:
        """Write a file beside the work folder; return who had it, or why nobody has."""
        told = []
        others = (each for each in self.sources if each.title != own.title)
        for source in (own, *others):
            fits = staging.add(file, partial(source.read, file.blob))
            if fits:
                return source, ""
            told.append(f"{'not in' if fits is None else 'damaged in'} {source.title}")
        return None, f"{file.path} ({file.blob[:12]}): {', '.join(told)}"

    def _remember(self, manifest: Manifest) -> None:
        """Keep the record where this state finds it again."""
        self._manifest = manifest
        with self.content.sink() as sink:
            _record(manifest, sink)


_BEFORE = frozenset({Phase.PRE_DEPLOY, Phase.BUILD, Phase.TEST})
_ANEW = "templedb deploy run builds it again"
_LOOK = "look into the work folder of the target, below work/ beside the state"


def _found(tree: Path, rule: ArtifactRule, group: str) -> tuple[FoundFile, ...]:
    """Return the files of a rule, each once, in the order of their paths."""
    where = f"group {group}: artifact {rule.name}"
    if rule.image_from:
        literal = _literal(rule.image_from)
        files = artifact_files.found(tree, [literal])[literal]
        if not files:
            message = f"{where}: the build did not write {rule.image_from}"
            hint = "write the image's reference with its digest there, or change image_from"
            raise UnfitArtifacts(message, hint=hint)
        return files
    matched = artifact_files.found(tree, rule.files)
    for pattern, files in matched.items():
        if not files:
            message = f"{where}: {pattern!r} matches no file after the build"
            raise UnfitArtifacts(message, hint="change the pattern, or let the build fail itself")
    every = {file.path: file for files in matched.values() for file in files}
    return tuple(every[path] for path in sorted(every))


def _unchanged(tree: Path, artifacts: Sequence[Artifact]) -> bool:
    """Return whether the patterns match the files that were kept, each with the same bytes."""
    kept = {file.path: file for file in _files(artifacts)}
    try:
        matched = artifact_files.found(tree, [name for each in artifacts for name in each.patterns])
        there = {file.path: file for files in matched.values() for file in files}
        return there.keys() == kept.keys() and all(
            file.executable == kept[path].executable and _address(tree, file) == kept[path].blob
            for path, file in there.items()
        )
    except (UnfitFile, OSError):
        return False


def _address(tree: Path, file: FoundFile) -> str:
    sha256 = hashlib.sha256()
    artifact_files.read(tree, file, sha256.update)
    return sha256.hexdigest()


def _literal(path: str) -> str:
    """Return the pattern that matches one path alone."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in path)


def _refuse_large(step: KeepArtifacts, files: Sequence[FoundFile]) -> None:
    sizes = {file.path: file.size for file in files}
    if (total := sum(sizes.values())) > step.limit:
        largest = sorted(sizes, key=lambda path: -sizes[path])[:SHOWN]
        told = ", ".join(f"{path} {sizes[path]}" for path in largest)
        message = f"group {step.group}: the artifacts have {total} bytes, and the limit is"
        hint = "name fewer files, or raise artifacts_limit in the config"
        raise UnfitArtifacts(f"{message} {step.limit}; the largest: {told}", hint=hint)


def _stored(tree: Path, files: Sequence[FoundFile], sink: BlobSink) -> tuple[FileEntry, ...]:
    entries = []
    for file in files:
        sha256 = hashlib.sha256()

        def write(part: bytes, sha256: hashlib._Hash = sha256) -> None:
            sha256.update(part)
            sink.write(part)

        artifact_files.read(tree, file, write)
        blob = Digest(sha256.hexdigest())
        sink.commit(blob, file.size)
        reach("artifacts.stored")
        entries.append(
            FileEntry(path=file.path, blob=blob, size=file.size, executable=file.executable)
        )
    return tuple(entries)


def _artifact(
    tree: Path,
    rule: ArtifactRule,
    files: Sequence[FoundFile],
    entries: tuple[FileEntry, ...],
    step: KeepArtifacts,
) -> Artifact:
    if rule.files:
        return Artifact(name=rule.name, files=entries, patterns=rule.files)
    where = f"group {step.group}: artifact {rule.name}: {rule.image_from}"
    image, wrong = images.reference(_text(tree, files[0], where))
    if wrong:
        raise UnfitArtifacts(f"{where} {wrong}", hint="let the build write it there")
    if step.protected and not images.pinned(image):
        message = f"{where} names {image}: a tag, which may be another image tomorrow"
        hint = "let the build write the reference with its digest: NAME@sha256:…"
        raise UnfitArtifacts(f"{message}; a protected target refuses it", hint=hint)
    return Artifact(
        name=rule.name, files=entries, image=image, patterns=(_literal(rule.image_from),)
    )


def _text(tree: Path, file: FoundFile, where: str) -> str:
    if file.size > images.LONGEST:
        raise UnfitArtifacts(
            f"{where} has {file.size} bytes: too many for the reference of an image", hint=_LOOK
        )
    body = bytearray()
    artifact_files.read(tree, file, body.extend)
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise UnfitArtifacts(f"{where} is not UTF-8 text", hint=_LOOK) from None


def _files(artifacts: Sequence[Artifact]) -> tuple[FileEntry, ...]:
    """Return each file once, in the order of their paths."""
    every = {file.path: file for each in artifacts for file in each.files}
    return tuple(every[path] for path in sorted(every))


def _copy(
    staging: artifact_files.Staging, number: int, file: FileEntry, own: ArtifactPlace
) -> None:
    """Keep what came from elsewhere: a later rollback needs it."""
    with own.sink() as sink:
        staging.read(number, sink.write)
        sink.commit(file.blob, file.size)


def _record(manifest: Manifest, sink: BlobSink) -> None:
    body = canonical(manifest)
    sink.write(body)
    sink.commit(manifest.digest, len(body))


def _told(manifest: Manifest, artifacts: Sequence[Artifact], warning: str = "") -> KeptArtifacts:
    files = _files(artifacts)
    return KeptArtifacts(
        manifest=manifest.digest,
        artifacts=tuple(each.name for each in artifacts),
        files=len(files),
        size=sum(each.size for each in files),
        warning=warning,
    )


def _unavailable(group: str, missing: Sequence[str]) -> UnavailableArtifacts:
    more = f"; and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    told = "; ".join(missing[:SHOWN])
    message = f"group {group}: artifacts are missing or damaged; nothing was written: {told}{more}"
    return UnavailableArtifacts(message, problems=missing, hint=HINT)


HINT = (
    "bring them along in the bundle of the plan: templedb deploy plan --out FILE --with-artifacts;"
    " or share them: artifacts_store in the config"
)
