"""DataFrames as they are shown: which of them are ours to draw, and what stands in each cell.

A DataFrame is drawn from its own values, never from what it was made of. It is ours only while its
`attrs` name one of our tables and every column has still the name, place and dtype that this table
gives it: `attrs` alone survive a rename, a merge and a transposition.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from templedb_nb.exit_code import ExitCode
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.history import DeployHistory
from templedb_nb.views.format import duration, many, moment
from templedb_nb.views.frames.columns import MARK, SCHEMAS
from templedb_nb.views.frames.kinds import (
    COUNTS,
    RATE,
    RATIO,
    SPANS,
    TEXT,
    TIMES,
    WORDS,
    Column,
)
from templedb_nb.views.frames.looks import PLAIN_LOOK, TABLE_LOOKS, TableLook

if TYPE_CHECKING:
    import pandas as pd

MOST = 10
"""So many columns fit beside each other at 1,280 pixels; the others are folded away."""
RUNS = frozenset({"run", "last_run", "live_run", "parent_run", "rolled_back_by", "used_by",
                  "rollout"})  # fmt: skip
DIGESTS = frozenset({"plan", "checksum", "tree", "content", "bundle", "superseded_by", "cohort"})
RUN_SHOWN, DIGEST_SHOWN = 13, 12
NO = "no"
_TELL_HOW_IT_ENDED = frozenset(
    {"run", "outcome", "started_at", "finished_at", "rolled_back_by", "exit_code"}
)
_TEXTS = frozenset({"object", "str", "string", "bool", "boolean"})
_DTYPES: Mapping[str, frozenset[str]] = {
    WORDS: frozenset({"category", "str", "object", "string"}),  # `concat` makes texts of categories
    COUNTS: frozenset({"Int64"}),
    RATE: frozenset({"Float64"}),
    RATIO: frozenset({"float64"}),
    TEXT: _TEXTS,
}


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """A column: its name, what it holds, and a text for each cell that has a value."""

    name: str
    kind: str
    dtype: str
    cells: tuple[str | None, ...]
    given: tuple[Any, ...]

    @property
    def number(self) -> bool:
        """Return whether its digits stand one under the other."""
        return self.kind in {COUNTS, RATE, RATIO, SPANS}

    @property
    def empty(self) -> bool:
        """Return whether no cell says anything."""
        return not any(self.cells)


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A DataFrame that is ours: what stands in the table, what is folded away, what is empty."""

    title: str
    """What the rows are; empty where they may be something else: without the key, a group's sum."""
    size: str
    main: tuple[ShownColumn, ...]
    more: tuple[tuple[ShownColumn, ...], ...]
    empty: tuple[str, ...]
    rows: tuple[int, ...]
    """The places of the rows that are shown."""
    labels: tuple[str, ...] | None
    """The index of each row, unless it counts from 0."""
    gap: int | None = None
    """Where rows are left out: so many are shown before them."""
    left_out: int = 0
    definitions: Mapping[str, str] = field(default_factory=dict)

    @property
    def more_names(self) -> str:
        """Return the columns that are folded away; the first of each table only repeats a name."""
        names = [each.name for part in self.more for each in part]
        known = {each.name for each in self.main}
        return ", ".join(dict.fromkeys(name for name in names if name not in known))


def schema_of(table: pd.DataFrame) -> Mapping[Hashable, Column]:
    """Return the columns that a DataFrame had when it was made; none if it is not ours."""
    mark = table.attrs.get(MARK)
    columns = SCHEMAS.get(mark, ()) if isinstance(mark, str) else ()
    return {each[0]: each for each in columns}


def ours(table: pd.DataFrame) -> Sequence[Column] | None:
    """Return the columns of a DataFrame that is ours to draw, None for every other.

    A selection of its columns is ours, too, in whatever order.
    """
    schema = schema_of(table)
    names = list(table.columns)
    if not names or len(set(names)) < len(names) or not schema.keys() >= set(names):
        return None
    columns = [schema[name] for name in names]
    index = table.index
    if index.nlevels != 1 or index.name is not None or not str(index.dtype).startswith("int"):
        return None
    dtypes = [str(each) for each in table.dtypes]
    fit = all(_fits(dtype, kind) for dtype, (_, kind, _) in zip(dtypes, columns, strict=True))
    return columns if fit else None


def _fits(dtype: str, kind: str | type[StrEnum]) -> bool:
    if isinstance(kind, type):
        return dtype == "category"
    if kind == TIMES:
        return dtype.startswith("datetime64[") and dtype.endswith(", UTC]")
    if kind == SPANS:
        return dtype.startswith("timedelta64[")
    return dtype in _DTYPES[kind]


def drawn(table: pd.DataFrame) -> ShownTable | None:
    """Return what is shown of a DataFrame that is ours; None for every other.

    The options of pandas count: ``display.max_rows``, ``min_rows``, ``max_columns``,
    ``max_colwidth``, ``float_format``. Without a limit of columns, none is folded away.
    """
    import pandas as pd

    columns = ours(table)
    if columns is None:
        return None
    rows, gap = _rows(
        len(table), pd.get_option("display.max_rows"), pd.get_option("display.min_rows")
    )
    picked = table.iloc[list(rows)]
    made = {name: _column(name, kind, picked[name]) for name, kind, _ in columns}
    if table.attrs[MARK] == DeployHistory.json_kind and made.keys() >= _TELL_HOW_IT_ENDED:
        made["outcome"] = _ended(made)
    schema, look = schema_of(table), TABLE_LOOKS.get(table.attrs[MARK], PLAIN_LOOK)
    chosen = len(made) < len(schema) and len(made) <= MOST
    most = pd.get_option("display.max_columns")
    main, more = (tuple(made.values()), ()) if chosen else _parted(made, look, most)
    keyed = made.keys() >= set(look.key or list(schema)[:1])
    counted = list(table.index) == list(range(len(table)))
    return ShownTable(
        title=_title(look, table.attrs) if keyed else "",
        size=f"{many(len(table), 'row')}, {many(len(columns), 'column')}",
        main=main,
        more=more,
        empty=tuple(each.name for each in made.values() if each.empty and each not in main),
        rows=rows,
        labels=None if counted else tuple(str(each) for each in picked.index),
        gap=gap,
        left_out=len(table) - len(rows),
        definitions=table.attrs.get("definitions", {}),
    )


def _title(look: TableLook, attrs: Mapping[Any, Any]) -> str:
    words = [look.title, f"of {attrs['project']}" if attrs.get("project") else ""]
    words += [f"on {attrs['target']}" if attrs.get("target") else "", attrs.get("filter", "")]
    return " ".join(each for each in words if each)


def _rows(count: int, most: int | None, least: int | None) -> tuple[tuple[int, ...], int | None]:
    """Return the places of the rows that pandas would show, and where it leaves some out."""
    if not most or count <= most:
        return tuple(range(count)), None
    shown = max(min(most, least or most), 2)
    first = (shown + 1) // 2
    return (*range(first), *range(count - shown // 2, count)), first


def _parted(
    made: Mapping[str, ShownColumn], look: TableLook, most: int | None
) -> tuple[tuple[ShownColumn, ...], tuple[tuple[ShownColumn, ...], ...]]:
    """Return the columns of the table, and those of the tables behind the fold.

    What is empty is in neither; what is the same as ever stands behind the fold.
    """
    full = [each for each in made.values() if not each.empty]
    if most is None:
        return tuple(full), ()
    room = min(MOST, most or MOST)
    wanted = [made[name] for name in look.main or made if name in made]
    usual = [each for each in wanted if not _unusual(each, look)]
    main = [each for each in wanted if not each.empty and each not in usual][:room] or full[:1]
    rest = [each for each in full if each not in main]
    key = [made[name] for name in look.key if name in made] or [next(iter(made.values()))]
    step = max(room - len(key), 1)
    parts = [(*key, *rest[n : n + step]) for n in range(0, len(rest), step)]
    return tuple(main), tuple(parts)


def _unusual(column: ShownColumn, look: TableLook) -> bool:
    return any(each not in {None, "", look.usual.get(column.name, NO)} for each in column.cells)


def _ended(made: Mapping[str, ShownColumn]) -> ShownColumn:
    """Say how runs ended as the terminal does: one goes on, waits for a person, or was undone."""
    places = range(len(made["run"].cells))
    return replace(made["outcome"], cells=tuple(_end(made, place) for place in places))


def _end(made: Mapping[str, ShownColumn], place: int) -> str | None:
    def given(name: str) -> Any:
        return made[name].given[place]

    word = made["outcome"].cells[place]
    if given("started_at") is not None and not word and given("finished_at") is None:
        return "running"
    if given("rolled_back_by"):
        return "rolled back"
    return "waits" if given("exit_code") == ExitCode.APPROVAL_MISSING else word


def _column(name: str, kind: str | type[StrEnum], column: pd.Series[Any]) -> ShownColumn:
    gone = column.isna()
    values = tuple(None if no else each for each, no in zip(column, gone, strict=True))
    word = "enum" if isinstance(kind, type) else kind
    texts = tuple(None if each is None else _text(name, word, each) for each in values)
    return ShownColumn(name, word, str(column.dtype), texts, values)


def _text(name: str, kind: str, value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else NO
        case datetime() if kind == TIMES:
            return moment(value)
        case timedelta() if kind == SPANS:
            return duration(round(value.total_seconds() * 1000))
        case _ if kind in {RATE, RATIO}:
            return _rate(name, float(value))
        case str() if name in RUNS:
            return value[:RUN_SHOWN]
        case str() if name in DIGESTS:
            return value[:DIGEST_SHOWN]
        case _:
            return str(value)


def _rate(name: str, value: float) -> str:
    import pandas as pd

    if (form := pd.get_option("display.float_format")) is not None:
        return str(form(value))
    return f"{value:.0%}" if name.endswith("rate") else f"{value:.1f}"
