"""Tell whose convention a file follows, by its name and its marks, and refuse in words.

Until a tool's own reader exists, its files must not be taken for plain ones: a file with an up
and a down part, run as it stands, would do both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import PurePosixPath

_NAMES = (
    ("Flyway", re.compile(r"(?:[VUB]\d[\d._]*|R)__.*\.sql")),
    ("Prisma", re.compile(r"migration\.sql")),
)
_SIDECARS = {
    "sqitch.plan": "Sqitch",
    "atlas.sum": "Atlas",
    "migration_lock.toml": "Prisma",
}
_MARKS = (
    ("dbmate", re.compile(r"^--\s*migrate:(?:up|down)\b", re.MULTILINE)),
    ("goose", re.compile(r"^--\s*\+goose\s+\w+", re.MULTILINE | re.IGNORECASE)),
    ("sql-migrate", re.compile(r"^--\s*\+migrate\s+\w+", re.MULTILINE | re.IGNORECASE)),
    ("Liquibase", re.compile(r"\A\s*--\s*liquibase formatted sql", re.IGNORECASE)),
    (
        "graphile-migrate",
        re.compile(
            r"^--!\s*(?:Previous|Hash|Message|no-transaction)", re.MULTILINE | re.IGNORECASE
        ),
    ),
    ("tern", re.compile(r"^----\s*(?:create above|tern:)", re.MULTILINE | re.IGNORECASE)),
    ("Atlas", re.compile(r"^--\s*atlas:\w+", re.MULTILINE)),
    ("yoyo", re.compile(r"^--\s*(?:depends|transactional)\s*:", re.MULTILINE)),
    ("sqlx", re.compile(r"\A--\s*no-transaction\b")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Another tool's convention, and what told so."""

    tool: str
    evidence: str


def by_name(path: str) -> Dialect | None:
    """Return whose convention the name of a file follows, if not the plain one."""
    name = PurePosixPath(path).name
    for tool, pattern in _NAMES:
        if pattern.fullmatch(name):
            return Dialect(tool=tool, evidence=f"the name {name}")
    return None


def by_text(text: str) -> Dialect | None:
    """Return whose marks a text bears, if any."""
    for tool, pattern in _MARKS:
        if found := pattern.search(text):
            line = text.count("\n", 0, found.start()) + 1
            return Dialect(tool=tool, evidence=f"line {line}: {found[0].strip()}")
    return None


def by_sidecar(folder: str, paths: AbstractSet[str]) -> Dialect | None:
    """Return whose plan or lock file lies in *folder*, if any of *paths* is one."""
    for name, tool in _SIDECARS.items():
        if f"{folder}/{name}".removeprefix("./") in paths:
            return Dialect(tool=tool, evidence=f"the file {name}")
    return None


def tool_of(path: str, paths: AbstractSet[str], texts: Mapping[str, str]) -> Dialect | None:
    """Return whose file this is, by name, sidecar and text, or None for a plain one."""
    parent = str(PurePosixPath(path).parent)
    found = by_name(path) or by_sidecar(parent, paths)
    return found or (by_text(texts[path]) if path in texts else None)
