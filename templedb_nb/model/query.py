"""A question in SQL to a target's database, which is only read."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass

TIMEOUT_S = 30.0
LIMIT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One statement that asks; `values` stand for ``$1``, ``$2`` … in it, as texts.

    `start` is where the statement begins in what the person wrote, `text` all of that. Of the
    answer, no more than `limit` rows are read.
    """

    sql: str
    values: tuple[str, ...] = ()
    text: str = ""
    start: int = 0
    timeout_s: float = TIMEOUT_S
    limit: int = LIMIT
