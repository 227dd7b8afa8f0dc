"""A DataFrame that is ours as plain text: what a terminal, a log and a diff of a notebook show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from templedb_nb.views.format import fitted, masked
from templedb_nb.views.format import table as aligned
from templedb_nb.views.frames.drawing import ShownColumn, ShownTable, drawn
from templedb_nb.views.frames.looks import SIGNS

if TYPE_CHECKING:
    import pandas as pd

_OWN_WIDTH = 50
"""The ``display.max_colwidth`` of pandas, which nobody has set."""
_LONGEST = 160


def cell_limit(text: str) -> str:
    """Return a text as long as ``display.max_colwidth`` lets it be, where somebody has set that."""
    import pandas as pd

    most = pd.get_option("display.max_colwidth")
    most = _LONGEST if most == _OWN_WIDTH else most
    return text if not most or len(text) <= most else f"{text[: most - 1]}…"


def frame_text(
    table: pd.DataFrame, columns: int | None = None, *, again: bool = False
) -> str | None:
    """Return a DataFrame as text, for a window of so many *columns*; None if it is not ours.

    Where it says *again* what stands above it, its size is all.
    """
    shown = drawn(table)
    if shown is None:
        return None
    if again:
        return f"as a DataFrame: {shown.size}"
    if not shown.rows:
        return f"{shown.title}: no rows" if shown.title else f"no rows ({shown.size})"
    with fitted(columns):
        lines = [*([shown.title] if shown.title else []), _grid(shown, shown.main)]
    if shown.left_out:
        lines.append(f"… {shown.left_out} of the rows are not shown")
    if shown.more:
        lines.append(f"more columns: {shown.more_names}")
    return "\n".join([*lines, f"({shown.size})"])


def _grid(shown: ShownTable, columns: Sequence[ShownColumn]) -> str:
    heads = [each.name for each in columns]
    rows = [[_cell(each, place) for each in columns] for place in range(len(shown.rows))]
    if shown.labels:
        heads = ["", *heads]
        rows = [[label, *row] for label, row in zip(shown.labels, rows, strict=True)]
    if shown.gap is not None:
        rows.insert(shown.gap, ["…"] * len(heads))
    return aligned(heads, rows)


def _cell(column: ShownColumn, place: int) -> str:
    text = column.cells[place] or ""
    if column.kind == "enum" and text in SIGNS:
        return f"{SIGNS[text][1]} {text}"
    return cell_limit(masked(text))
