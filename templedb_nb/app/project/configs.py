"""Deployment configs: the checked-in file if there is one, else the newest version kept here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from templedb_nb.app.environment import Environment
from templedb_nb.core.config import document as configs
from templedb_nb.core.config import groups, project_file
from templedb_nb.core.config.overlay import NO_OVERLAY, Overlay, overlaid
from templedb_nb.core.config.project_file import ProjectFile
from templedb_nb.core.migrations.evidence import drizzle, manifests
from templedb_nb.core.migrations.layouts import liquibase, overlooked
from templedb_nb.core.migrations.layouts.placing import last
from templedb_nb.core.migrations.proposal import (
    NO_ANSWERS,
    Proposal,
    ProposalAnswers,
    propose,
    unclaimed,
)
from templedb_nb.core.migrations.status import BESIDE
from templedb_nb.errors import ConfigError, FilesError, InvalidConfig
from templedb_nb.files.document import parse_document
from templedb_nb.model.config import DeployConfig
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, errors
from templedb_nb.model.listings import (
    ConfigHistory,
    ConfigVersion,
    Proposed,
    Reason,
    ShownConfig,
    Validation,
)
from templedb_nb.model.project import Project, Release
from templedb_nb.model.serialization import Digest, digest
from templedb_nb.ports.store import BlobStore, ConfigStore

DECISIVE = ("package.json", "pyproject.toml")


_MOST = 1 << 20
"""Files of more bytes are not looked at."""

Read = Callable[[Iterable[Digest]], Mapping[Digest, bytes]]
"""Returns the contents at addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentConfig:
    """The config that holds, where it came from, and what its form is like."""

    config: DeployConfig
    origin: str
    findings: tuple[Finding, ...] = ()
    file: ProjectFile | None = None
    version: int = 0


def under(current: CurrentConfig, document: object) -> tuple[CurrentConfig, Overlay]:
    """Return the config under an overlay, if there is one."""
    if document is None:
        return current, NO_OVERLAY
    config, laid = overlaid(current.config, document)
    findings = (*current.findings, *laid.findings)
    origin = f"{current.origin}, with an overlay" if laid.text else current.origin
    return replace(current, config=config, findings=findings, origin=origin), laid


def on_links(config: DeployConfig, skipped: Sequence[str]) -> tuple[Finding, ...]:
    """Return a warning for each link that the migrations of a config would need.

    *skipped* are the paths that were not read, with the reason.
    """
    own = [each.file_patterns for each in config.groups if groups.migrating(each)]
    return tuple(overlooked.links(own, skipped))


def with_links(current: CurrentConfig, skipped: Sequence[str]) -> CurrentConfig:
    """Return the config with a warning for each link that its migrations would need."""
    found = on_links(current.config, skipped)
    return replace(current, findings=(*current.findings, *found)) if found else current


def _leads_out(root: str | None, path: str) -> str:
    """Return where links lead from *path* below *root*, if that is outside of it."""
    if root is None:
        return ""
    base, place = (Path(os.path.realpath(each)) for each in (root, Path(root) / path))
    return "" if place.is_relative_to(base) else str(place)


class Configs:
    """Use cases around the config of a project."""

    def __init__(self, settings: ConfigStore, content: BlobStore, system: Environment) -> None:
        """Keep versions in *settings*."""
        self._settings = settings
        self._content = content
        self._system = system

    def current(self, project: Project, release: Release) -> CurrentConfig:
        """Return the config that holds for *release*; an empty one if nobody set any."""
        if file := self.file(project, release):
            origin = f"{project_file.PATH} in release {release.number}"
            return CurrentConfig(
                config=file.config, origin=origin, findings=file.findings, file=file
            )
        kept = self._settings.config(project.slug)
        if kept is None:
            return CurrentConfig(config=DeployConfig(), origin="none")
        version, document, at, by = kept
        config, findings = configs.parse(document)
        origin = f"version {version} of {at:%Y-%m-%d %H:%M} by {by}"
        return CurrentConfig(config=config, origin=origin, findings=findings, version=version)

    def of_hash(
        self,
        project: Project,
        release: Release,
        wanted: str,
        overlay: object = None,
        read: Read | None = None,
    ) -> tuple[CurrentConfig, Overlay] | None:
        """Return the config of that hash, with its overlay: the release's file, or a version.

        *read* reads the files of a release that is not kept here.

        A run of an earlier templedb has no hash: for it, only the file of its release is certain.
        """
        for each in self._known(project, release, read):
            found, laid = under(each, overlay)
            if digest(configs.document(found.config)) == wanted or (each.file and not wanted):
                return found, laid
        return None

    def _known(
        self, project: Project, release: Release, read: Read | None
    ) -> Iterator[CurrentConfig]:
        if file := self.file(project, release, read):
            where = f"release {release.number}" if release.number else "its release"
            origin = f"{project_file.PATH} in {where}"
            yield CurrentConfig(
                config=file.config, origin=origin, findings=file.findings, file=file
            )
        for version, at, by, _, document in self._settings.configs(project.slug, last=1_000):
            config, findings = configs.parse(document)
            origin = f"version {version} of {at:%Y-%m-%d %H:%M} by {by}"
            yield CurrentConfig(config=config, origin=origin, findings=findings, version=version)
        yield CurrentConfig(config=DeployConfig(), origin="none")  # a deploy.sh alone

    def file(
        self, project: Project, release: Release, read: Read | None = None
    ) -> ProjectFile | None:
        """Return what the release's templedb.yaml says, if it has one."""
        entry = release.entry(project_file.PATH)
        if entry is None:
            return None
        text = (read or self._content.read)([entry.blob])[entry.blob]
        try:
            document = parse_document(text.decode(), project_file.PATH)
        except UnicodeDecodeError:
            raise InvalidConfig(f"{project_file.PATH} is not UTF-8") from None
        return project_file.parse(document, project.slug, partial(_leads_out, project.root))

    def show(self, project: Project, release: Release) -> ShownConfig:
        """Return the config as a document."""
        current = self.current(project, release)
        if current.origin == "none":
            hint = f"templedb deploy init {project.slug}"
            raise ConfigError(f"project {project.slug} has no deployment config", hint=hint)
        document = configs.document(current.config)
        return ShownConfig(slug=project.slug, origin=current.origin, document=document)

    def validate(self, project: Project, release: Release) -> Validation:
        """Return every problem of the config that holds."""
        current = self.current(project, release)
        if current.origin == "none":
            self.show(project, release)
        found = (*current.findings, *groups.check(current.config, release.paths))
        return Validation(
            slug=project.slug,
            origin=current.origin,
            groups=len(current.config.groups),
            findings=found,
        )

    def validate_document(
        self, project: Project, release: Release, document: object, origin: str
    ) -> tuple[Validation, DeployConfig]:
        """Return every problem of a document that is not kept yet, and the config that it is."""
        config, findings = configs.parse(document)
        found = (*findings, *groups.check(config, release.paths))
        told = Validation(
            slug=project.slug, origin=origin, groups=len(config.groups), findings=found
        )
        return told, config

    def set(self, project: Project, release: Release, document: object, note: str) -> ConfigVersion:
        """Keep a document as the newest version, unless it has errors."""
        self._refuse_file(project, release)
        config, findings = configs.parse(document)
        found = errors((*findings, *groups.check(config)))
        if found:
            problems = [str(each) for each in found]
            raise InvalidConfig("the config was not stored", problems=problems)
        return self._keep(project, configs.document(config), note)

    def init(
        self,
        project: Project,
        release: Release,
        answers: ProposalAnswers = NO_ANSWERS,
        skipped: Sequence[str] = (),
        *,
        force: bool,
        again: str = "",
    ) -> Proposed:
        """Propose groups from the files that are there, and keep them.

        *skipped* are paths that were not read, *again* is the command that takes the answers.
        Raises `ConfigError` if the files leave a doubt that *answers* do not settle.
        """
        self._refuse_file(project, release)
        if self._settings.config(project.slug) and not force:
            message = f"project {project.slug} has a deployment config already"
            hint = f"templedb deploy config {project.slug} --show, or init --force to replace it"
            raise ConfigError(message, hint=hint)
        proposal = self.proposal(release, answers)
        again = again or f"templedb deploy init {project.slug}{' --force' * force}"
        if proposal.doubts:
            ways = [f"{again}{each}" for each in proposal.answers]
            hint = "; or ".join([*ways, f"templedb deploy config {project.slug} --set FILE"])
            message = "the files leave open what runs, or in which order; nothing was stored"
            raise ConfigError(message, hint=hint, problems=list(proposal.doubts))
        if not proposal.config.groups:
            problems = [f"{each.what}: {each.why}" for each in proposal.reasons]
            seen = unclaimed(release.paths)
            problems += [f"{each.what}: {each.why}: not added" for each in proposal.offers]
            take = f"{again} --build; or " if proposal.offers else ""
            take += f"{again} --folder FOLDER; or " if seen else ""
            hint = f"{take}templedb deploy config {project.slug} --set FILE"
            raise ConfigError("found nothing to deploy", hint=hint, problems=[*problems, *seen])
        for path, text in proposal.orders:
            _write_order(project, path, text)
        version = self._keep(project, configs.document(proposal.config), "deploy init")
        linked = tuple(
            Reason(what=each.where, why=each.message) for each in on_links(proposal.config, skipped)
        )
        written = tuple(
            Reason(what=path, why="is written: check the order in it before you deploy")
            for path, _ in proposal.orders
        )
        return Proposed(
            version=version,
            groups=proposal.config.groups,
            reasons=(*proposal.reasons, *linked, *written),
            offers=proposal.offers,
        )

    def proposal(self, release: Release, answers: ProposalAnswers) -> Proposal:
        """Return what the files of a release speak for; nothing is kept."""
        return propose(release.paths, self._heads(release), answers)

    def history(self, project: Project) -> ConfigHistory:
        """Return every version, newest first."""
        rows = self._settings.configs(project.slug, last=1_000)
        versions = [
            ConfigVersion(
                slug=project.slug, version=v, set_at=at, set_by=by, note=note, groups=_names(doc)
            )
            for v, at, by, note, doc in rows
        ]
        return ConfigHistory(slug=project.slug, rows=tuple(versions))

    def _keep(self, project: Project, document: dict[str, Any], note: str) -> ConfigVersion:
        now, user = self._system.clock.now(), self._system.user()
        version = self._settings.keep_config(project.slug, document, now, user, note)
        return ConfigVersion(
            slug=project.slug,
            version=version,
            set_at=now,
            set_by=user,
            note=note,
            groups=_names(document),
        )

    def _refuse_file(self, project: Project, release: Release) -> None:
        if release.entry(project_file.PATH):
            message = f"project {project.slug} has its config in {project_file.PATH}"
            raise ConfigError(message, hint=f"edit {project_file.PATH}, then deploy")

    def _heads(self, release: Release) -> dict[str, str]:
        """Return the texts that tell what a project is: manifests, sidecars, SQL files."""
        wanted = {
            each.path: each.blob
            for each in release.files
            if each.path in DECISIVE
            or each.path.endswith(BESIDE)
            or (_tells(each.path) and each.size < _MOST)
        }
        bodies = self._content.read(wanted.values())
        return {path: bodies[blob].decode("utf-8", "replace") for path, blob in wanted.items()}


def _write_order(project: Project, path: str, text: str) -> None:
    """Write an order file into the project's folder; what is there is never replaced."""
    place = Path(project.root or "") / path
    try:
        with place.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        message = f"{path} is there already, and not in the newest release"
        raise FilesError(message, hint=f"templedb project sync {project.slug}") from None
    except OSError as error:
        raise FilesError(f"{path} cannot be written: {error.strerror}") from error


def _tells(path: str) -> bool:
    """Return whether the text of a file tells which folder is of migrations, and in which order."""
    name = last(path)
    changelog = liquibase.ROOT.fullmatch(name) is not None
    known = path.endswith(".sql") or drizzle.is_one(path)
    return known or changelog or manifests.is_one(name)


def _names(document: dict[str, Any]) -> tuple[str, ...]:
    given: Sequence[dict[str, Any]] = document.get("groups", [])
    return tuple(str(group.get("name", "")) for group in given)
