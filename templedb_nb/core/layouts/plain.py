"""The plain convention: SQL files in the order of their names, keyed by their path.

Patterns come in their order, files by name within a folder, folders by name within a pattern. A
file that is the way back from another is never a migration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from templedb_nb.core import patterns as globs
from templedb_nb.model.finding import Finding, Severity, Topic

NAME = "plain"
_DOWN = re.compile(
    r"(?P<stem>.*?)(?P<joint>[._-]?)(?P<word>down|rollback|revert|undo)\.sql", re.IGNORECASE
)
_ENDS = ("down.sql", "rollback.sql", "revert.sql", "undo.sql")
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
        ups: dict[str, list[str]] = {}
        for path in globs.match(pattern, paths):
            if path in taken:
                continue
            if is_down(path, there):
                downs[path] = None
            else:
                ups.setdefault(folder(path), []).append(path)
        for _, names in sorted(ups.items()):
            names.sort()
            findings += _disagreement(names)
            taken.update(dict.fromkeys(names))
    return Arranged(paths=tuple(taken), downs=tuple(downs), findings=tuple(findings))


def is_down(path: str, there: Iterable[str]) -> bool:
    """Return whether a file takes back what another does."""
    name = _name(path)
    if not name.lower().endswith(_ENDS):
        return False
    if _ALWAYS_DOWN.fullmatch(name):
        return True
    found = _DOWN.fullmatch(name)
    return found is not None and any(up in there for up in _ups(path, found))


def down_file(path: str, there: Iterable[str]) -> str | None:
    """Return the file among *there* that takes *path* back, if one does."""
    here = folder(path)
    for each in there:
        found = _DOWN.fullmatch(_name(each)) if folder(each) == here else None
        if found and path in _ups(each, found):
            return each
    return None


def folder(path: str) -> str:
    """Return the folder of a file; order is compared within one."""
    return path.rpartition("/")[0] or "."


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _ups(path: str, found: re.Match[str]) -> list[str]:
    base, stem, joint = path.removesuffix(_name(path)), found["stem"], found["joint"]
    words = {"down": "up", "rollback": "apply", "revert": "deploy", "undo": "do"}
    names = [f"{stem}.sql"] if stem else []
    names += [f"{stem}{joint}{word}.sql" for word in ("up", words[found["word"].lower()])]
    return [f"{base}{name}" for name in names]


def _disagreement(names: Sequence[str]) -> list[Finding]:
    numbers = [(n, int(found[1])) for n in names if (found := _NUMBER.match(_name(n)))]
    for (before, low), (after, high) in pairwise(numbers):
        if low > high:
            message = f"{before} sorts before {after} by letters, and after it by number"
            mend = "pad the numbers with zeros, or list patterns in the order that you mean"
            return [
                Finding(
                    severity=Severity.ERROR,
                    topic=Topic.ORDER,
                    message=message,
                    where=folder(before),
                    mend=mend,
                )
            ]
    return []
