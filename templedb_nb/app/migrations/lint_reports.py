"""`migration lint`: what is risky in the files that wait on a target, or in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.app.findings.lint import complaints
from templedb_nb.core.approval.policy import demanded
from templedb_nb.core.lint.linter import Pending
from templedb_nb.core.migrations import status
from templedb_nb.core.migrations.layouts.placing import last
from templedb_nb.core.secrets.url_passwords import typed
from templedb_nb.engine.observe import Reader
from templedb_nb.errors import UnknownName
from templedb_nb.model.config import DeployConfig
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.file import FileEntry
from templedb_nb.model.layout import address
from templedb_nb.model.lint import LintReport
from templedb_nb.model.project import Slug
from templedb_nb.model.status import WAITING
from templedb_nb.model.target import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class LintRequest:
    """Which files are meant, and the form of the report; with `everything`, applied ones, too."""

    files: tuple[str, ...] = ()
    everything: bool = False
    strict: bool = False
    format: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where migrations come from: a release and the config that arranges it."""

    slug: Slug
    config: DeployConfig
    files: tuple[FileEntry, ...]
    read: Reader


def of_target(opened: OpenTarget, wanted: LintRequest) -> LintReport:
    """Return what is risky in the files that wait on a target, or that are named."""
    case = opened.case
    policy = demanded(Policy.of(case.target), opened.ledgers.values())
    sources = Sources(
        slug=case.project.slug,
        config=case.current.config,
        files=case.release.files,
        read=case.read,
    )
    pending = list(_chosen(_tracked(sources, opened.ledgers, wanted), wanted.files))
    found, notes, version = complaints(pending, opened.sessions, sources.read.cache)
    missing = [name for name in opened.databases if name not in opened.sessions]
    return LintReport(
        slug=case.project.slug,
        target=case.target.name,
        files=len(pending),
        rows=found,
        level=policy.lint,
        version=version,
        notes=(*notes, *(f"{name} has no value: every table counts as large" for name in missing)),
        strict=wanted.strict,
        format=wanted.format,
    )


def of_files(sources: Sources, wanted: LintRequest) -> LintReport:
    """Return what is risky in all files, or those that are named; no target is asked."""
    pending = list(_chosen(_tracked(sources, status.NO_LEDGERS, wanted), wanted.files))
    found, notes, _ = complaints(pending, {}, sources.read.cache)
    told = "no target was asked: all files count as pending, and all tables as large"
    return LintReport(
        slug=sources.slug,
        target=None,
        files=len(pending),
        rows=found,
        notes=(told, *notes),
        strict=wanted.strict,
        format=wanted.format,
    )


def _tracked(sources: Sources, ledgers: status.Ledgers, wanted: LintRequest) -> Iterator[Pending]:
    now = sources.read.observe(sources.config, sources.files, ledgers, all_scripts=True)
    found, read = now.migrations, now.scripts
    placed = [
        (each, own, address(file.blob, own.reading)) for each in found for own, file in each.placed
    ]
    waits = {row.file for row in status.track(found, ledgers, read) if row.state in WAITING}
    for each, own, where in placed:
        opaque = own.reading is not None and own.reading.opaque
        if not opaque and (wanted.everything or wanted.files or own.path in waits):
            yield Pending(file=own.path, database=each.database, script=read[where])


def _chosen(pending: Iterable[Pending], names: Sequence[str]) -> Iterator[Pending]:
    """Yield the files that are named, by path, file name or a part; all, if none is."""
    known = list(pending)
    for name in names:
        if not any(_named(each.file, name) for each in known):
            raise UnknownName(
                f"no migration is called {typed(name)}", hint="templedb migration list"
            )
    yield from (e for e in known if not names or any(_named(e.file, name) for name in names))


def _named(path: str, name: str) -> bool:
    return name in {path, last(path)} or (len(name) > 1 and name in path)
