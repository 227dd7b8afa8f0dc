"""What a column of a DataFrame holds, and the dtype that it has for that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

TIMES, SPANS, WORDS, COUNTS, RATE, RATIO, TEXT = (
    "time", "span", "word", "count", "rate", "ratio", "text",
)  # fmt: skip
Column = tuple[str, str | type[StrEnum], Callable[[Any], Any]]
"""A name, what the column holds, and how a cell is picked from a row."""


def milliseconds(count: int | None) -> timedelta | None:
    """Return a duration; None where there is none."""
    return None if count is None else timedelta(milliseconds=count)


def series(values: list[Any], kind: str | type[StrEnum]) -> pd.Series[Any]:
    """Return the values of a column, with its dtype."""
    import pandas as pd

    if isinstance(kind, type):  # the same categories in every table, so that two can be compared
        return pd.Series(pd.Categorical(values, categories=[each.value for each in kind]))
    match kind:
        case "time":
            return pd.Series(pd.to_datetime(pd.Series(values, dtype=object), utc=True)).dt.as_unit(
                "us"
            )
        case "span":
            return pd.Series(values, dtype="timedelta64[ms]")
        case "word":
            return pd.Series(values, dtype="category")
        case "count":
            return pd.Series(values, dtype="Int64")
        case "rate":
            return pd.Series(values, dtype="Float64")
        case "ratio":
            return pd.Series(values, dtype="float64")
        case _:
            return pd.Series(values)
