"""Earlier versions of a folder, as its git repository has them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from templedb_nb.files.scan import Unreadable, scan
from templedb_nb.model.file import FileEntry
from templedb_nb.model.project import tree_hash
from templedb_nb.model.serialization import Digest

NEWEST = 100
"""So many versions of a folder are looked at."""


class MemorySink:
    """Takes the contents of files into memory."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.blobs: dict[Digest, bytes] = {}
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> None:
        """Take the next bytes of the current file."""
        self._parts.append(bytes(part))

    def commit(self, blob: Digest, size: int) -> None:
        """Keep the bytes of the current file."""
        del size
        self.blobs[blob] = b"".join(self._parts)
        self._parts = []

    def discard(self) -> None:
        """Forget the bytes of the current file."""
        self._parts = []


def find(
    root: Path, tree: Digest
) -> tuple[str, tuple[FileEntry, ...], Mapping[Digest, bytes]] | None:
    """Return the newest commit in which the folder has that tree, with its files; None for none.

    Files that git does not know are in no commit: a release that had some is not found.
    """
    for commit, below in _versions(root):
        with tempfile.TemporaryDirectory(prefix="templedb-") as folder:
            if not _written(root, f"{commit}:{below}", Path(folder)):
                continue
            sink = MemorySink()
            try:
                found = scan(Path(folder), {}, sink, known_at_ns=0)
            except Unreadable:
                continue
            files = tuple(sorted((each.entry for each in found.files), key=lambda e: e.path))
            if tree_hash(files) == tree:
                return commit, files, sink.blobs
    return None


def _versions(root: Path) -> Iterator[tuple[str, str]]:
    """Yield commits that changed the folder, newest first, and where it is in them."""
    below = _git(root, "rev-parse", "--show-prefix")
    if below is None:
        return
    commits = _git(root, "log", "--format=%H", f"--max-count={NEWEST}", "--", ".") or ""
    for commit in commits.split():
        yield commit, below.strip()


def _written(root: Path, revision: str, folder: Path) -> bool:
    """Write the files of a revision into a folder, as a checkout would; say whether it could."""
    with tempfile.TemporaryDirectory(prefix="templedb-") as aside:
        index = ("env", f"GIT_INDEX_FILE={Path(aside) / 'index'}")
        read = _git(root, "read-tree", revision, through=index)
        if read is None:
            return False
        prefix = f"--prefix={folder}/"
        return _git(root, "checkout-index", "--all", prefix, through=index) is not None


def _git(root: Path, *words: str, through: tuple[str, ...] = ()) -> str | None:
    """Return what git prints; None where it fails, or is not there."""
    try:
        ended = subprocess.run(  # noqa: S603 - words of ours
            [*through, "git", "-C", str(root), *words],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return ended.stdout if ended.returncode == 0 else None
