"""A project's folder as values: every file's address, and its bytes handed on as they are hashed.

Each folder and file is opened by its name within a folder that is open already, and no link is
followed; so nothing outside the root is ever read, whatever is swapped meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import field
from operator import attrgetter
from pathlib import Path

from templedb_nb.files.ignore import SOURCES, Ignore
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.file import FileStamp
from templedb_nb.model.serialization import Digest
from templedb_nb.ports.store import BlobSink

PART = 4 * 1024 * 1024
"""A file comes in parts of at most this many bytes; one that is no larger, in one part."""

_BY_PATH = attrgetter("path")
_RACY_NS = 2_000_000_000
_TRIES = 3
_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FOLDER = _ROOT | os.O_NOFOLLOW
# Without O_NONBLOCK, a pipe put in a file's place would hold us until somebody writes to it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """One path that was not read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a folder holds; `fresh` names the files whose bytes were read, `known` ones were not."""

    files: tuple[FileStamp, ...]
    skipped: tuple[Skipped, ...]
    fresh: frozenset[str]


class Unreadable(Exception):
    """Some of the folder could not be read; `problems` has every such path, in order."""

    def __init__(self, problems: tuple[Skipped, ...]) -> None:
        """Keep all that went wrong."""
        super().__init__("; ".join(f"{each.path} {each.reason}" for each in problems))
        self.problems = problems


def scan(root: Path, known: Mapping[str, FileStamp], sink: BlobSink, *, known_at_ns: int) -> Scan:
    """Return the files below *root* that are not ignored, and give *sink* what is new of them.

    A file that looks as in *known* is not opened, unless it was touched less than two seconds
    before *known_at_ns*, when the scan that made *known* began: it may have changed again without
    looking changed. Raise `Unreadable`, with every problem, if anything cannot be read.
    """
    reading = _Reading(root=root, known=known, settled_ns=known_at_ns - _RACY_NS, sink=sink)
    try:
        reading.walk(root)
    except _Trouble as trouble:
        reading.trouble(trouble)
    if reading.problems:
        raise Unreadable(tuple(sorted(reading.problems, key=_BY_PATH)))
    return Scan(
        files=tuple(sorted(reading.files, key=_BY_PATH)),
        skipped=tuple(sorted(reading.skipped, key=_BY_PATH)),
        fresh=frozenset(reading.fresh),
    )


class _Trouble(Exception):
    """One path cannot be read."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Turn what the system says of *path* into trouble with it."""
    try:
        yield
    except OSError as error:
        raise _trouble(path, error) from error


def _trouble(path: str, error: OSError) -> _Trouble:
    if isinstance(error, FileNotFoundError):
        return _Trouble(path, "vanished while the folder was read")
    return _Trouble(path, f"cannot be read: {error.strerror}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """A folder that was listed, and those of its folders that still wait."""

    prefix: str
    ignore: Ignore
    waiting: list[str]


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One scan as it goes on."""

    root: Path
    known: Mapping[str, FileStamp]
    settled_ns: int
    sink: BlobSink
    files: list[FileStamp] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    problems: list[Skipped] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)

    def trouble(self, trouble: _Trouble) -> None:
        """Add one path that cannot be read, and go on."""
        self.problems.append(Skipped(path=_shown(trouble.path), reason=trouble.reason))

    def walk(self, root: Path) -> None:
        """Read everything below *root*, going on after a folder or file that cannot be read."""
        try:
            place = _WalkPlace(os.open(root, _ROOT))
        except OSError as error:
            raise _Trouble(".", f"cannot be read: {error.strerror}") from error
        with closing(place):
            trail = [self._list(place.fd, "", Ignore.by_default())]
            while trail:
                here = trail[-1]
                if here.waiting:
                    trail += self._visit(place, here, here.waiting.pop())
                    continue
                trail.pop()
                if trail:
                    place.leave(here.prefix)

    def _visit(self, place: _WalkPlace, here: _Folder, name: str) -> Iterable[_Folder]:
        """List one folder, and enter it if others wait in it."""
        prefix = f"{here.prefix}{name}/"
        try:
            with _opened(name.encode(), place.fd, _FOLDER, prefix) as fd:
                below = self._list(fd, prefix, here.ignore)
                if below.waiting:
                    place.enter(fd, prefix)
                    return (below,)
        except _Trouble as trouble:
            self.trouble(trouble)
        return ()

    def _list(self, fd: int, prefix: str, above: Ignore) -> _Folder:
        """Take the files of one folder, and name its folders."""
        with _named(prefix or "."), os.scandir(fd) as listed:
            entries = _by_name(listed)
            names = {name: entry.is_dir(follow_symlinks=False) for name, entry in entries.items()}
        ignore = _with_rules(above, fd, prefix, entries)
        ignored = ignore.ignored(prefix, names)
        waiting: list[str] = []
        for name, entry in entries.items():
            if name in ignored:
                continue
            if not (name.isascii() or _is_valid(name)):
                self.trouble(_Trouble(prefix + name, "has a name that is not UTF-8"))
            elif names[name]:
                waiting.append(name)
            else:
                self._file(entry, fd, prefix + name)
        return _Folder(prefix=prefix, ignore=ignore, waiting=waiting)

    def _file(self, entry: os.DirEntry[str], fd: int, path: str) -> None:
        """Take one file as it is known, or read it."""
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            self.trouble(_trouble(path, error))
            return
        old = self.known.get(path)
        if old is not None and self._settled(old) and old.looks_like(status):
            self.files.append(old)
        elif stat.S_ISREG(status.st_mode):
            self._read(entry.name, fd, path)
        else:
            self.skipped.append(Skipped(path=path, reason=self._unread(path, status.st_mode)))

    def _unread(self, path: str, mode: int) -> str:
        """Return why a non-file is left out; of a link, whether it leads out of the folder."""
        if not stat.S_ISLNK(mode):
            return _kind(mode)
        place = os.path.realpath(self.root / path)
        within = os.path.commonpath([place, os.path.realpath(self.root)])
        out = "" if within == os.path.realpath(self.root) else " that leads out of the project"
        return f"{_kind(mode)}{out}"

    def _settled(self, old: FileStamp) -> bool:
        return old.mtime_ns < self.settled_ns and old.ctime_ns < self.settled_ns

    def _read(self, name: str, folder: int, path: str) -> None:
        """Hash a file and hand on the very same bytes."""
        try:
            with _opened(name, folder, _FILE, path) as fd:
                seen = self._until_steady(fd, path)
        except _Trouble as trouble:
            self.trouble(trouble)
            return
        self.sink.commit(seen.blob, seen.size)
        self.files.append(seen)
        self.fresh.append(path)

    def _until_steady(self, fd: int, path: str) -> FileStamp:
        for _ in range(_TRIES):
            if seen := self._pass(fd, path):
                return seen
            self.sink.discard()
            os.lseek(fd, 0, os.SEEK_SET)
        raise _Trouble(path, "changes while it is read")

    def _pass(self, fd: int, path: str) -> FileStamp | None:
        """Read an open file once; return nothing if it was not the same from begin to end."""
        before = _status(fd, path)
        if not stat.S_ISREG(before.st_mode):
            raise _Trouble(path, "was replaced while the folder was read")
        size, sha256 = 0, hashlib.sha256()
        while size <= before.st_size and (part := self._part(fd, path, before.st_size - size)):
            sha256.update(part)
            self.sink.write(part)
            size += len(part)
        seen = FileStamp.of(path, Digest(sha256.hexdigest()), before)
        return seen if size == seen.size and seen.looks_like(_status(fd, path)) else None

    def _part(self, fd: int, path: str, left: int) -> bytes:
        try:
            return os.read(fd, max(1, min(left, PART)))
        except OSError as error:
            self.sink.discard()
            raise _trouble(path, error) from error


class _WalkPlace:
    """Where a walk stands: one open folder however deep it is, and the way back."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._above: list[tuple[int, int]] = []

    def enter(self, fd: int, prefix: str) -> None:
        """Go into a folder within this one."""
        with _named(prefix):
            here, above = _identity(os.fstat(self.fd)), _identity(os.stat("..", dir_fd=fd))
            if here != above:
                raise _Trouble(prefix, "was moved while it was read")
            self._move(os.dup(fd))
        self._above.append(here)

    def leave(self, prefix: str) -> None:
        """Go back; ``..`` is believed only if it is the folder that we came from."""
        with _named(prefix):
            self._move(os.open("..", _FOLDER, dir_fd=self.fd))
            if _identity(os.fstat(self.fd)) != self._above.pop():
                raise _Trouble(prefix, "was moved while it was read")

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self.fd)

    def _move(self, fd: int) -> None:
        os.close(self.fd)
        self.fd = fd


@contextmanager
def _opened(name: str | bytes, folder: int, flags: int, path: str) -> Iterator[int]:
    with _named(path):
        fd = os.open(name, flags, dir_fd=folder)
    try:
        yield fd
    finally:
        os.close(fd)


def _with_rules(
    ignore: Ignore, fd: int, prefix: str, entries: Mapping[str, os.DirEntry[str]]
) -> Ignore:
    texts = {
        name: _content(name, fd, prefix + name)
        for name in SOURCES
        if name in entries and entries[name].is_file(follow_symlinks=False)
    }
    return ignore.within(prefix, texts) if texts else ignore


def _content(name: str, folder: int, path: str) -> bytes:
    with (
        _opened(name, folder, _FILE, path) as fd,
        _named(path),
        open(fd, "rb", closefd=False) as file,
    ):
        return file.read()


def _status(fd: int, path: str) -> os.stat_result:
    with _named(path):
        return os.fstat(fd)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "symbolic link", stat.S_IFSOCK: "socket", stat.S_IFIFO: "named pipe"}
    return f"is a {kinds.get(stat.S_IFMT(mode), 'device')}"


def _by_name(listed: Iterable[os.DirEntry[str]]) -> dict[str, os.DirEntry[str]]:
    """Return entries by their names as UTF-8 reads their bytes, whatever the locale made of it."""
    entries = {entry.name: entry for entry in listed}
    if "".join(entries).isascii():
        return entries
    return {os.fsencode(n).decode("utf-8", "surrogateescape"): entries[n] for n in entries}


def _is_valid(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
