"""Moments as people write them: ``2026-11-01``, ``2026-11-01T10:30``, ``7d``, ``12h``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from templedb_nb.errors import UsageProblem

_AGO = re.compile(r"(\d+)\s*(m|min|h|d|w)(?:\s*ago)?")
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_WAIT = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}


def since(text: str, now: datetime) -> datetime:
    """Return the moment that *text* means, in the zone of *now* where it names none.

    Raises `UsageProblem` for any other text.
    """
    words = text.strip().lower()
    if found := _AGO.fullmatch(words):
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        hint = "write a day (2026-11-01), a time (2026-11-01T10:30), or an age (30m, 12h, 7d, 2w)"
        raise UsageProblem(f"{text!r} is not a point in time", hint=hint) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)


def wait_s(text: str) -> float:
    """Return a length of time in seconds: ``10``, ``90s``, ``15m``, ``1h``.

    Raises `UsageProblem` for any other text.
    """
    found = _WAIT.fullmatch(text.strip().lower())
    if found is None:
        raise UsageProblem(f"{text!r} is not a duration", hint="write 10, 90s, 15m or 1h")
    return float(found[1]) * _SECONDS[found[2] or "s"]
