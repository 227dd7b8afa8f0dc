"""Waits of a plan's migrations that can be foreseen: who holds what they would lock, right now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from templedb_nb.core.lint.locks.observed_effect import WAITS
from templedb_nb.core.run.foreseen_waits import on_waits
from templedb_nb.errors import TempleError
from templedb_nb.model.effect import Impact, LockMode
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.foreseen_wait import WantedLock
from templedb_nb.model.plan import Draft, Preview
from templedb_nb.model.step import Migration
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.target import Reached

MOST_RELATIONS = 500
"""So many locks of a plan are asked about, the first ones."""
_FRESH = timedelta(seconds=10)


def foreseen_waits(
    draft: Draft, slug: str, sessions: Mapping[DatabaseName, Reached]
) -> Iterator[Finding]:
    """Yield a warning for each session that a migration of the plan would wait for now.

    Each database is asked once, for the locks of all its migrations.
    """
    wanted: dict[DatabaseName, dict[tuple[str, LockMode], WantedLock]] = {}
    awaited: dict[DatabaseName, dict[tuple[str, LockMode], WantedLock]] = {}
    every: dict[DatabaseName, str] = {}
    for step, summary in zip(draft.plan.steps, draft.told, strict=True):
        if summary is not None and isinstance(step, Migration):
            own = wanted.setdefault(step.database, {})
            for each in _wanted(summary.impact, step.file):
                own.setdefault((each.relation, each.lock), each)
            late = awaited.setdefault(step.database, {})
            for each in _awaited(summary.impact, step.file):
                late.setdefault((each.relation, each.lock), each)
            if _waits_for_all(summary.impact):
                every.setdefault(step.database, step.file)
    watch = f"templedb run blockers {slug} {draft.plan.target}"
    for name, own in wanted.items():
        session = sessions.get(name)
        first = [*own.values(), *awaited[name].values()][:MOST_RELATIONS]
        if session is None or session.server is None or not (first or name in every):
            continue
        try:
            found = session.server.foreseen_waits(first, everybody=name in every)
        except TempleError as error:  # a plan does not fail for want of a forecast
            message = f"nobody can say whom its migrations would wait for: {error.message}"
            where = f"target {draft.plan.target} ({name})"
            yield Finding(severity=Severity.NOTE, topic=Topic.LOCK, message=message, where=where)
            continue
        yield from on_waits(found, every.get(name, ""), watch)


def tell_waits(
    preview: Preview,
    sessions: Mapping[DatabaseName, Reached],
    now: datetime,
    tell: Callable[[str], None],
) -> None:
    """Tell what a stored plan would wait for now; one that was just made has said it."""
    if now - preview.made_at > _FRESH:
        for each in foreseen_waits(preview.draft, preview.slug, sessions):
            tell(f"{each.where}: {each.message}")


def _wanted(impact: Impact, file: str) -> Iterator[WantedLock]:
    """Yield the locks; where not all partitions are named, the server looks at all of them."""
    deep = {each.lock for each in impact.locks if each.count > 1}
    for each in impact.locks:
        if each.name and not each.new and each.count == 1 and each.lock is not LockMode.UNKNOWN:
            yield WantedLock(file=file, relation=each.name, lock=each.lock, deep=each.lock in deep)


def _waits_for_all(impact: Impact) -> bool:
    """Return whether a statement waits for every older transaction of the database."""
    return any(each.what in _WAITING for each in impact.effects)


def _awaited(impact: Impact, file: str) -> Iterator[WantedLock]:
    """Yield what concurrent statements wait for beside their own locks: all who use the table."""
    for effect in impact.effects:
        lock = _WAITING.get(effect.what)
        if effect.what == "detach partition" and WAITS in effect.note:
            lock = LockMode.ACCESS_EXCLUSIVE
        for each in effect.touched[:1]:
            if lock and each.name and not each.new:
                deep = effect.what == "reindex concurrently"
                yield WantedLock(file=file, relation=each.name, lock=lock, deep=deep, awaited=True)


_WAITING = {
    "create index concurrently": LockMode.SHARE,
    "drop index concurrently": LockMode.ACCESS_EXCLUSIVE,
    "reindex concurrently": LockMode.ACCESS_EXCLUSIVE,
}
"""What waits for every older transaction, and for those who hold what excludes this lock."""
