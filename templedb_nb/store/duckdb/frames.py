"""Answers of the state as DataFrames, without what DuckDB's own conversion would round."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from templedb_nb.core.values.duckdb_values import Kind, Shape, risky, rows

if TYPE_CHECKING:
    import pandas as pd

_ROUNDED = frozenset({"hugeint", "uhugeint", "decimal"})
"""Types that become floats."""

_COUNTS = {
    "tinyint": "Int8", "smallint": "Int16", "integer": "Int32", "bigint": "Int64",
    "utinyint": "UInt8", "usmallint": "UInt16", "uinteger": "UInt32", "ubigint": "UInt64",
}  # fmt: skip
_FLOATS = {"float": "float32", "double": "float64"}
_TIMES = ("date", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns")
_WIDE = 1 << 63


def framed(found: Any, shape: Shape) -> pd.DataFrame:
    """Return what was found, each column with the type that DuckDB's conversion gives it."""
    import pandas as pd

    if not any(risky(kind) or kind.id in _ROUNDED for _, kind in shape):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # DuckDB calls pandas in ways that pandas 4 drops
            whole: pd.DataFrame = found.df()
        return whole
    names, kinds = [name for name, _ in shape], [kind for _, kind in shape]
    cells = rows(found.fetchall(), names, kinds)
    columns = zip(*cells, strict=True) if cells else [()] * len(names)
    series = [_series(list(each), kind) for each, kind in zip(columns, kinds, strict=True)]
    made = pd.DataFrame(dict(enumerate(series)))
    made.columns = pd.Index(names)
    return made


def _series(values: list[Any], kind: Kind) -> pd.Series[Any]:
    import pandas as pd

    there = [each for each in values if each is not None]
    texts = any(isinstance(each, str) for each in there)
    match kind.id:
        case "boolean":
            return pd.Series(values, dtype="bool" if len(there) == len(values) else "boolean")
        case each if each in _COUNTS:
            name = _COUNTS[each]
            return pd.Series(values, dtype=name if len(there) < len(values) else name.lower())
        case "hugeint" | "uhugeint":
            small = all(-_WIDE <= each < _WIDE for each in there)
            return pd.Series(values, dtype="Int64" if small else object)
        case each if each in _FLOATS:
            return pd.Series(values, dtype=_FLOATS[each])
        case "varchar":
            return pd.Series(values)
        case "enum":
            return pd.Series(pd.Categorical(values, categories=kind.children[0][1]))
        case "interval" if all(isinstance(each, timedelta) for each in there):
            return pd.Series(values, dtype="timedelta64[us]")
        case each if each in _TIMES and not texts:
            return pd.Series(values, dtype="M8[us]")
        case "timestamp with time zone" if not texts:
            bare = [each and each.replace(tzinfo=None) for each in values]
            return pd.Series(bare, dtype="M8[us]").dt.tz_localize("UTC")
        case _:
            return pd.Series(values, dtype=object)
