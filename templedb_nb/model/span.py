"""A span of time as databases keep it: months, days and microseconds do not become one another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any  # Any: cells of an answer

from templedb_nb.model.dataclass import dataclass

_HOUR, _MINUTE, _SECOND = 3_600_000_000, 60_000_000, 1_000_000
_YEAR = 12
_PART = re.compile(r"(?<!\d)([+-]?\d++) (year|month|mon|day)s?")
_CLOCK = re.compile(r"([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An interval; its text is PostgreSQL's."""

    months: int = 0
    days: int = 0
    microseconds: int = 0

    @classmethod
    def read(cls, text: str) -> Interval | None:
        """Return what PostgreSQL and DuckDB write as *text*; None of what is not a duration."""
        months = days = micro = 0
        rest = text
        for found in _PART.finditer(text):
            count, unit = int(found[1]), found[2]
            months += count * (_YEAR if unit == "year" else 1) if unit != "day" else 0
            days += count if unit == "day" else 0
            rest = rest.replace(found[0], "", 1)
        if clock := _CLOCK.fullmatch(rest.strip()):
            whole = int(clock[2]) * _HOUR + int(clock[3]) * _MINUTE + int(clock[4]) * _SECOND
            micro = whole + int((clock[5] or "").ljust(6, "0"))
            micro = -micro if clock[1] == "-" else micro
        elif rest.strip() or not text:
            return None
        return cls(months=months, days=days, microseconds=micro)

    @classmethod
    def of(cls, length: timedelta) -> Interval:
        """Return a length of time that has no days and no months."""
        return cls(microseconds=length // timedelta(microseconds=1))

    @property
    def length(self) -> timedelta | None:
        """Return how long it is, if that is the same at each time of the year."""
        return None if self.months or self.days else timedelta(microseconds=self.microseconds)

    @property
    def iso(self) -> str:
        """Return it as ISO 8601 does: ``P1Y2M3DT4H5M6.5S``."""
        years, months = _divided(self.months, _YEAR)
        hours, rest = _divided(self.microseconds, _HOUR)
        minutes, rest = _divided(rest, _MINUTE)
        date = _joined([(years, "Y"), (months, "M"), (self.days, "D")])
        time = _joined([(hours, "H"), (minutes, "M")]) + (f"{_decimal(rest)}S" if rest else "")
        return f"P{date}T{time}" if time else f"P{date}" if date else "PT0S"

    def __str__(self) -> str:
        """Return it as PostgreSQL does."""
        return " ".join(self._words()) or "00:00:00"

    def _words(self) -> Iterator[str]:
        years, months = _divided(self.months, _YEAR)
        for count, unit in ((years, "year"), (months, "mon"), (self.days, "day")):
            if count:
                yield f"{count} {unit}{'' if count == 1 else 's'}"
        if self.microseconds:
            size = abs(self.microseconds)
            sign = "-" if self.microseconds < 0 else ""
            seconds = _decimal(size % _MINUTE)
            pad = "0" if size % _MINUTE < 10 * _SECOND else ""
            yield f"{sign}{size // _HOUR:02}:{size % _HOUR // _MINUTE:02}:{pad}{seconds}"


def alike(values: Iterable[Any]) -> list[Any]:
    """Return a column's spans in one form: as lengths of time, if each is one; NULL stays."""
    spans = list(values)
    lengths = [each.length if isinstance(each, Interval) else each for each in spans]
    whole = all(length is not None for each, length in zip(spans, lengths, strict=True) if each)
    return lengths if whole else spans


def _divided(count: int, by: int) -> tuple[int, int]:
    """Return quotient and rest, both with the sign of *count*."""
    whole, rest = divmod(abs(count), by)
    return (whole, rest) if count >= 0 else (-whole, -rest)


def _joined(parts: Iterable[tuple[int, str]]) -> str:
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def _decimal(microseconds: int) -> str:
    size = abs(microseconds)
    whole, rest = divmod(size, _SECOND)
    part = f".{rest:06}".rstrip("0") if rest else ""
    return f"{'-' if microseconds < 0 else ''}{whole}{part}"
