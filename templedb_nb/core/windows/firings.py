"""When the rules of windows begin: cron expressions on the clock of a time zone.

cronsim reads the expressions and walks over the readings of a clock that is never changed; which
moments those are is decided here. By its own time zones it skips beginnings where a clock is put
back by half an hour, and looks into the past within an hour that comes twice.

This is the only module of the pure half that imports a library; that one is as pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from templedb_nb.model.window import WindowRule

FIELDS = 5
_MINUTE = timedelta(minutes=1)
_LARGEST_CHANGE = timedelta(hours=3)
"""No clock is put back by more, as far as time zones are used today."""
_LOCAL = {"localtime"}


@cache
def zones() -> frozenset[str]:
    """Return the names of all time zones; the machine's own is none, for machines differ."""
    return frozenset(available_timezones() - _LOCAL)


def wrong_cron(text: str) -> str:
    """Return what is wrong with a cron expression; nothing if it is right."""
    if len(text.split()) != FIELDS:
        return "has not five fields: minute, hour, day of the month, month, day of the week"
    try:
        next(CronSim(text, datetime(2000, 1, 1)))  # noqa: DTZ001 - a clock without a zone
    except StopIteration:
        return "names a time that never comes"
    except (CronSimError, TypeError, ValueError) as error:
        return str(error)[:1].lower() + str(error)[1:] or "cannot be read"
    return ""


def following(rule: WindowRule, after: datetime) -> datetime | None:
    """Return when the rule begins next, later than *after*; None if never."""
    zone = ZoneInfo(rule.zone)
    local = after.astimezone(zone).replace(tzinfo=None)
    if not _twice(local, zone):
        return next((each for each in _begins(rule, zone, local) if each > after), None)
    # The clock shows this reading twice: what it showed before may come again, and first.
    until, found = local + _LARGEST_CHANGE, []
    for reading in CronSim(rule.cron, local - _LARGEST_CHANGE):
        found += [each for each in _moments(reading, zone, rule) if each > after]
        if found and reading > until:
            break
    return min(found, default=None)


def preceding(rule: WindowRule, at: datetime) -> datetime | None:
    """Return when the rule began last of which the duration is not over at *at*, if it did."""
    least = at - timedelta(seconds=rule.duration_s)
    back, high = _MINUTE, at
    while (low := _within(rule, max(at - back, least), at)) is None:
        if at - back <= least:
            return None
        high, back = at - back, back * 2
    while high - low >= _MINUTE:
        middle = low + (high - low) / 2
        later = _within(rule, middle, at)
        low, high = (later, high) if later else (low, middle)
    return _within(rule, low, at) or low


def _within(rule: WindowRule, after: datetime, at: datetime) -> datetime | None:
    """Return when the rule begins next after *after*, if that is not behind *at*."""
    found = following(rule, after)
    return found if found is not None and found <= at else None


def _begins(rule: WindowRule, zone: ZoneInfo, local: datetime) -> Iterator[datetime]:
    for reading in CronSim(rule.cron, local):
        yield from _moments(reading, zone, rule)


def _moments(reading: datetime, zone: ZoneInfo, rule: WindowRule) -> tuple[datetime, ...]:
    """Return the moments at which the clock shows *reading* for the rule, as Debian's cron has it.

    A time of the day comes once a day: the first time where the clock shows it twice, and where it
    never shows it, when the clock is put forward. What comes at every minute or hour (`*`) comes
    whenever the clock shows it.
    """
    first, second = _moment(reading, zone, 0), _moment(reading, zone, 1)
    often = any(field.startswith("*") for field in rule.cron.split()[:2])
    if first == second:
        return (first,)
    if first < second:
        return (first, second) if often else (first,)
    while not often and _moment(reading, zone, 0) > _moment(reading, zone, 1):
        reading += _MINUTE
    return () if often else (_moment(reading, zone, 0),)


def _twice(reading: datetime, zone: ZoneInfo) -> bool:
    return _moment(reading, zone, 0) < _moment(reading, zone, 1)


def _moment(reading: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return reading.replace(tzinfo=zone, fold=fold).astimezone(UTC)
