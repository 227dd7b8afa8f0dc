"""Whether pending files have waited for too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from templedb_nb.model.ledger import Ledger, State
from templedb_nb.model.plan import Plan
from templedb_nb.model.step import Apply
from templedb_nb.model.target import DatabaseName
from templedb_nb.model.waiting_files import WaitingFiles

FirstReleases = Mapping[str, tuple[int, datetime]]
"""By path: the number of the oldest release that has the file, and when that was made."""


def waiting_files(
    pending: Iterable[str], first: FirstReleases, after_s: int, now: datetime
) -> WaitingFiles | None:
    """Return which of *pending* have been in releases for more than *after_s*, if any have.

    A file that no release has tells nothing. The oldest is named; of several, the first in order.
    """
    limit = timedelta(seconds=after_s)
    known = [path for path in dict.fromkeys(pending) if path in first]
    late = [path for path in known if now - first[path][1] > limit]
    if not late:
        return None
    oldest = min(late, key=lambda path: first[path][1])
    release, made_at = first[oldest]
    return WaitingFiles(files=len(late), days=(now - made_at).days, release=release, first=oldest)


def changed_since(plan: Plan, ledgers: Mapping[DatabaseName, Ledger]) -> tuple[str, ...]:
    """Return the files of *plan* that an earlier run applied with another text."""
    known = {
        (name, entry.key)
        for name, ledger in ledgers.items()
        for entry in ledger.entries
        if entry.state is State.APPLIED
    }
    steps = (each for each in plan.steps if isinstance(each, Apply))
    return tuple(each.file for each in steps if (each.database, each.key) in known)
