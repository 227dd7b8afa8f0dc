"""The plain convention: SQL files in the order of their names, keyed by their path.

Patterns come in their order, files by name within a folder, folders by name within a pattern. A
file that is the way back from another is never a migration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from templedb_nb.core import patterns as globs
from templedb_nb.model.finding import Finding, Severity, Topic

NAME = "plain"
_DOWN = re.compile(
    r"(?P<stem>.*?)(?P<joint>[._-]?)(?P<word>down|rollback|revert|undo)\.sql", re.IGNORECASE
)
_ALWAYS_DOWN = re.compile(r"(?:.*\.)?down\.sql", re.IGNORECASE)
_NUMBER = re.compile(r"[Vv]?(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arranged:
    """The migrations of a group in their order; `folders` tells which files have one order."""

    paths: tuple[str, ...]
    downs: tuple[str, ...]
    findings: tuple[Finding, ...]


def arrange(file_patterns: Sequence[str], paths: Sequence[str]) -> Arranged:
    """Return the migrations that the patterns match among *paths*."""
    there = set(paths)
    taken: dict[str, None] = {}
    downs: dict[str, None] = {}
    findings: list[Finding] = []
    for pattern in file_patterns:
        matched = [p for p in globs.match(pattern, paths) if p not in taken]
        ups = [path for path in matched if not is_down(path, there)]
        downs.update(dict.fromkeys(path for path in matched if path not in ups))
        for folder in sorted({_folder(path) for path in ups}):
            names = sorted(path for path in ups if _folder(path) == folder)
            findings += _disagreement(names)
            taken.update(dict.fromkeys(names))
    return Arranged(paths=tuple(taken), downs=tuple(downs), findings=tuple(findings))


def is_down(path: str, there: Iterable[str]) -> bool:
    """Return whether a file takes back what another does."""
    name = PurePosixPath(path).name
    if _ALWAYS_DOWN.fullmatch(name):
        return True
    found = _DOWN.fullmatch(name)
    return found is not None and any(up in there for up in _ups(path, found))


def folder(path: str) -> str:
    """Return the folder of a file; order is compared within one."""
    return _folder(path)


def _ups(path: str, found: re.Match[str]) -> list[str]:
    base, stem, joint = PurePosixPath(path).parent, found["stem"], found["joint"]
    words = {"down": "up", "rollback": "apply", "revert": "deploy", "undo": "do"}
    names = [f"{stem}.sql"] if stem else []
    names += [f"{stem}{joint}{word}.sql" for word in ("up", words[found["word"].lower()])]
    return [str(base / name) for name in names]


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _disagreement(names: Sequence[str]) -> list[Finding]:
    numbers = [(n, int(found[1])) for n in names if (found := _NUMBER.match(PurePosixPath(n).name))]
    for (before, low), (after, high) in pairwise(numbers):
        if low > high:
            message = f"{before} sorts before {after} by letters, and after it by number"
            mend = "pad the numbers with zeros, or list patterns in the order that you mean"
            return [
                Finding(
                    severity=Severity.ERROR,
                    topic=Topic.ORDER,
                    message=message,
                    where=_folder(before),
                    mend=mend,
                )
            ]
    return []
