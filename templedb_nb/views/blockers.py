"""Who waits for whom, as a small tree: those in the run's way, and below each whom it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from templedb_nb.model.event import Blocker
from templedb_nb.views.format import duration, shown


def tree(found: Sequence[Blocker]) -> list[tuple[str, Blocker]]:
    """Return a line's beginning and its session, from those that the run itself waits for down."""
    return list(_below([each for each in found if each.direct], found, "", frozenset()))


def lines(found: Sequence[Blocker], now: datetime | None) -> list[str]:
    """Return the tree as text; *now* tells how long each has its transaction open."""
    return [f"{branch}{told(each, now)}" for branch, each in tree(found)]


def told(each: Blocker, now: datetime | None) -> str:
    """Return one session on one line: number, program, role, state, age, statement."""
    age = f"for {duration(round((now - each.since).total_seconds() * 1000))}" if (
        now and each.since
    ) else ""  # fmt: skip
    parts = [f"pid {each.pid}", each.application, f"role {each.role}" if each.role else ""]
    parts += [f"{each.state} {age}".strip(), each.query]
    return " · ".join(shown(part) for part in parts if part)


def _below(
    some: Sequence[Blocker], every: Sequence[Blocker], indent: str, above: frozenset[int]
) -> Iterator[tuple[str, Blocker]]:
    for each in some:
        last = each is some[-1]
        yield f"{indent}{'└─ ' if last else '├─ '}", each
        seen = above | {each.pid}
        following = [b for b in every if b.pid in each.waits_for and b.pid not in seen]
        yield from _below(following, every, f"{indent}{'   ' if last else '│  '}", seen)
