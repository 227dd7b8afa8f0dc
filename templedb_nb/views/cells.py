"""Values of a database as text, JSON, CSV and DataFrames have them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

from templedb_nb.model.history import Answer
from templedb_nb.model.span import Interval

if TYPE_CHECKING:
    import pandas as pd

_WORD = 1 << 63


def cell_text(cell: Any) -> str:
    """Return a value for a table, whole: nothing for NULL, times in UTC."""
    match cell:
        case None:
            return ""
        case datetime(tzinfo=None):
            return cell.isoformat(sep=" ")
        case datetime():
            return f"{cell.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}Z"
        case timedelta():
            return str(Interval.of(cell))
        case bytes():
            return f"\\x{cell.hex()}"
        case Decimal():
            return f"{cell:f}"
        case list() | tuple() | dict():
            return json.dumps(cell_plain(cell), ensure_ascii=False)
        case _:
            return str(cell)


def cell_plain(cell: Any) -> Any:
    """Return a value of the database as JSON has it.

    Times are in ISO 8601, durations in seconds, bytes in hex. Intervals that have days or months
    are not a number of seconds: they are texts, in ISO 8601, too.
    """
    match cell:
        case float():
            return cell if isfinite(cell) else str(cell)  # JSON has no word for the others
        case None | bool() | int() | str():
            return cell
        case datetime():
            return cell.isoformat()
        case timedelta():
            return cell.total_seconds()
        case Interval():
            return cell.iso
        case Decimal():
            return f"{cell:f}"
        case list() | tuple():
            return [cell_plain(each) for each in cell]
        case dict():
            return {_name(name): cell_plain(each) for name, each in cell.items()}
        case bytes():
            return cell.hex()
        case _:
            return str(cell)


def _name(key: Any) -> str:
    """Return a key of a map; JSON knows texts alone."""
    return key if isinstance(key, str) else cell_text(key)


def csv_text(answer: Answer) -> str:
    """Return an answer as CSV with a head: RFC 4180, but its lines end as those of Unix do.

    NULL is an empty field, an empty text is ``""``.
    """
    lines = [answer.columns, *answer.rows]
    return "\n".join(_line(row) for row in lines)


def _line(row: Iterable[Any]) -> str:
    return ",".join(_field(cell_plain(cell)) for cell in row)


def _field(cell: Any) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case list() | dict():
            written = json.dumps(cell, ensure_ascii=False)
        case _:
            written = str(cell)
    quoted = not written or any(each in written for each in ',"\r\n')
    return '"' + written.replace('"', '""') + '"' if quoted else written


def answer_frame(value: Answer) -> pd.DataFrame:
    """Return an answer as a DataFrame; two columns may have one name."""
    import pandas as pd

    series = [_told([row[n] for row in value.rows]) for n in range(len(value.columns))]
    made = pd.DataFrame(dict(enumerate(series)))
    made.columns = pd.Index(value.columns, dtype=object)
    made.attrs.update(more=value.more)
    return made


def _told(values: list[Any]) -> pd.Series[Any]:
    """Return a column whose type is that of its values: NULL makes no number a float."""
    import pandas as pd

    kinds = {type(each) for each in values} - {type(None)}
    if kinds == {int}:
        small = all(each is None or abs(each) < _WORD for each in values)
        return pd.Series(values, dtype="Int64" if small else object)
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean")
    if kinds == {timedelta}:
        return pd.Series(values, dtype="timedelta64[us]")
    if kinds == {datetime}:
        aware = {each.tzinfo is not None for each in values if each is not None}
        if len(aware) == 1:
            bare = [each and _bare(each) for each in values]
            made = pd.Series(bare, dtype="M8[us]")
            return made.dt.tz_localize("UTC") if True in aware else made
    if kinds == {float} and any(each != each for each in values):  # noqa: PLR0124 - NaN
        return pd.Series(values, dtype=object if None in values else None)
    return pd.Series(values, dtype=None if kinds in ({str}, {float}) else object)


def _bare(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at
