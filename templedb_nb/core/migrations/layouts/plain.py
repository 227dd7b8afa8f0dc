"""The plain convention: SQL files in the order of their names, keyed by their path.

A file that is the way back from another is never a migration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Placed,
    Placements,
    left_out,
)
from templedb_nb.model.finding import Finding, Severity, Topic

NAME = "plain"
_DOWN = re.compile(
    r"(?P<stem>.*?)(?P<joint>[._-]?)(?P<word>down|rollback|revert|undo|downgrade|backwards?)\.sql",
    re.IGNORECASE,
)
_WORDS = ("down", "rollback", "revert", "undo", "downgrade", "backward", "backwards")
_ENDS = tuple(f"{word}.sql" for word in _WORDS)
_FORTH = ("up", "apply", "deploy", "do", "upgrade", "forward", "forwards", "migrate")
"""What stands in the name of a file, in place of such a word, that another one rolls back."""
_ALWAYS_DOWN = re.compile(r"(?:.*\.)?down\.sql", re.IGNORECASE)
_DOWN_FOLDERS = frozenset(
    {"down", "downs", "rollback", "rollbacks", "revert", "reverts", "undo", "undos"}
)
_SETTLE = "list the paths in an order_file of the group, in the order that you mean"
_NUMBER = re.compile(r"[Vv]?(\d+(?:\.\d+)*)")
NOT_READ = re.compile(
    r"[Vv]?\d++(?:[._-].*\.(?:[cm]?js|[cm]?ts|py|go|rb|php|exs?|java|kt)"
    r"|.*\.sql\.(?:j2|jinja2?|tmpl|tpl|template|erb|ejs|hbs|mustache|gotmpl|postgres(?:ql)?))"
)


def place(folder: MigrationFolder) -> Placements:
    """Return the files in the order of their names; a key is a path."""
    there = folder.there
    downs = tuple(path for path in folder.files if is_down(path, there))
    back = frozenset(downs)
    ups = [path for path in folder.files if path not in back]
    ways = _ways_back(folder)
    placed = [
        Placed(path=path, key=path, down=ways.get(path, ""), base=folder.base) for path in ups
    ]
    findings = (*_disagreement(ups), *_not_read(folder))
    return Placements(files=tuple(placed), downs=downs, findings=findings)


def is_down(path: str, there: Iterable[str]) -> bool:
    """Return whether a file rolls back what another does."""
    if _in_down_folder(path, there):
        return True
    name = _name(path)
    if not name.lower().endswith(_ENDS):
        return False
    if _ALWAYS_DOWN.fullmatch(name):
        return True
    found = _DOWN.fullmatch(name)
    return found is not None and any(up in there for up in _ups(path, found))


def _in_down_folder(path: str, there: Iterable[str]) -> bool:
    """Return whether a file lies in a folder such as ``down``, and its namesake beside that."""
    return any(each in there for each in _namesakes(path, there))


def _namesakes(path: str, there: Iterable[str]) -> list[str]:
    own, name = folder(path), _name(path)
    if _name(own).lower() not in _DOWN_FOLDERS:
        return []
    above = folder(own)
    beside = {"" if above == "." else f"{above}/"}
    beside |= {
        f"{next(iter(beside))}{word}/" for word in ("up", "ups", "deploy", "apply", "do", "forward")
    }
    return [f"{start}{name}" for start in sorted(beside) if f"{start}{name}" in there]


def _ways_back(folder: MigrationFolder) -> dict[str, str]:
    """Return the file that rolls each one back, for those that have one."""
    found: dict[str, str] = {}
    for each in folder.beside(_DOWN):
        match = _DOWN.fullmatch(_name(each))
        found |= {up: each for up in (_ups(each, match) if match else ()) if up in folder.there}
    for each in folder.files:
        above = _above(folder.base)
        for word in sorted(_DOWN_FOLDERS):
            for start in (folder.base, above):
                back = f"{start}/{word}/{_name(each)}".removeprefix("./")
                if back in folder.there and each in _namesakes(back, folder.there):
                    found.setdefault(each, back)
    return found


def _above(base: str) -> str:
    return base.rpartition("/")[0] or "."


def folder(path: str) -> str:
    """Return the folder of a file; order is compared within one."""
    return path.rpartition("/")[0] or "."


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _ups(path: str, found: re.Match[str]) -> list[str]:
    base, stem, joint = path.removesuffix(_name(path)), found["stem"], found["joint"]
    names = [f"{stem}.sql"] if stem else []
    names += [f"{stem}{joint}{word}.sql" for word in _FORTH]
    return [f"{base}{name}" for name in names]


def _disagreement(names: Sequence[str]) -> list[Finding]:
    numbers = [(n, version(found[1])) for n in names if (found := _NUMBER.match(_name(n)))]
    for (before, low), (after, high) in pairwise(numbers):
        if low > high:
            message = f"{before} sorts before {after} by letters, but after it by number"
            mend = _SETTLE
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


def version(text: str) -> tuple[int, ...]:
    """Return a number such as 1.10 part by part."""
    return tuple(int(each) for each in text.split("."))


def disagreeing(bases: Sequence[str]) -> list[Finding]:
    """Return an error where the names of folders sort otherwise by letters than by number."""
    for before, after in pairwise(bases):
        one, other = before.split("/"), after.split("/")
        place = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
        if place is None:
            continue
        low, high = _NUMBER.match(one[place]), _NUMBER.match(other[place])
        if low and high and version(low[1]) > version(high[1]):
            message = f"{before} sorts before {after} by letters, but after it by number"
            mend = f"{_SETTLE}, or one pattern for each folder in file_patterns"
            return [
                Finding(
                    severity=Severity.ERROR,
                    topic=Topic.ORDER,
                    message=message,
                    where=before,
                    mend=mend,
                )
            ]
    return []


def _not_read(folder: MigrationFolder) -> list[Finding]:
    """Warn of what stands among numbered files, and is no SQL."""
    if not any(_NUMBER.match(_name(path)) for path in folder.files):
        return []
    found = folder.beside(NOT_READ)
    if not found:
        return []
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    message = f"{found[0]}{more}: not SQL, and therefore not a migration here"
    return [left_out(folder.base, message, "run it with a deploy_command, or write it as SQL")]
