"""A plan that travels: plan, files, config and policy in one archive, and never a value."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import get_type_hints

from templedb_nb.app.artifacts import bundled
from templedb_nb.app.deploy.case import DeployContext
from templedb_nb.app.project.configs import CurrentConfig
from templedb_nb.core.config import document as configs
from templedb_nb.core.config.overlay import Overlay
from templedb_nb.engine.observe import ReadCache, Reader
from templedb_nb.errors import ConfigError, Stale, StoreError, writing
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.file import FileEntry
from templedb_nb.model.plan import Plan, Preview
from templedb_nb.model.project import Project, Release, Slug, tree_hash
from templedb_nb.model.serialization import Digest, from_plain, holds, to_plain
from templedb_nb.model.target import Target
from templedb_nb.model.variable import Variable
from templedb_nb.ports.artifacts import ArtifactSource

FORMAT = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)
_HEAD = "bundle.json"
_LONGEST = 256 << 20
"""So many bytes may say what the plan is: some 300,000 files and steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What an archive holds; `id` and `content_hash` are what it says of itself."""

    format: int
    id: str
    content_hash: str
    preview: Preview
    slug: Slug
    known_as: str
    target: Target
    config: str
    origin: str
    files: tuple[FileEntry, ...]
    variables: tuple[Variable, ...]
    made_at: datetime


def write_bundle(
    path: Path,
    preview: Preview,
    case: DeployContext,
    artifacts: Sequence[ArtifactSource] = (),
) -> None:
    """Write the plan of *preview* with all that its run needs.

    With *artifacts*, what the plan places is taken from there, too.

    Archives of one plan differ in nothing but the time at which its preview was made.
    """
    with writing(path):
        there = path.exists()
    if there:
        raise ConfigError(f"{path} exists already", hint="name a file that does not exist")
    plan = preview.plan
    bundle = Bundle(
        format=FORMAT,
        id=plan.id,
        content_hash=plan.content_hash,
        preview=preview,
        slug=case.project.slug,
        known_as=case.project.known_as,
        target=case.target,
        config=json.dumps(configs.document(case.current.config)),
        origin=case.current.origin,
        files=case.release.files,
        variables=case.current.file.variables if case.current.file else (),
        made_at=case.release.made_at,
    )
    part = path.with_name(f".{path.name}.part")
    with writing(path):
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            _add(archive, _HEAD, json.dumps(to_plain(bundle), sort_keys=True).encode())
            for blob, body in sorted(case.read({each.blob for each in case.release.files}).items()):
                _add(archive, f"blobs/{blob}", body)
            if artifacts:
                bundled.pack(archive, plan, artifacts)
        part.replace(path)


def read_bundle(path: Path) -> tuple[Bundle, Mapping[Digest, bytes]]:
    """Return what is in an archive, after every hash in it was computed anew."""
    try:
        with zipfile.ZipFile(path) as archive:
            plain = json.loads(_entry(archive, _HEAD, _LONGEST))
            _refuse_newer(path, plain["format"])
            bundle = from_plain(Bundle, plain)
            _refuse_other_types(bundle)
            _refuse_strangers(path, archive, bundle)
            blobs = {
                each.blob: _entry(archive, f"blobs/{each.blob}", each.size)
                for each in bundle.files
                if f"blobs/{each.blob}" in archive.NameToInfo
            }
            damaged = tuple(bundled.damaged(archive, bundle.preview.plan))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    except RecursionError:
        raise ConfigError(f"{path} is not a plan bundle: {_HEAD} is nested too deeply") from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise ConfigError(f"{path} is not a plan bundle: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not a plan bundle: {error}") from None
    _verify(path, bundle, blobs, damaged)
    return bundle, blobs


def _entry(archive: zipfile.ZipFile, name: str, size: int) -> bytes:
    """Return an entry's bytes, of which no more than *size* are unpacked."""
    if archive.getinfo(name).file_size > size:
        raise ValueError(f"{name} is longer than {size} bytes")
    with archive.open(name) as entry:
        return entry.read(size)


def _refuse_other_types(bundle: Bundle) -> None:
    """Raise ValueError where a field holds something else than a bundle has there."""
    for each in fields(Bundle):
        if not holds(get_type_hints(Bundle)[each.name], getattr(bundle, each.name)):
            raise ValueError(f"{each.name} in {_HEAD} holds something else than a plan bundle has")
    json.loads(bundle.config)


def _refuse_strangers(path: Path, archive: zipfile.ZipFile, bundle: Bundle) -> None:
    """Refuse what the plan does not name, unread: it may be of any size."""
    named = {_HEAD, *(f"blobs/{each.blob}" for each in bundle.files)}
    named |= bundled.entries(bundle.preview.plan)
    if strangers := sorted(set(archive.namelist()) - named):
        problems = [f"{each[:100]!r} belongs to no file of its release" for each in strangers[:10]]
        raise Stale(f"{path} was changed after it was made", problems=problems)


def _refuse_newer(path: Path, number: int) -> None:
    """Refuse before anything else is read: a newer format has fields that are not known here."""
    if number > FORMAT:
        message = f"a newer templedb wrote {path}: format {number}; this one reads {FORMAT}"
        raise ConfigError(message, hint="pip install --upgrade templedb-nb")


def _verify(
    path: Path, bundle: Bundle, blobs: Mapping[Digest, bytes], damaged: Sequence[str]
) -> None:
    plan: Plan = bundle.preview.plan
    problems = [
        f"the content {blob[:12]} does not match its hash"
        for blob, body in blobs.items()
        if hashlib.sha256(body).hexdigest() != blob
    ]
    problems += damaged
    problems += [f"{f.path} is missing" for f in bundle.files if f.blob not in blobs]
    if tree_hash(bundle.files) != bundle.preview.tree:
        problems.append("its files do not match its release")
    if (plan.content_hash, plan.id) != (bundle.content_hash, bundle.id):
        problems.append("its plan does not match the id that it names")
    if bundle.slug != bundle.preview.slug:
        problems.append("its project is not that of its plan")
    if bool(plan.overlay) != bool(bundle.preview.overlay):
        problems.append("the overlay that it shows is not the overlay of its plan")
    if problems:
        raise Stale(f"{path} was changed after it was made", problems=problems)


def bundled_case(
    bundle: Bundle, blobs: Mapping[Digest, bytes], local: Project | None
) -> DeployContext:
    """Return the case of a bundle; only variables are looked up here, by the caller."""
    from templedb_nb.core.config.environ import KnownNames

    config, findings = configs.parse(json.loads(bundle.config))
    project = Project(
        slug=bundle.slug,
        known_as=bundle.known_as,
        root=local.root if local else None,
        created_at=bundle.made_at,
    )
    release = Release(
        project=bundle.slug,
        number=bundle.preview.release,
        tree=bundle.preview.tree,
        files=bundle.files,
        made_at=bundle.made_at,
    )

    def read(wanted: Iterable[Digest]) -> Mapping[Digest, bytes]:
        try:
            return {blob: blobs[blob] for blob in wanted}
        except KeyError as error:
            raise StoreError(f"the bundle has no content {error}") from None

    return DeployContext(
        project=project,
        target=bundle.target,
        current=CurrentConfig(config=config, origin=bundle.origin, findings=findings),
        release=release,
        read=Reader(read, ReadCache()),
        known=KnownNames(),
        overlay=Overlay(text=bundle.preview.plan.overlay, changes=bundle.preview.overlay),
    )


def _add(archive: zipfile.ZipFile, name: str, body: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, body)
