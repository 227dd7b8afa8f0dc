"""Values of DuckDB, exactly: what its Python module would round or replace is asked for as text.

The module gives ``infinity`` as 9999-12-31, a month as 30 days, and drops nanoseconds. What types
hold such values, at whatever depth, is cast to the same shape with texts in it, and read here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol  # Any: cells of DuckDB's rows

from templedb_nb.model.span import Interval, alike

Read = Callable[[Any], Any]
_FINER = re.compile(r"\.\d{7}")
"""More digits than a microsecond has."""

CAST = "cast its column to text: column::text"


class Kind(Protocol):
    """A type as DuckDB describes it."""

    @property
    def id(self) -> str:
        """Return the family that it belongs to."""

    @property
    def children(self) -> list[Any]:
        """Return what it is made of, with names."""


Shape = Sequence[tuple[str, Kind]]


class Inexact(ValueError):
    """A value that has no place in Python."""


def shape(ask: Callable[[str], Any], sql: str) -> Shape:
    """Return the columns of a question; *ask* runs a statement, and no row of it is computed."""
    empty = ask(f"SELECT * FROM ({sql}\n) LIMIT 0")  # noqa: S608 - asked by who may ask anything
    kinds = [each[1] for each in empty.description]
    names = [str(each[0]) for each in ask(f"DESCRIBE {sql}").fetchall()]
    return list(zip(names, kinds, strict=True))  # the first renames one of two equal names


def selection(sql: str, kinds: Sequence[Kind]) -> str:
    """Return *sql* with texts in place of what Python would get wrongly, or as it is.

    It stays on its lines, so that an error names the same one.
    """
    if not any(map(risky, kinds)):
        return sql
    names = [f"c{number}" for number in range(len(kinds))]
    cells = [
        f"CAST({name} AS {textual(kind)})" if risky(kind) else name
        for name, kind in zip(names, kinds, strict=True)
    ]
    return f"SELECT {', '.join(cells)} FROM ({sql}\n) AS asked({', '.join(names)})"  # noqa: S608 - asked by who may ask anything


def rows(
    found: Sequence[Sequence[Any]], columns: Sequence[str], kinds: Sequence[Kind]
) -> tuple[tuple[Any, ...], ...]:
    """Return what came of `selection`, as values. Raises `Inexact`, which names the column."""
    made = []
    for number, (name, kind) in enumerate(zip(columns, kinds, strict=True)):
        read = reader(kind)
        try:
            cells = [row[number] for row in found]
            cells = [read(cell) for cell in cells] if kind.id in _TELLING else cells
        except Inexact as error:
            raise Inexact(f"column {name} has {error}") from None
        made.append(alike(cells) if kind.id == "interval" else cells)
    return tuple(zip(*made, strict=True)) if made else ()


def risky(kind: Kind) -> bool:
    """Return whether a value of this type may come out wrong."""
    return kind.id in _READ or any(risky(child) for _, child in _inside(kind))


def textual(kind: Kind) -> str:
    """Return the type of the same shape that has texts in it."""
    inside = [(name, textual(child)) for name, child in _inside(kind)] if risky(kind) else []
    match kind.id:
        case each if each in _READ:
            return "VARCHAR"
        case "list" if inside:
            return f"{inside[0][1]}[]"
        case "array" if inside:
            return f"{inside[0][1]}[{kind.children[1][1]}]"
        case "struct" if inside:
            return f"STRUCT({', '.join(f'{_quoted(name)} {made}' for name, made in inside)})"
        case "tuple" if inside:
            return f"TUPLE({', '.join(made for _, made in inside)})"
        case "map" if inside:
            return f"MAP({', '.join(made for _, made in inside)})"
        case _:
            return str(kind)


def reader(kind: Kind) -> Read:
    """Return what reads a value of this type where texts stand in it; NULL stays NULL."""
    if not risky(kind):
        return _checked
    if kind.id in _READ:
        return _or_null(_READ[kind.id])
    inside = [reader(child) for _, child in _inside(kind)]
    match kind.id:
        case "list" | "array":
            return _or_null(lambda cells: [inside[0](each) for each in cells])
        case "struct":
            return _or_null(lambda cell: {
                name: read(each) for (name, each), read in zip(cell.items(), inside, strict=True)
            })  # fmt: skip
        case "map":
            return _or_null(lambda cell: _map(cell, *inside))
        case _:
            return _or_null(
                lambda cell: tuple(read(each) for each, read in zip(cell, inside, strict=True))
            )


def _map(cell: dict[Any, Any], key: Read, value: Read) -> dict[Any, Any]:
    """Return a map; one whose keys are lists comes as two lists."""
    if list(cell) == ["key", "value"] and isinstance(cell["key"], list):
        return {"key": [*map(key, cell["key"])], "value": [*map(value, cell["value"])]}
    return {key(name): value(each) for name, each in cell.items()}


def _inside(kind: Kind) -> list[tuple[str, Kind]]:
    """Return the types within a nested one; DuckDB refuses the question for any other."""
    if kind.id not in _NESTED:
        return []
    inside: list[tuple[str, Kind]] = kind.children
    return inside[:1] if kind.id == "array" else inside


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _or_null(read: Read) -> Read:
    return lambda cell: None if cell is None else read(cell)


def _checked(cell: Any) -> Any:
    """Return a value whose type does not say what is in it, unless it may be a wrong one."""
    match cell:
        case date() | time() | timedelta():
            raise Inexact(f"a {type(cell).__name__} in a VARIANT or a UNION")
        case list() | tuple():
            return [*map(_checked, cell)] if isinstance(cell, list) else (*map(_checked, cell),)
        case dict():
            return {_checked(name): _checked(each) for name, each in cell.items()}
        case _:
            return cell


def _span(text: str) -> Interval:
    found = Interval.read(text)
    if found is None:
        raise Inexact(text)
    return found


def _held(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return what reads a date or a time; a year that Python has not stays the text that it is."""

    def held(text: str) -> Any:
        if "infinity" in text or _FINER.search(text):
            raise Inexact(text)
        try:
            return read(text)
        except (ValueError, OverflowError):
            return text

    return held


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


_READ: dict[str, Read] = {
    "interval": _span,
    "date": _held(date.fromisoformat),
    "time": _held(time.fromisoformat),
    "time_ns": _held(time.fromisoformat),
    "time with time zone": _held(time.fromisoformat),
    **dict.fromkeys(
        ("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"),
        _held(datetime.fromisoformat),
    ),
    **dict.fromkeys(("timestamp with time zone", "timestamptz_ns"), _held(_utc)),
}
"""How a text of each family is read."""

_NESTED = frozenset({"list", "array", "struct", "tuple", "map"})
_TELLING = frozenset({*_READ, *_NESTED, "union", "variant"})
"""Families whose values are looked at; the others come as they are."""
