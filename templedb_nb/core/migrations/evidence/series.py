"""Whether names give an order: numbers, equal widths, no number twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from templedb_nb.core.migrations.layouts import nested
from templedb_nb.core.migrations.layouts.placing import last, parent

_LEAD = re.compile(
    r"(?:[Vv]|[Ss]cript[ _-]?)?"
    r"(?P<number>\d+(?:[._T-]\d+)*(?:[a-z]?(?=[._ -]|$)|(?<=\d\d)(?=[A-Za-z])))"
)
"""DbUp's are ``Script0001 - name``; a letter may follow a number of two digits at once."""
_YEAR_LAST = re.compile(r"\d{1,2}[._-]\d{1,2}[._-](?:19|20)\d\d")
_DATE = 8
_DIGITS = re.compile(r"(\d+)")


def name(path: str) -> str:
    """Return the name that gives a file its place: its folder's, if each migration has one."""
    return last(parent(path)) if nested.is_part(path) else last(path)


def number(path: str) -> str:
    """Return the number or the time that a file's name begins with; nothing if it has none."""
    found = _LEAD.match(name(path).removesuffix(".sql"))
    return found["number"] if found else ""


def natural(path: str) -> tuple[tuple[int, int | str], ...]:
    """Return what a path is sorted by where numbers count as numbers."""
    pieces = _DIGITS.split(path)
    return tuple((0, int(each)) if each.isdigit() else (1, each) for each in pieces if each)


def distinct(paths: Iterable[str]) -> int:
    """Return how many different numbers files begin with."""
    return len({number(path) for path in paths} - {""})


def doubts(paths: Sequence[str]) -> list[str]:
    """Return why the names of files, in the order of names, do not give their order."""
    if len(paths) < 2:  # noqa: PLR2004 - one file is in order
        return []
    numbered = [path for path in paths if number(path)]
    if not numbered and not _counted(paths):
        return [f"{name(paths[0])} and {len(paths) - 1} more have no numbers"]
    found: list[str] = []
    found += twice(numbered)
    found += _two_ways(numbered)
    found += _days_first(numbered)
    by_number = sorted(paths, key=natural)
    odd = next((n for n, path in enumerate(paths) if path != by_number[n]), None)
    if odd is not None:
        before, after = paths[odd], by_number[odd]
        if name(before) != name(after):
            before, after = name(before), name(after)
        found.append(f"{before} sorts before {after} by letters, but after it by number")
    return found


def twice(paths: Sequence[str]) -> list[str]:
    """Return which files have the same number."""
    times = Counter(map(_value, paths))
    again = [path for path in paths if number(path) and times[_value(path)] > 1]
    pair = [path for path in again if _value(path) == _value(again[0])]
    return [f"{name(pair[0])} and {name(pair[1])} have the same number"] if pair else []


def _value(path: str) -> str:
    """Return the number of a file without zeros in front: 1 and 01 are the same."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", number(path))


def _two_ways(paths: Sequence[str]) -> list[str]:
    """Return whether some dates have signs between their parts, and others none."""
    dates = [path for path in paths if len(re.sub(r"\D", "", number(path))) >= _DATE]
    plain = [path for path in dates if re.match(rf"\d{{{_DATE}}}", number(path))]
    signs = [path for path in dates if path not in plain]
    if not plain or not signs:
        return []
    return [f"{name(plain[0])} and {name(signs[0])} write their dates in two ways"]


def _days_first(paths: Sequence[str]) -> list[str]:
    """Return whether names begin with the day or month of a date, and have its year behind it."""
    found = [path for path in paths if _YEAR_LAST.fullmatch(number(path))]
    if len(found) < 2:  # noqa: PLR2004 - one date is in order
        return []
    return [f"{name(found[0])} and {name(found[1])} have the year last in their dates"]


def _counted(paths: Sequence[str]) -> bool:
    """Return whether names are one stem each with a number of its own: ``step1``, ``step2``."""
    stems = {_DIGITS.sub("#", name(path)) for path in paths}
    return len(stems) == 1 and "#" in next(iter(stems))
