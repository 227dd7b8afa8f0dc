"""Values of PostgreSQL, exactly: what psycopg's own reading would lose stays a text, or is refused.

psycopg makes 30 days of a month, floats of the numbers in JSON, drops the bounds of arrays and all
but the last of equal keys.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from psycopg import DataError, pq
from psycopg.adapt import Buffer, Loader
from psycopg.types.string import TextLoader

from templedb_nb.core.values.exact_json import exact_json
from templedb_nb.model.span import Interval

if TYPE_CHECKING:
    from psycopg import Cursor
    from psycopg.abc import AdaptContext

_TEXTS = (
    "int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange",
    "int4multirange", "int8multirange", "nummultirange", "datemultirange", "tsmultirange",
    "tstzmultirange",
)  # fmt: skip
"""Types whose text says it all; Python's words for them say `None` where a bound is open."""


def read_exactly(cursor: Cursor[Any]) -> None:
    """Let *cursor* give whole values alone."""
    adapters = cursor.adapters
    for name in _TEXTS:
        adapters.register_loader(name, TextLoader)
    adapters.register_loader("interval", _Interval)
    adapters.register_loader("json", _Json)
    adapters.register_loader("jsonb", _Json)
    for info in adapters.types:
        found = adapters.get_loader(info.array_oid, pq.Format.TEXT) if info.array_oid else None
        if found is not None:
            adapters.register_loader(info.array_oid, _bounded(found))


def in_utc(cell: Any) -> Any:
    """Return a moment in UTC, anything else as it is."""
    try:
        return cell.astimezone(UTC) if isinstance(cell, datetime) and cell.tzinfo else cell
    except OverflowError:
        raise DataError(f"{cell.isoformat(sep=' ')} is outside of the years 1 to 9999") from None


class _Interval(Loader):
    def load(self, data: Buffer) -> timedelta | Interval | str:
        text = bytes(data).decode()
        if self._style() != "postgres":
            return text
        found = Interval.read(text)
        if found is None:
            raise DataError(f"an interval: {text}")
        return found

    def _style(self) -> str:
        connection = self.connection
        known = connection.pgconn.parameter_status(b"IntervalStyle") if connection else None
        return (known or b"postgres").decode()


class _Json(Loader):
    def load(self, data: Buffer) -> Any:
        try:
            return exact_json(bytes(data).decode())
        except ValueError as error:
            raise DataError(f"JSON: {error}") from None


@cache
def _bounded(base: type[Loader]) -> type[Loader]:
    """Return a loader around *base*, which psycopg's own C code would never ask if it were one."""

    class Bounded(Loader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._inner = base(oid, context)

        def load(self, data: Buffer) -> Any:
            if bytes(data[:1]) == b"[":
                bounds = bytes(data).partition(b"=")[0].decode()
                raise DataError(f"an array that does not begin at 1: {bounds}")
            return self._inner.load(data)

    return Bounded
