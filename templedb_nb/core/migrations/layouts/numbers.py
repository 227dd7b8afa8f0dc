"""The number behind those that files have: one more, or the time where that is what they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from templedb_nb.errors import FilesError, UsageProblem
from templedb_nb.model.dataclass import dataclass

_PARTS = re.compile(
    r"(?P<mark>[Vv]?)(?P<number>\d++)(?P<joint>(?:[_-]|\.(?!sql\Z))*+)(?P<rest>.*?)(?P<end>(?:\.up)?\.sql)"
)
_TIMES = {14: "%Y%m%d%H%M%S", 12: "%Y%m%d%H%M", 8: "%Y%m%d"}
_FIRST_YEAR, _LAST_YEAR = 1990, 2100
_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """How the files of a folder are counted: what the first is called, and how all of them end.

    With `by_letters` names decide on the order, and numbers must not grow wider.
    """

    first: str = "001"
    end: str = ".sql"
    by_letters: bool = True


def following(names: Sequence[str], stem: str, now: datetime, series: Series) -> str:
    """Return the name behind those of *names* that have numbers.

    Raises `UsageProblem` where *stem* has a number of its own, and `FilesError` where the numbers
    have no room left.
    """
    numbered = [found for each in names if (found := _PARTS.fullmatch(each))]
    if re.match(r"\d{3,}[_.-]", stem):
        raise UsageProblem(f"{stem} has a number already", hint="remove the number: one is added")
    if not numbered:
        return f"{series.first}_{stem}{series.end}"
    last = max(numbered, key=lambda each: (int(each["number"]), each["rest"]))
    number = _next(last["number"], now)
    file = f"{last['mark']}{number}{last['joint'] or '_'}{stem}{last['end']}"
    if series.by_letters and len(number) > len(last["number"]):
        message = f"{file} would sort before {last.group()}: the numbers have no digit left"
        raise FilesError(message, hint="start a new folder, with wider numbers")
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
