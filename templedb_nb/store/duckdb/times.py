"""Times as DuckDB keeps them: UTC without a zone, so that reading them needs no pytz."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


def bare(moment: datetime) -> datetime:
    """Return *moment* in UTC, without its zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


@overload
def zoned(moment: datetime) -> datetime: ...
@overload
def zoned(moment: None) -> None: ...
def zoned(moment: datetime | None) -> datetime | None:
    """Return *moment* with its zone."""
    return None if moment is None else moment.replace(tzinfo=UTC)
