"""What a new migration is called: as its neighbours are, and behind all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from templedb_nb.core import patterns as globs
from templedb_nb.core.layouts import plain, recognise
from templedb_nb.core.tracking import Migrations
from templedb_nb.errors import Ambiguous, FilesError, UsageProblem

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")
LONGEST = 100
_PARTS = re.compile(
    r"(?P<mark>[Vv]?)(?P<number>\d+)(?P<joint>[_.-]*)(?P<rest>.*?)(?P<end>(?:\.up)?\.sql)"
)
_TIMES = {14: "%Y%m%d%H%M%S", 12: "%Y%m%d%H%M", 8: "%Y%m%d"}
_FIRST_YEAR, _LAST_YEAR = 1990, 2100
_SECONDS = 10
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The path of a new migration, and of the file that takes it back where those stand apart."""

    path: str
    down: str = ""
    before: str = ""
    """A file that it sorts before, where its neighbours have no numbers to go by."""


def named(group: Migrations, name: str, folder: str | None, now: datetime) -> Named:
    """Return where a migration called *name* goes in *group*."""
    stem = name.removesuffix(".sql")
    if not SAFE.fullmatch(stem) or len(stem) > LONGEST:
        hint = f"letters, digits, _ - and single dots, {LONGEST} characters at most: add_email"
        raise UsageProblem(f"{name!r} is no name for a migration's file", hint=hint)
    where = _folder(group, folder)
    there = [_last(each.path) for each in group.files if plain.folder(each.path) == where]
    file = _file(stem, there, now)
    path = f"{where}/{file}".removeprefix("./")
    if not any(globs.match(pattern, [path]) for pattern in group.group.file_patterns):
        listed = ", ".join(group.group.file_patterns)
        message = f"{path} is matched by no pattern of group {group.group.name}"
        raise UsageProblem(message, hint=f"the patterns are {listed}")
    if dialect := recognise.by_name(path):
        raise FilesError(f"{path} would be taken for a file of {dialect.tool}")
    down = f"{path.removesuffix('.sql').removesuffix('.up')}.down.sql"
    later = [each for each in there if each >= file]
    return Named(
        path=path, down=down if group.arranged.downs else "", before=max(later, default="")
    )


def _folder(group: Migrations, wanted: str | None) -> str:
    """Return the folder that is meant: of those that have files, else as the patterns begin."""
    found = list(dict.fromkeys(plain.folder(each.path) for each in group.files))
    found = found or list(dict.fromkeys(_beginning(p) for p in group.group.file_patterns))
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
    numbered = [found for each in there if (found := _PARTS.fullmatch(each))]
    if there and not numbered:
        return f"{stem}.sql"
    if not numbered:
        return f"001_{stem}.sql"
    if re.match(r"\d{3,}[_.-]", stem):
        raise UsageProblem(f"{stem} has a number already", hint="leave it out: it is put before")
    last = max(numbered, key=lambda each: (int(each["number"]), each["rest"]))
    number = _next(last["number"], now)
    file = f"{last['mark']}{number}{last['joint'] or '_'}{stem}{last['end']}"
    if len(number) > len(last["number"]):
        message = f"{file} would sort before {last.group()}: the numbers have no room left"
        raise FilesError(message, hint="begin a folder of its own, with wider numbers")
    return file


def _next(last: str, now: datetime) -> str:
    """Return the number behind *last*: the time, where that is one, else one more."""
    wide, one_more = len(last), int(last) + 1
    moment = now.astimezone(UTC)
    if (form := _TIMES.get(wide)) and _FIRST_YEAR <= int(last[:4]) < _LAST_YEAR:
        one_more = max(one_more, int(moment.strftime(form)))
    elif wide == _SECONDS and last[0] in "12":
        one_more = max(one_more, int(moment.timestamp()))
    return str(one_more).zfill(wide)


def _last(path: str) -> str:
    return path.rpartition("/")[2]
