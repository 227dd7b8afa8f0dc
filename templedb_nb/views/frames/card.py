"""A DataFrame that is ours as a card: at most ten columns, the others behind a fold, no script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from templedb_nb.views.format import masked
from templedb_nb.views.frames.drawing import DIGESTS, RUNS, ShownColumn, ShownTable, drawn
from templedb_nb.views.frames.kinds import TIMES
from templedb_nb.views.frames.looks import NAMES, SIGNS, WIDE
from templedb_nb.views.frames.text import cell_limit
from templedb_nb.views.html.card import Tone, card, code, folded, marked, quiet, title, toned, when
from templedb_nb.views.html.markup import Child, Html, tag, unbroken

if TYPE_CHECKING:
    import pandas as pd


def frame_card(table: pd.DataFrame, *, again: bool = False) -> Html | None:
    """Return a DataFrame as a card; None if it is not ours.

    Where it says *again* what stands above it, it is folded away.
    """
    shown = drawn(table)
    if shown is None:
        return None
    rows = [
        _grid(shown, shown.main) if shown.rows else quiet("No rows."),
        _rest(shown) if shown.rows else None,
        quiet(_sizes(shown)),
    ]
    if again:
        return card(Tone.PLAIN, folded(f"As a DataFrame: {shown.size}", *rows))
    return card(Tone.PLAIN, title(shown.title) if shown.title else None, *rows)


def _rest(shown: ShownTable) -> Html | None:
    if not shown.more:
        return None
    return folded(f"More columns: {shown.more_names}", [_grid(shown, part) for part in shown.more])


def _sizes(shown: ShownTable) -> Child:
    left = f" ({shown.left_out} of the rows are not shown)" if shown.left_out else ""
    empty = f"; without a value: {', '.join(shown.empty)}" if shown.empty and shown.rows else ""
    return f"A DataFrame: {shown.size}{left}{empty}."


def _grid(shown: ShownTable, columns: Sequence[ShownColumn]) -> Html:
    heads = [tag("th", scope="col")] if shown.labels else []
    heads += [_head(each, shown.definitions.get(each.name, "")) for each in columns]
    rows = tag("tbody", list(_lines(shown, columns)))
    return tag("table", tag("thead", tag("tr", heads)), rows, class_="tdb-frame")


def _head(column: ShownColumn, meaning: str) -> Html:
    about = f"{column.dtype}: {meaning}" if meaning else column.dtype
    return tag("th", _broken(column.name), scope="col", title=about, **_style(column))


def _broken(name: str) -> Child:
    """Let a name break after its underscores."""
    first, *rest = name.split("_")
    return [first, [("_", tag("wbr"), part) for part in rest]]


def _lines(shown: ShownTable, columns: Sequence[ShownColumn]) -> Iterator[Html]:
    wide = str(len(columns) + bool(shown.labels))
    for place in range(len(shown.rows)):
        if place == shown.gap:
            yield tag("tr", tag("td", f"… {shown.left_out} more", colspan=wide))
        label = [tag("th", shown.labels[place], scope="row")] if shown.labels else []
        cells = [
            tag("td", _cell(each, place), data_name=each.name, **_style(each)) for each in columns
        ]
        yield tag("tr", label, cells)


def _style(column: ShownColumn) -> dict[str, str | None]:
    if column.number:
        return {"class_": "tdb-number", "align": "right"}
    return {"class_": "tdb-text" if column.name in WIDE else None}


def _cell(column: ShownColumn, place: int) -> Child:
    text, value = column.cells[place], column.given[place]
    if not text:
        return None
    if column.kind == "enum":
        tone, mark = SIGNS.get(text, (Tone.PLAIN, ""))
        return marked(tone, mark, text) if mark else text
    if column.kind == TIMES:
        return when(value)
    if column.name in RUNS | DIGESTS:
        return tag("code", text, title=None if text == value else value, class_="tdb-id")
    if column.name in NAMES:
        return code(text, None if text == value else str(value))
    if column.number:
        return unbroken(text)
    if column.name == "attention" and value:
        return tag("strong", toned(Tone.BAD, text))
    return _text(text)


def _text(text: str) -> Child:
    short = cell_limit(masked(text))
    return short if short == text else tag("span", short, title=text)
