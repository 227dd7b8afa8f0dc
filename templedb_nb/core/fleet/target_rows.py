"""The rows of a file of targets: CSV with a header, a JSON list of objects, or an object a line.

A complaint begins with the line where its row begins; all are found before anything is decided.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any  # Any: what JSON holds until its shape is read

from templedb_nb.errors import InvalidConfig
from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRow:
    """What a file says of one target: its columns' texts; an empty one says that there is none."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRows:
    """Every row that could be read, and what was wrong with the others."""

    rows: tuple[TargetRow, ...]
    columns: Mapping[str, int]
    """The name of each column, and the line that names it first."""
    problems: tuple[tuple[int, str], ...] = field(default=())


def read_rows(text: str, name: str) -> TargetRows:
    """Return the rows of *text*; the end of *name*, else its first character, tells its form."""
    bare = text.removeprefix("\ufeff")
    end = name.rpartition(".")[2].lower()
    begins = bare.lstrip()[:1]
    if not begins:
        raise InvalidConfig(
            f"{name} is empty", hint="its first line names the columns: name,region"
        )
    if end in {"json", "jsonl", "ndjson"} or (end not in {"csv", "tsv"} and begins in {"[", "{"}):
        return _json_rows(bare, name)
    return _csv_rows(bare)


def _csv_rows(text: str) -> TargetRows:
    head = text.lstrip("\n").split("\n", 1)[0]
    sign = max(",;\t", key=head.count) if any(each in head for each in ",;\t") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True)
    rows, problems = list[TargetRow](), list[tuple[int, str]]()
    columns: list[str] = []
    first = line = 1
    try:
        for cells in reader:
            begun, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = [cell.strip() for cell in cells]
                first = begun
                problems += [(begun, told) for told in _header_faults(columns)]
            elif "name" not in columns:
                break
            elif len(cells) != len(columns):
                problems.append((begun, f"has {len(cells)} cells, but the header {len(columns)}"))
            else:
                named = zip(columns, (cell.strip() for cell in cells), strict=True)
                rows.append(TargetRow(line=begun, cells=dict(named)))
    except csv.Error as error:
        problems.append((line, f"is not CSV: {error}"))
    if not columns and not problems:
        problems.append((1, "there is no header: its first line names the columns"))
    return TargetRows(
        rows=tuple(rows), columns=dict.fromkeys(columns, first), problems=tuple(problems)
    )


def _header_faults(columns: list[str]) -> Iterator[str]:
    counts = Counter(columns)
    yield from (f"the column {name} is there {n} times" for name, n in counts.items() if n > 1)
    if "name" not in counts:
        yield "there is no column `name`"


_NUMBERS: dict[str, Any] = dict.fromkeys(("parse_int", "parse_float", "parse_constant"), str)
"""Numbers stay as they are written: 1.10 is a version, 007 no number at all."""


class _Twice(ValueError):
    """A key that an object has twice."""


def _json_rows(text: str, name: str) -> TargetRows:
    """Read objects one after another, each from where it begins: so its line is known."""
    decoder = json.JSONDecoder(object_pairs_hook=_once, **_NUMBERS)
    rows, problems, columns = list[TargetRow](), list[tuple[int, str]](), dict[str, int]()
    listed = text.lstrip().startswith("[")
    at, line, counted = text.index("[") + 1 if listed else 0, 1, 0
    while (at := _next(text, at, listed=listed)) < len(text):
        if listed and text[at] == "]":
            at = _next(text, at + 1, listed=False)
            if at < len(text):
                problems.append((1 + text.count("\n", 0, at), "there is more behind the list"))
            return TargetRows(rows=tuple(rows), columns=columns, problems=tuple(problems))
        line, counted = line + text.count("\n", counted, at), at
        try:
            found, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            problems.append((error.lineno, f"is not JSON: {error.msg}"))
            return TargetRows(rows=tuple(rows), columns=columns, problems=tuple(problems))
        except (_Twice, RecursionError) as error:
            told = str(error) if isinstance(error, _Twice) else "is nested too deeply"
            problems.append((line, told))
            return TargetRows(rows=tuple(rows), columns=columns, problems=tuple(problems))
        cells = _cells(found, line, problems)
        if cells is not None:
            rows.append(TargetRow(line=line, cells=cells))
            for key in cells:
                columns.setdefault(key, line)
    if listed:
        problems.append((1 + text.count("\n"), f"the list of {name} is not closed: ] is missing"))
    return TargetRows(rows=tuple(rows), columns=columns, problems=tuple(problems))


def _next(text: str, at: int, *, listed: bool) -> int:
    """Return where the next value begins, behind white space and in a list one comma."""
    begin, comma = at, not listed
    while begin < len(text) and (text[begin] in " \t\r\n" or (text[begin] == "," and not comma)):
        comma = comma or text[begin] == ","
        begin += 1
    return begin


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    counts = Counter(key for key, _ in pairs)
    if twice := sorted(key for key, count in counts.items() if count > 1):
        raise _Twice(f"{', '.join(twice)} is there twice in one object")
    return dict(pairs)


def _cells(found: object, line: int, problems: list[tuple[int, str]]) -> dict[str, str] | None:
    """Return the texts of an object; `labels` may be an object of its own."""
    if not isinstance(found, dict):
        problems.append((line, "is not an object"))
        return None
    flat = {key: value for key, value in found.items() if key != "labels"}
    inner = found.get("labels")
    if isinstance(inner, dict):
        both = sorted(flat.keys() & inner.keys())
        problems += [(line, f"{key} is there twice, also in labels") for key in both]
        flat = {**inner, **flat}
    elif inner is not None:
        problems.append((line, "labels must be an object"))
    cells = dict[str, str]()
    for key, value in flat.items():
        match value:
            case None:
                cells[key] = ""
            case bool():
                cells[key] = "true" if value else "false"
            case str():
                cells[key] = value.strip()
            case _:
                problems.append((line, f"{key} must be a text, a number, true, false or null"))
    return cells
