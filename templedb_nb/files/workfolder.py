"""A release as a private folder, in which the commands of a run do their work.

Beside ``tree`` stands ``manifest.json``: which files there are ours, and how each looked when it
was written. A call first writes down every path that it may touch as one of uncertain content,
then works, then writes down how things look now. So, killed at any instant, it leaves a manifest
that knows every file of ours, and trusts none that may not be what it says; the next call mends
the rest. A new file grows outside of the tree and is moved to its place whole.

The tree itself is in the hands of builds: whatever stands in the way of a file or folder of the
release is removed, links are never followed, and what a build made elsewhere stays.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import time
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field, fields
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

from filelock import FileLock, Timeout

from templedb_nb.files.tree import (
    FOLDER,
    fill,
    is_folder,
    is_there,
    look,
    make,
    new,
    opened,
    regain,
    remove,
    walk,
)
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.file import FileEntry, FileStamp
from templedb_nb.model.serialization import Digest, short

Read: TypeAlias = Callable[[Sequence[Digest]], Iterable[tuple[Digest, bytes]]]
"""Gives the bytes of blobs: in any order, each whole or in parts that follow on one another."""

BATCH = 64 * 1024 * 1024
"""Blobs are asked for together up to this many bytes; a larger one alone, its parts never held."""

_BATCH_FILES = 4096
_FORMAT = 1
_TREE, _MANIFEST, _PART, _LOCK = "tree", "manifest.json", "part", "lock"
_PROBE = "Probe-\u00e9"
_TICKS = 2500
_COLUMNS = tuple(each.name for each in fields(FileStamp))
_ROW = attrgetter(*_COLUMNS)


class PathsUnfit(Exception):
    """Some paths can be no files of a release; `problems` has them all, and nothing was written."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Keep every complaint."""
        super().__init__("; ".join(problems))
        self.problems = problems


class BlobDamaged(Exception):
    """The bytes of a blob are missing or are not what its name says."""

    def __init__(self, path: str, blob: Digest) -> None:
        """Say which file wanted them."""
        super().__init__(f"{path}: blob {short(blob)} is missing or damaged")


class FolderOccupied(Exception):
    """Another process works in the folder."""

    def __init__(self, path: Path) -> None:
        """Say which folder."""
        super().__init__(f"another process uses {path}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFolderChanges:
    """Which paths were written, stood there already, and were taken away."""

    written: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]


class WorkFolder:
    """One target's work folder; it is made, with mode 0700, when it is first held."""

    def __init__(self, path: Path) -> None:
        """Know where it is."""
        self.path = path

    @property
    def tree(self) -> Path:
        """Return the folder that holds the release's files."""
        return self.path / _TREE

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep every other process out, or raise `FolderOccupied`."""
        _make_private(self.path)
        try:
            held = FileLock(self.path / _LOCK, mode=0o600).acquire(timeout=0)
        except Timeout:
            raise FolderOccupied(self.path) from None
        with held:
            yield

    def materialise(self, files: Sequence[FileEntry], read: Read) -> WorkFolderChanges:
        """Make the tree hold *files*, and nothing of an earlier release; the caller holds it.

        A file that nobody touched since it was written is left alone. Raise `PathsUnfit` before
        anything is written, or `BlobDamaged`.
        """
        with opened(os.open(self.path, FOLDER)) as home:
            _refuse_unfit([each.path for each in files], home)
            manifest = _load(home)
            if manifest is None:
                # Nothing vouches for what stands there.
                remove(_TREE, home)
            with opened(make(_TREE, home)) as tree:
                work = _Work(home=home, tree=tree, old=manifest or _Manifest())
                return work.carry_out(files, read)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifest:
    """The files that are ours: how they looked, and those that may look otherwise by now."""

    seen: Mapping[str, FileStamp] = field(default_factory=dict)
    uncertain: frozenset[str] = frozenset()

    @property
    def paths(self) -> set[str]:
        return {*self.seen, *self.uncertain}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """The change from what stands to what is wanted."""

    home: int
    tree: int
    old: _Manifest

    def carry_out(self, files: Sequence[FileEntry], read: Read) -> WorkFolderChanges:
        kept = self._untouched(files)
        stale = [each for each in files if each.path not in kept]
        surplus = sorted(self.old.paths.difference(each.path for each in files))
        if stale or surplus:
            doubtful = frozenset({*surplus, *(each.path for each in stale)})
            _save(self.home, _Manifest(seen=kept, uncertain=doubtful))
            self._clear(surplus)
            written = self._write(stale, read)
            _save(self.home, _Manifest(seen=kept | written))
        return WorkFolderChanges(
            written=tuple(each.path for each in stale), kept=tuple(kept), removed=tuple(surplus)
        )

    def _untouched(self, files: Sequence[FileEntry]) -> dict[str, FileStamp]:
        """Return those of *files* that stand in the tree as they were written."""
        kept: dict[str, FileStamp] = {}
        for folder, entries in groupby(sorted(files, key=_place), key=_parent):
            with suppress(OSError), opened(walk(self.tree, folder, look)) as fd:
                for each in entries:
                    seen = self.old.seen.get(each.path)
                    if seen is not None and _stands(seen, each, fd):
                        kept[each.path] = seen
        return kept

    def _clear(self, surplus: Sequence[str]) -> None:
        """Remove files of an earlier release, and the folders that are empty without them."""
        for path in surplus:
            folder, _, name = path.rpartition("/")
            with _unless_gone(), opened(walk(self.tree, folder, regain)) as fd:
                if not is_folder(name, fd):
                    os.unlink(name, dir_fd=fd)
        for path in sorted(_folders(surplus), reverse=True):
            folder, _, name = path.rpartition("/")
            with suppress(OSError), opened(walk(self.tree, folder, look)) as fd:
                os.rmdir(name, dir_fd=fd)

    def _write(self, stale: Sequence[FileEntry], read: Read) -> dict[str, FileStamp]:
        """Write files, and return how each looks now."""
        written: dict[str, FileStamp] = {}
        bodies = _bodies(sorted(stale, key=_place), read)
        for folder, pairs in groupby(bodies, key=lambda pair: _parent(pair[0])):
            with opened(walk(self.tree, folder, make)) as fd:
                for each, body in pairs:
                    written[each.path] = self._put(each, body, fd)
        return written

    def _put(self, each: FileEntry, body: Iterable[bytes], folder: int) -> FileStamp:
        """Grow one file outside of the tree, and move it to its place whole."""
        name = each.path.rpartition("/")[2]
        with opened(new(_PART, self.home)) as fd:
            if fill(fd, body) != each.blob:
                raise BlobDamaged(each.path, each.blob)
            os.fchmod(fd, 0o700 if each.executable else 0o600)
            try:
                os.replace(_PART, name, src_dir_fd=self.home, dst_dir_fd=folder)
            except IsADirectoryError:
                remove(name, folder)
                os.replace(_PART, name, src_dir_fd=self.home, dst_dir_fd=folder)
            return FileStamp.of(each.path, each.blob, os.fstat(fd))


@contextmanager
def _unless_gone() -> Iterator[None]:
    """Go on where a build has removed or replaced what is to be removed."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise


def _parent(file: FileEntry) -> str:
    return file.path.rpartition("/")[0]


def _place(file: FileEntry) -> tuple[str, str, str]:
    return file.path.rpartition("/")


def _folders(paths: Iterable[str]) -> set[str]:
    """Return every folder that holds one of *paths*, at any depth."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _stands(seen: FileStamp, file: FileEntry, folder: int) -> bool:
    if seen.blob != file.blob or seen.executable != file.executable:
        return False
    name = file.path.rpartition("/")[2]
    try:
        return seen.looks_like(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except OSError:
        return False


def _bodies(files: Sequence[FileEntry], read: Read) -> Iterator[tuple[FileEntry, Iterable[bytes]]]:
    for batch in _batches(files):
        parts = read(list(dict.fromkeys(each.blob for each in batch)))
        if len(batch) == 1:
            yield batch[0], (part for _, part in parts)
            continue
        bodies: defaultdict[Digest, list[bytes]] = defaultdict(list)
        for blob, part in parts:
            bodies[blob].append(part)
        for each in batch:
            yield each, bodies[each.blob]


def _batches(files: Iterable[FileEntry]) -> Iterator[list[FileEntry]]:
    batch: list[FileEntry] = []
    size = 0
    for each in files:
        if batch and (size + each.size > BATCH or len(batch) == _BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += each.size
    if batch:
        yield batch


def _make_private(path: Path) -> None:
    for folder in reversed(path.parents):
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            folder.chmod(stat.S_IRWXU)
    path.mkdir(exist_ok=True)
    path.chmod(stat.S_IRWXU)


def _load(home: int) -> _Manifest | None:
    """Return what the manifest says, if we wrote it."""
    try:
        fd = os.open(_MANIFEST, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=home)
        with os.fdopen(fd, "rb") as file:
            return _manifest(json.load(file))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _manifest(plain: Any) -> _Manifest:
    if plain["format"] != _FORMAT:
        raise ValueError("another version wrote it")
    seen = {row[0]: FileStamp(**dict(zip(_COLUMNS, row, strict=True))) for row in plain["seen"]}
    manifest = _Manifest(seen=seen, uncertain=frozenset(plain["uncertain"]))
    if any(_complaint(path) for path in manifest.paths):
        raise ValueError("it names files outside of the tree")
    return manifest


def _save(home: int, manifest: _Manifest) -> None:
    """Write the manifest; what was touched in the present tick of the clock is left uncertain."""
    part = f"{_MANIFEST}.{_PART}"
    with opened(new(part, home)) as fd:
        now = _after(max((each.ctime_ns for each in manifest.seen.values()), default=0), fd)
        sure = [each for each in manifest.seen.values() if each.ctime_ns < now]
        plain = {
            "format": _FORMAT,
            "seen": [_ROW(each) for each in sure],
            "uncertain": sorted(manifest.paths.difference(each.path for each in sure)),
        }
        fill(fd, [json.dumps(plain).encode()])
    os.replace(part, _MANIFEST, src_dir_fd=home, dst_dir_fd=home)


def _after(then_ns: int, fd: int) -> int:
    """Wait until the file system's clock, seen through *fd*, has left *then_ns*, and return it.

    A change in the same tick would leave no trace. A tick is 10 ms at most on the file systems of
    Linux and macOS, 2 s on a memory card; after that, the clock is returned as it is.
    """
    for _ in range(_TICKS):
        os.utime(fd)
        if os.fstat(fd).st_ctime_ns > then_ns:
            break
        time.sleep(0.001)
    return os.fstat(fd).st_ctime_ns


def _refuse_unfit(paths: Sequence[str], home: int) -> None:
    problems = [f"{path!r} {wrong}" for path in paths if (wrong := _complaint(path))]
    if next(_clashes(paths, _alike), None):
        clashes = _clashes(paths, _fold_of(home))
        problems += [f"{one!r} and {two!r} cannot stand side by side here" for one, two in clashes]
    if problems:
        raise PathsUnfit(tuple(problems))


def _complaint(path: str) -> str:
    segments = path.split("/")
    if "" in segments:
        return "is absolute or has an empty segment"
    if "." in segments or ".." in segments:
        return "has a segment that is . or .."
    if "\0" in path:
        return "has a NUL character"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "is not Unicode text"
    return ""


def _clashes(paths: Iterable[str], fold: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Return paths that are one file, or of which one is a file and the other's folder."""
    files: dict[str, str] = {}
    for path in paths:
        if (key := fold(path)) in files:
            yield files[key], path
        files[key] = path
    folders: set[str] = set()
    for key, path in files.items():
        folder = key.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            if folder in files:
                yield files[folder], path
            folder = folder.rpartition("/")[0]


def _alike(path: str) -> str:
    return unicodedata.normalize("NFD", path).casefold() if not path.isascii() else path.lower()


def _fold_of(home: int) -> Callable[[str], str]:
    """Return what this file system takes names to be, as it takes one of ours."""
    with opened(new(_PROBE, home)):
        case = is_there(_PROBE.lower(), home)
        form = is_there(unicodedata.normalize("NFD", _PROBE), home)
    os.unlink(_PROBE, dir_fd=home)

    def fold(path: str) -> str:
        path = unicodedata.normalize("NFD", path) if form else path
        return path.casefold() if case else path

    return fold
