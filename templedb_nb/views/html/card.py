"""What all cards are made of: their frame, badges, tables, facts, and commands to copy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib import resources

from templedb_nb.model.dataclass import dataclass
from templedb_nb.views.format import masked, moment
from templedb_nb.views.html.markup import Child, Html, join, prose, tag, unbroken

LONG = 48
ROWS, ITEMS = 400, 200
"""So many rows of a table, and so many items of a list, a card has at most."""
_COMMAND = re.compile(r"`([^`]+)`|(?<![%\w./-])(templedb [^,;()\n]+)")


class Tone(StrEnum):
    """What a colour means; a word or a symbol always says the same."""

    GOOD = "good"
    BAD = "bad"
    LOUD = "loud"
    QUIET = "quiet"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: numbers stand digit under digit, a wide one takes the room that is left.

    One of sentences that are `told` has a least width. Where columns are stacked, a cell says the
    name of one that is `named`, or of numbers.
    """

    name: str
    number: bool = False
    wide: bool = False
    named: bool = False
    told: bool = False


def card(tone: Tone, *children: Child) -> Html:
    """Return a card with its style sheet."""
    style = Html(f"<style>{_style()}</style>")
    return tag("div", style, *children, class_=f"tdb tdb-is-{tone}")


def title(*children: Child) -> Html:
    """Return a card's heading."""
    return tag("h3", *children)


def badge(tone: Tone, mark: str, words: str) -> Html:
    """Return an outcome, as a word in a frame."""
    inner = join(tag("span", mark, aria_hidden="true"), unbroken(f" {words}"))
    return join(" ", tag("strong", inner, class_=f"tdb-badge tdb-{tone}"))


def toned(tone: Tone, *children: Child) -> Html:
    """Return words in a colour."""
    return tag("span", *children, class_=f"tdb-{tone}")


def marked(tone: Tone, mark: str, words: str) -> Html:
    """Return a state: a symbol for the eye, a word for everybody."""
    return toned(tone, tag("span", mark, aria_hidden="true"), unbroken(f" {words}"))


def band(tone: Tone, *children: Child) -> Html:
    """Return a paragraph that cannot be overlooked."""
    return tag("p", *children, class_=f"tdb-band tdb-on-{tone}")


def quiet(*children: Child) -> Html:
    """Return a paragraph of second rank."""
    return tag("p", *children, class_="tdb-quiet")


def code(text: str, whole: str | None = None) -> Html:
    """Return a name, a path or a command; *whole* is what it abbreviates."""
    return tag("code", _breaking(text), title=whole)


def when(at: datetime | None) -> Html | None:
    """Return a time, in UTC, that machines can read, too."""
    return tag("time", moment(at), datetime=at.isoformat()) if at else None


def with_commands(text: str) -> Html:
    """Return a hint with its commands as a notebook takes them: ``%templedb …``."""
    text = masked(text)
    parts: list[Child] = []
    end = 0
    for found in _COMMAND.finditer(text):
        command = (found[1] or found[2]).rstrip()
        command = f"%{command}" if command.startswith("templedb ") else command
        parts += [prose(text[end : found.start()]), code(command)]
        end = found.start() + len(found[0].rstrip())
    return join(*parts, prose(text[end:]))


def facts(pairs: Iterable[tuple[Child, Child]]) -> Html | None:
    """Return names and what they stand for; those that stand for nothing are left out."""
    given = [(name, value) for name, value in pairs if value]
    if not given:
        return None
    return tag("dl", [join(tag("dt", name), tag("dd", value)) for name, value in given])


def listed(items: Sequence[Child]) -> Child:
    """Return one thing as it is, and several as a list; of very many the first."""
    if len(items) <= 1:
        return items[0] if items else None
    rows = [tag("li", each) for each in items[:ITEMS]]
    if more := len(items[ITEMS:]):
        rows.append(tag("li", f"… and {more} more"))
    return tag("ul", rows)


def table(caption: str, columns: Sequence[Column], *bodies: Child) -> Html:
    """Return a table with its caption and the names of its columns."""
    head = tag("tr", [tag("th", each.name, scope="col", **_cell(each)) for each in columns])
    named = tag("caption", caption)
    return tag("table", named, tag("thead", head), *bodies)


def body(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Child]],
    name: Child = None,
    below: Sequence[Child] = (),
) -> Html:
    """Return rows of a table, below the name that they share; of very many the first.

    *below* each row stands something that takes the width of all columns.
    """
    wide = {"colspan": str(len(columns)), **_sided("left")}
    head = tag("tr", tag("th", name, scope="rowgroup", **wide)) if name else None
    more = len(rows) - ROWS
    rest = tag("tr", tag("td", f"… and {more} more", **wide)) if more > 0 else None
    shown = [[_row(columns, row)] for row in rows[:ROWS]]
    for row, more_of_it in zip(shown, below, strict=False):
        row.append(tag("tr", tag("td", more_of_it, class_="tdb-below", **wide)))
    return tag("tbody", head, shown, rest)


def folded(summary: Child, *children: Child, opened: bool = False) -> Html:
    """Return something that is shown on demand, without a script."""
    return tag("details", tag("summary", summary), *children, open=opened)


def _breaking(text: str) -> Child:
    """Let a long name break where its parts end, and not in the middle of a word."""
    text = masked(text)
    ends = "/_" if len(text) > LONG else "/"
    first, *rest = re.split(rf"(?<=[{ends}])(?=[^{ends}])", text)
    return [first, [(tag("wbr"), part) for part in rest]]


def _row(columns: Sequence[Column], row: Sequence[Child]) -> Html:
    cells = zip(columns, row, strict=True)
    return tag(
        "tr", [tag("td", child, **_cell(column), **_named(column)) for column, child in cells]
    )


def _named(column: Column) -> dict[str, str]:
    """Say what a cell is where columns are stacked: a number, or what needs its column's name."""
    return {"data_label": column.name} if column.number or column.named else {}


def _cell(column: Column) -> dict[str, str]:
    if column.number:
        return {**_sided("right"), "class_": "tdb-number"}
    kind = "tdb-wide" if column.wide else "tdb-told" if column.told else ""
    return {**_sided("left"), **({"class_": kind} if kind else {})}


def _sided(side: str) -> dict[str, str]:
    """Say it twice: GitHub keeps the attribute, a notebook that is not trusted keeps the style."""
    return {"align": side, "style": f"text-align:{side}"}


@cache
def _style() -> str:
    """Return the style sheet, on few lines: it stands in every card."""
    text = resources.files(__package__).joinpath("card.css").read_text(encoding="utf-8")
    bare = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return re.sub(r"\s*([{};:,])\s+", r"\1", " ".join(bare.split())).strip()
