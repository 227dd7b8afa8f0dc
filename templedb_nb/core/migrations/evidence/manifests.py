"""Files that list the SQL of a folder: lists that are its order, and others that are asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from templedb_nb.core.migrations.evidence import folder_words
from templedb_nb.core.migrations.layouts.placing import joined, last, parent
from templedb_nb.model.dataclass import dataclass

_WORDS = frozenset(
    {"order", "manifest", "sequence", "series", "changelog", "changes", "migrations", "index",
     "list", "files", "deploy", "install"}
)  # fmt: skip
_ENDS = frozenset({"", "txt", "lst", "list", "json", "yml", "yaml", "toml", "csv", "conf", "cfg"})
_SQL = re.compile(r"(?i)\w[\w .()/\\-]{0,200}?\.sql\b")
_FEWEST = 2
_LIQUIBASE = "databasechangelog"
"""Liquibase's own changelogs are asked about for more than their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderList:
    """A file that names SQL files of a folder: their paths, in its order.

    It `is_list` if it holds nothing else: then it can be the order file of a group.
    """

    path: str
    files: tuple[str, ...]
    is_list: bool

    def doubt(self, ordered: Sequence[str]) -> str:
        """Return how it differs from the order of the names; nothing if it does not."""
        own = [path for path in ordered if path in self.files]
        odd = next((n for n, path in enumerate(own) if path != self.files[n]), None)
        if odd is not None:
            said, first = self.files[odd], own[odd]
            return f"{self.path} lists {last(said)} before {last(first)}, and their names do not"
        rest = [path for path in ordered if path not in self.files]
        more = f" and {len(rest) - 1} more" if len(rest) > 1 else ""
        return f"{self.path} lists the others, and not {last(rest[0])}{more}" if rest else ""


def is_one(name: str) -> bool:
    """Return whether a file may list others by its name."""
    stem, _, end = name.rpartition(".") if "." in name else (name, "", "")
    return end.lower() in _ENDS and folder_words.has_word(stem, _WORDS)


def manifest(folder: str, ordered: Sequence[str], texts: Mapping[str, str]) -> OrderList | None:
    """Return the file in a folder, or right above it, that names at least half of its files."""
    homes = dict.fromkeys([folder, *(parent(path) for path in ordered), parent(folder)])
    lists = sorted(
        path
        for path, text in texts.items()
        if parent(path) in homes and is_one(last(path)) and _LIQUIBASE not in text.lower()
    )
    for home in homes:
        for path in (each for each in lists if parent(each) == home):
            found = _named(home, texts[path], ordered)
            if len(found) >= _FEWEST and len(found) * 2 >= len(ordered):
                return OrderList(path=path, files=found, is_list=_is_list(texts[path]))
    return None


def _named(home: str, text: str, ordered: Sequence[str]) -> tuple[str, ...]:
    """Return the files that a text names, each once, in its order."""
    by_end: dict[str, list[str]] = {}
    for path in ordered:
        by_end.setdefault(last(path), []).append(path)
    found: dict[str, None] = {}
    there = frozenset(ordered)
    for match in _SQL.finditer(text):
        whole = match[0].replace("\\", "/").removeprefix("./")
        near: list[str] = []
        alone: list[str] = []
        for said in dict.fromkeys((whole, whole.rpartition(" ")[2])):
            near += [path for path in (joined(home, said), said) if path in there]
            alone = alone or by_end.get(last(said), [])
        for path in near or (alone if len(alone) == 1 else []):
            found.setdefault(path)
            break
    return tuple(found)


def _is_list(text: str) -> bool:
    lines = (line.partition("#")[0].strip() for line in text.removeprefix("\ufeff").splitlines())
    return all(_SQL.fullmatch(line.removeprefix("./")) for line in lines if line)
