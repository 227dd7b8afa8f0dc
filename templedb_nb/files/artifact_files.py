"""What patterns match in a work folder after a build, and recorded files that return to it.

Nothing is read or written outside of the folder: links are followed within it alone, and never on
the way to a file that is written.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from templedb_nb.core.config import globs
from templedb_nb.files.tree import (
    FOLDER,
    fill,
    is_folder,
    is_there,
    look,
    make,
    opened,
    regain,
    remove,
    walk,
)
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.file import FileEntry

PART = 1 << 20
Write = Callable[[bytes], object]
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_STAGED = "staged"
_WILD = frozenset("*?[")


class UnfitFile(Exception):
    """A file that patterns match cannot be kept; `path` is where it stands."""

    def __init__(self, path: str, why: str) -> None:
        """Say what is wrong."""
        super().__init__(f"{path!r} {why}")
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A file that patterns match; `real` is the path that its links lead to, within the folder."""

    path: str
    real: str
    size: int
    executable: bool


def found(tree: Path, patterns: Sequence[str]) -> dict[str, tuple[FoundFile, ...]]:
    """Return the files that each pattern matches, or raise `UnfitFile`."""
    paths, folders = _listed(tree, patterns)
    for path in folders:
        _refuse_left_out(tree, path, patterns)
    matched = {each: globs.match(each, paths) for each in patterns}
    wanted = dict.fromkeys(path for group in matched.values() for path in group)
    files = {path: _file(tree, path) for path in wanted}
    return {each: tuple(files[path] for path in group) for each, group in matched.items()}


def clear(tree: Path, patterns: Sequence[str], keep: Iterable[str] = ()) -> None:
    """Remove what patterns match, but for the paths to *keep*; no link is followed."""
    if not patterns or not tree.is_dir():
        return
    paths, folders = _listed(tree, patterns)
    there = [*paths, *folders]
    gone = {path for each in patterns for path in globs.match(each, there)} - set(keep)
    gone |= {link for start in _starts(patterns) if (link := _link_on_the_way(tree, start))}
    with opened(os.open(tree, FOLDER)) as root:
        for path in sorted(gone):
            folder, _, name = path.rpartition("/")
            with suppress(FileNotFoundError), opened(walk(root, folder, regain)) as fd:
                os.unlink(name, dir_fd=fd)


def read(tree: Path, file: FoundFile, write: Write) -> None:
    """Hand over the bytes of a file, part by part, or raise `UnfitFile`."""
    folder, _, name = file.real.rpartition("/")
    with opened(os.open(tree, FOLDER)) as root, opened(walk(root, folder, look)) as place:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
        with opened(fd):
            before = os.fstat(fd)
            if not stat.S_ISREG(before.st_mode):
                raise UnfitFile(file.path, "is no longer a file")
            while part := os.read(fd, PART):
                write(part)
            after = os.fstat(fd)
    if _state(before) != _state(after) or before.st_size != file.size:
        raise UnfitFile(file.path, "changed while it was read: something still works on it")


@contextmanager
def staging(home: Path) -> Iterator[Staging]:
    """Yield a folder beside the work folder, in which files are made whole; it goes in the end."""
    with opened(os.open(home, FOLDER)) as fd:
        remove(_STAGED, fd)
        with opened(make(_STAGED, fd)) as staged:
            try:
                yield Staging(staged)
            finally:
                remove(_STAGED, fd)


class Staging:
    """Files that are written and hashed, but not in their places yet."""

    def __init__(self, fd: int) -> None:
        """Write into the open folder *fd*."""
        self._fd = fd
        self._files: list[FileEntry] = []

    def add(self, file: FileEntry, read: Callable[[Write], bool]) -> bool | None:
        """Write a file, if *read* has its bytes; return whether they are those of its address.

        None says that there were no bytes. Only a file that fits is placed.
        """
        sha256 = hashlib.sha256()
        with opened(_new(str(len(self._files)), file, self._fd)) as fd:

            def write(part: bytes) -> None:
                sha256.update(part)
                fill(fd, [part])

            if not read(write):
                return None
        if sha256.hexdigest() != file.blob:
            return False
        self._files.append(file)
        return True

    def read(self, number: int, write: Write) -> None:
        """Hand over the bytes of a file that fits."""
        with opened(os.open(str(number), os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._fd)) as fd:
            while part := os.read(fd, PART):
                write(part)

    def place(self, tree: Path, placed: Callable[[], None]) -> None:
        """Move every file to its place in the tree, whatever stands there."""
        with opened(os.open(tree, FOLDER)) as root:
            for number, file in enumerate(self._files):
                folder, _, name = file.path.rpartition("/")
                with opened(walk(root, folder, _folder)) as place:
                    with suppress(FileNotFoundError):
                        if is_folder(name, place):
                            remove(name, place)
                    os.replace(str(number), name, src_dir_fd=self._fd, dst_dir_fd=place)
                placed()


def _new(name: str, file: FileEntry, folder: int) -> int:
    """Create a file with the rights that a build would give it: those of the umask."""
    remove(name, folder)
    return os.open(name, _NEW, 0o777 if file.executable else 0o666, dir_fd=folder)


def _folder(name: str, folder: int) -> int:
    """Open a folder; make it as a build would, in place of whatever else is there."""
    if not is_there(name, folder) or not is_folder(name, folder):
        remove(name, folder)
        os.mkdir(name, dir_fd=folder)
    return regain(name, folder)


def _listed(tree: Path, patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return every path that is no folder, and every link to a folder, where patterns begin."""
    paths: list[str] = []
    links: list[str] = []
    for start in _starts(patterns):
        if link := _link_on_the_way(tree, start):
            links.append(link)
            continue
        for place, folders, names in os.walk(tree / start if start else tree):
            prefix = os.path.relpath(place, tree)
            prefix = "" if prefix == "." else f"{prefix}/"
            linked = [each for each in folders if os.path.islink(os.path.join(place, each))]  # noqa: PTH114, PTH118 - thousands of paths
            paths += [f"{prefix}{each}" for each in sorted(names)]
            links += [f"{prefix}{each}" for each in linked]
            folders[:] = sorted(set(folders) - set(linked))
    return paths, links


def _starts(patterns: Iterable[str]) -> list[str]:
    """Return the folders in which patterns begin, without those that lie in another one."""
    starts = set()
    for pattern in patterns:
        named: list[str] = []
        for segment in pattern.split("/")[:-1]:
            if _WILD & set(segment):
                break
            named.append(segment)
        starts.add("/".join(named))
    return sorted(s for s in starts if not any(_within(s, other) for other in starts - {s}))


def _link_on_the_way(tree: Path, start: str) -> str:
    """Return the first link among the folders that a pattern names; nothing if there is none."""
    segments = start.split("/")
    ways = ("/".join(segments[:count]) for count in range(1, len(segments) + 1))
    return next((way for way in ways if (tree / way).is_symlink()), "") if start else ""


def _within(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _refuse_left_out(tree: Path, link: str, patterns: Sequence[str]) -> None:
    """Raise if patterns match a link to a folder, or what it leads to."""
    real = (tree / link).resolve()
    if not real.is_relative_to(tree.resolve()):
        if any(_reaches(each, link) for each in patterns):
            raise UnfitFile(link, "is a link that leads out of the work folder")
        return
    below = [link]
    for place, _, names in os.walk(real):
        inner = os.path.relpath(place, real)
        below += [os.path.normpath(f"{link}/{inner}/{name}") for name in names]
    if any(globs.match(each, below) for each in patterns):
        raise UnfitFile(link, "is a link to a folder; an artifact has files: let the build copy it")


def _reaches(pattern: str, path: str) -> bool:
    """Return whether a pattern matches a path, or may match what is below it."""
    segments = pattern.split("/")
    heads = ("/".join(segments[:count]) for count in range(1, len(segments) + 1))
    return any(globs.match(head, [path]) for head in heads)


def _file(tree: Path, path: str) -> FoundFile:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise UnfitFile(path, "has a name that is not UTF-8") from None
    try:
        real = (tree / path).resolve(strict=True)
    except (OSError, RuntimeError):
        raise UnfitFile(path, "is a link that leads nowhere") from None
    root = tree.resolve()
    if not real.is_relative_to(root):
        raise UnfitFile(path, "is a link that leads out of the work folder")
    status = real.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnfitFile(path, "is not a regular file")
    return FoundFile(
        path=path,
        real=real.relative_to(root).as_posix(),
        size=status.st_size,
        executable=bool(status.st_mode & stat.S_IXUSR),
    )


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino
