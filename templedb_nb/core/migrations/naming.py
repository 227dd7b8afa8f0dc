"""What a new migration is called: as its neighbours are, and behind all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from templedb_nb.core.config import globs
from templedb_nb.core.migrations.layouts import drafts, plain, recognise
from templedb_nb.core.migrations.layouts.drafts import DraftRequest
from templedb_nb.core.migrations.layouts.numbers import Series, following
from templedb_nb.core.migrations.status import GroupMigrations
from templedb_nb.errors import Ambiguous, FilesError, UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.layout import Layout, Reading

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")
LONGEST = 100
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPaths:
    """The path of a new migration, and of the file that rolls it back where those stand apart."""

    path: str
    down: str = ""
    before: str = ""
    """A file that it sorts before, where its neighbours have no numbers to go by."""


def named(group: GroupMigrations, name: str, folder: str | None, now: datetime) -> NewPaths:
    """Return where a migration called *name* goes in *group*."""
    stem = _stem(name)
    where = _folder(group, folder)
    there = [_last(each.path) for each in group.files if plain.folder(each.path) == where]
    file = _file(stem, there, now)
    path = f"{where}/{file}".removeprefix("./")
    _refuse_unmatched(group, path)
    if dialect := recognise.by_name(path):
        raise FilesError(f"{path} would be read as a file of {dialect.tool}")
    down = f"{path.removesuffix('.sql').removesuffix('.up')}.down.sql"
    later = [each for each in there if each >= file]
    return NewPaths(
        path=path, down=down if group.arranged.downs else "", before=max(later, default="")
    )


def _stem(name: str) -> str:
    stem = name.removesuffix(".sql")
    if not SAFE.fullmatch(stem) or len(stem) > LONGEST:
        hint = f"letters, digits, _ - and single dots, {LONGEST} characters at most: add_email"
        raise UsageProblem(f"{name!r} is not a name for a migration's file", hint=hint)
    return stem


def _refuse_unmatched(group: GroupMigrations, path: str) -> None:
    if not any(found for _, found in globs.taken(group.group.file_patterns, [path])):
        listed = ", ".join(group.group.file_patterns)
        message = f"{path} is matched by no pattern of group {group.group.name}"
        raise UsageProblem(message, hint=f"the patterns are {listed}")


def manner(group: GroupMigrations) -> Reading | None:
    """Return how the newest file of *group* is read, or None where that is the plain way."""
    placed = list(group.arranged.files)
    if placed:
        return next((each.reading for each in reversed(placed) if each.reading), None)
    own = group.group.layout
    return None if own in {Layout.AUTO, Layout.PLAIN} else Reading(layout=own)


def in_manner(
    group: GroupMigrations,
    layout: Layout,
    wanted: tuple[str, str, bool],
    folder: str | None,
    now: datetime,
) -> list[tuple[str, str]]:
    """Return path and text of a new migration in a tool's style: name, body, down part *wanted*.

    Raises `FilesError` where that tool alone can write it.
    """
    if told := drafts.BY_THE_TOOL.get(layout):
        raise FilesError(f"group {group.group.name} is in the style of {layout}", hint=told)
    if not drafts.knows(layout):
        raise FilesError(f"group {group.group.name} is in the style of {layout}")
    name, body, back = wanted
    placed = group.arranged.files
    once = [each for each in placed if not (each.reading and each.reading.repeatable)]
    newest = drafts.home(layout, once[-1].path) if once else ""
    where = newest or _beginning(globs.including(group.group.file_patterns)[0])
    where = folder.strip("/") or "." if folder is not None else where
    bases = {each.base for each in placed if drafts.home(layout, each.path) == where}
    asked = DraftRequest(
        folder=where,
        stem=_stem(name),
        body=body,
        placed=[each for each in placed if each.base in bases],
        back=back or bool(group.arranged.downs),
        now=now,
    )
    files = drafts.drafted(layout, asked)
    _refuse_unmatched(group, files[0][0])
    return files


def _folder(group: GroupMigrations, wanted: str | None) -> str:
    """Return the folder that is meant: of those that have files, else as the patterns begin."""
    found = list(dict.fromkeys(plain.folder(each.path) for each in group.files))
    found = found or list(
        dict.fromkeys(_beginning(p) for p in globs.including(group.group.file_patterns))
    )
    if wanted is not None:
        return wanted.strip("/") or "."
    if len(found) == 1:
        return found[0]
    message = f"group {group.group.name} has its migrations in {len(found)} folders"
    raise Ambiguous(message, problems=found, hint=f"name one: --folder {found[-1]}")


def _beginning(pattern: str) -> str:
    fixed = []
    for segment in pattern.split("/")[:-1]:
        if _WILD.search(segment):
            break
        fixed.append(segment)
    return "/".join(fixed) or "."


def _file(stem: str, there: Sequence[str], now: datetime) -> str:
    if there and not any(re.match(r"[Vv]?\d", each) for each in there):
        return f"{stem}.sql"
    return following(there, stem, now, Series())


def _last(path: str) -> str:
    return path.rpartition("/")[2]
