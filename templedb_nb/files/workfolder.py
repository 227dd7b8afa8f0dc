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

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from filelock import FileLock, Timeout

from templedb_nb.model.file import FileEntry, Seen
from templedb_nb.model.plain import Digest, short

Read: TypeAlias = Callable[[Sequence[Digest]], Iterable[tuple[Digest, bytes]]]
"""Gives the bytes of blobs: in any order, each once."""

BATCH = 64 * 1024 * 1024
"""Blobs are asked for together up to this many bytes; a larger one alone."""

_FORMAT = 1
_TREE, _MANIFEST, _PART, _LOCK = "tree", "manifest.json", "part", "lock"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Unfit(Exception):
    """Some paths can be no files of a release; `problems` has them all, and nothing was written."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Keep every complaint."""
        super().__init__("; ".join(problems))
        self.problems = problems


class Damaged(Exception):
    """The bytes of a blob are missing or are not what its name says."""

    def __init__(self, path: str, blob: Digest) -> None:
        """Say which file wanted them."""
        super().__init__(f"{path}: blob {short(blob)} is missing or damaged")


class Occupied(Exception):
    """Another process works in the folder."""

    def __init__(self, path: Path) -> None:
        """Say which folder."""
        super().__init__(f"another process works in {path}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialised:
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
        """Keep every other process out, or raise `Occupied`."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        try:
            with FileLock(self.path / _LOCK, mode=0o600).acquire(timeout=0):
                yield
        except Timeout:
            raise Occupied(self.path) from None

    def materialise(self, files: Sequence[FileEntry], read: Read) -> Materialised:
        """Make the tree hold *files*, and nothing of an earlier release; the caller holds it.

        A file that nobody touched since it was written is left alone. Raise `Unfit` before
        anything is written, or `Damaged`.
        """
        refuse_unfit(files, folds_case=_folds_case(self.path))
        manifest = _load(self.path / _MANIFEST)
        with _folder(self.path) as home:
            if manifest is None:
                _remove(_TREE, home)
            with _within(home, _TREE) as tree:
                work = _Work(home=self.path, tree=tree, old=manifest or _Manifest())
                return work.carry_out(files, read)


def refuse_unfit(files: Iterable[FileEntry], *, folds_case: bool) -> None:
    """Refuse paths that could lead out of the tree, or that cannot stand beside one another."""
    problems: list[str] = []
    folded: dict[str, str] = {}
    for path in (each.path for each in files):
        parts = path.split("/")
        if "\0" in path or any(part in {"", ".", ".."} for part in parts):
            problems.append(f"{path!r} is no path within a project")
        other = folded.setdefault(path.casefold(), path)
        if other != path and folds_case:
            problems.append(f"{path!r} and {other!r} are one file on this system")
    if problems:
        raise Unfit(tuple(problems))


def _folds_case(folder: Path) -> bool:
    """Return whether names that differ by case alone are one name here."""
    return (
        folder.with_name(folder.name.swapcase()).exists() and folder.name.swapcase() != folder.name
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifest:
    """The files that are ours: how they looked, and those that may look otherwise by now."""

    seen: Mapping[str, Seen] = field(default_factory=dict)
    uncertain: frozenset[str] = frozenset()

    @property
    def paths(self) -> set[str]:
        return {*self.seen, *self.uncertain}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """The change from what stands to what is wanted."""

    home: Path
    tree: int
    old: _Manifest

    def carry_out(self, files: Sequence[FileEntry], read: Read) -> Materialised:
        kept = self._untouched(files)
        stale = [each for each in files if each.path not in kept]
        surplus = sorted(self.old.paths.difference(each.path for each in files))
        if stale or surplus or self.old.uncertain:
            doubtful = frozenset({*surplus, *(each.path for each in stale)})
            _save(self.home, _Manifest(seen=kept, uncertain=doubtful))
            self._clear(surplus)
            written = self._write(stale, read)
            _save(self.home, _Manifest(seen=kept | written))
        return Materialised(
            written=tuple(each.path for each in stale), kept=tuple(kept), removed=tuple(surplus)
        )

    def _untouched(self, files: Sequence[FileEntry]) -> dict[str, Seen]:
        """Return what looks as it did when it was written, and is what is wanted."""
        root, kept = self.home / _TREE, {}
        for each in files:
            seen = self.old.seen.get(each.path)
            if seen is None or seen.entry != each:
                continue
            with suppress(OSError):
                if _seen(each, os.lstat(root / each.path)) == seen and not _linked(root, each.path):
                    kept[each.path] = seen
        return kept

    def _clear(self, surplus: Sequence[str]) -> None:
        """Take away files of an older release, and the folders that are empty without them."""
        for path in surplus:
            parent, name = _split(path)
            with suppress(OSError), _within(self.tree, *parent, make=False) as folder:
                if not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
                    os.unlink(name, dir_fd=folder)
            self._prune(parent)

    def _prune(self, parts: tuple[str, ...]) -> None:
        while parts:
            with suppress(OSError), _within(self.tree, *parts[:-1], make=False) as folder:
                os.rmdir(parts[-1], dir_fd=folder)
            parts = parts[:-1]

    def _write(self, stale: Sequence[FileEntry], read: Read) -> dict[str, Seen]:
        written: dict[str, Seen] = {}
        for batch in _batches(stale):
            bodies = dict(read(sorted({each.blob for each in batch})))
            for each in batch:
                body = bodies.get(each.blob)
                if body is None or hashlib.sha256(body).hexdigest() != each.blob:
                    raise Damaged(each.path, each.blob)
                written[each.path] = self._put(each, body)
        return written

    def _put(self, each: FileEntry, body: bytes) -> Seen:
        """Grow the file outside of the tree, and move it to its place whole."""
        parent, name = _split(each.path)
        part = self.home / _PART
        part.unlink(missing_ok=True)
        handle = os.open(part, _NEW, 0o700 if each.executable else 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        with _within(self.tree, *parent) as folder:
            with suppress(FileNotFoundError):
                if stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
                    _remove(name, folder)
            os.replace(part, name, dst_dir_fd=folder)
            return _seen(each, os.lstat(name, dir_fd=folder))


def _linked(root: Path, path: str) -> bool:
    """Return whether a folder on the way is a link by now."""
    parents = PurePosixPath(path).parents
    return any((root / parent).is_symlink() for parent in parents if parent.name)


def _batches(files: Sequence[FileEntry]) -> Iterator[list[FileEntry]]:
    batch: list[FileEntry] = []
    size = 0
    for each in files:
        if batch and size + each.size > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += each.size
    if batch:
        yield batch


def _split(path: str) -> tuple[tuple[str, ...], str]:
    *parent, name = path.split("/")
    return tuple(parent), name


@contextmanager
def _folder(path: Path) -> Iterator[int]:
    handle = os.open(path, _FOLDER)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _within(folder: int, *parts: str, make: bool = True) -> Iterator[int]:
    """Open a folder below *folder*, one step at a time, following no link.

    With *make*, what is missing is made, and what is no folder is removed before.
    """
    here = os.dup(folder)
    try:
        for part in parts:
            below = _step(here, part, make=make)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def _step(here: int, part: str, *, make: bool) -> int:
    try:
        return os.open(part, _FOLDER, dir_fd=here)
    except FileNotFoundError:
        if not make:
            raise
    except OSError:  # a link or a file stands where a folder must
        if not make:
            raise
        os.unlink(part, dir_fd=here)
    os.mkdir(part, 0o700, dir_fd=here)
    return os.open(part, _FOLDER, dir_fd=here)


def _remove(name: str, folder: int) -> None:
    """Remove whatever *name* is, with all below it; links are removed, never followed."""
    try:
        is_folder = stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode)
    except FileNotFoundError:
        return
    if is_folder:
        shutil.rmtree(name, dir_fd=folder)
    else:
        os.unlink(name, dir_fd=folder)


def _seen(each: FileEntry, status: os.stat_result) -> Seen:
    regular = stat.S_ISREG(status.st_mode)
    return Seen(
        path=each.path,
        blob=each.blob if regular else Digest(""),
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        inode=status.st_ino,
        executable=bool(status.st_mode & stat.S_IXUSR),
    )


def _load(path: Path) -> _Manifest | None:
    """Return what the manifest says; None if it is not there, or was not written by us."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if plain["format"] != _FORMAT:
            return None
        seen = {each["path"]: Seen(**each) for each in plain["seen"]}
        return _Manifest(seen=seen, uncertain=frozenset(plain["uncertain"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _save(home: Path, manifest: _Manifest) -> None:
    plain = {
        "format": _FORMAT,
        "seen": [asdict(each) for each in manifest.seen.values()],
        "uncertain": sorted(manifest.uncertain),
    }
    part = home / f"{_MANIFEST}.part"
    part.write_text(json.dumps(plain), encoding="utf-8")
    part.chmod(0o600)
    part.replace(home / _MANIFEST)
