"""Whether pending files have waited for too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

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
