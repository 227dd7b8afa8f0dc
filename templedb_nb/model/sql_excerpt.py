"""The line of a file at which a server refused it, as people look at it."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlExcerpt:
    """One line of a file, and the place in it.

    `line` and `column` count from 1, in the file. `text` is what is shown of the line: redacted, of
    a long one the part around the place. `caret` is how many characters of `text` stand before the
    place; None if the place is in what is redacted.
    """

    line: int
    column: int
    text: str
    caret: int | None
