"""Waits of a plan's migrations that can be foreseen: who holds what they would lock, right now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from templedb_nb.core.run.foreseen_waits import on_waits
from templedb_nb.errors import TempleError
from templedb_nb.model.effect import Impact, LockMode, TableLock
from templedb_nb.model.finding import Finding
from templedb_nb.model.foreseen_wait import WantedLock
from templedb_nb.model.plan import Draft, Preview
from templedb_nb.model.step import Migration
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.target import Reached

MOST_RELATIONS = 200
_FRESH = timedelta(seconds=10)


def foreseen_waits(
    draft: Draft, slug: str, sessions: Mapping[DatabaseName, Reached]
) -> Iterator[Finding]:
    """Yield a warning for each session that a migration of the plan would wait for now."""
    told: set[tuple[str, int]] = set()
    watch = f"templedb run blockers {slug} {draft.plan.target}"
    for step, summary in zip(draft.plan.steps, draft.told, strict=True):
        if summary is None or not isinstance(step, Migration):
            continue
        session = sessions.get(step.database)
        if session is None or session.server is None or not summary.impact.effects:
            continue
        locks = list(_first_ones(summary.impact.locks))
        every = _waits_for_all(summary.impact)
        try:
            wanted = list(_wanted(summary.impact, locks))
            found = session.server.foreseen_waits(wanted, everybody=every)
        except TempleError:
            continue  # a plan does not fail for want of a forecast
        new = [each for each in found if (each.relation, each.blocker.pid) not in told]
        told |= {(each.relation, each.blocker.pid) for each in new}
        yield from on_waits(step.file, new, {each.name: each for each in locks}, watch)


def tell_new_waits(
    preview: Preview,
    sessions: Mapping[DatabaseName, Reached],
    now: datetime,
    tell: Callable[[str], None],
) -> None:
    """Tell what a stored plan would wait for now and did not say when it was made."""
    if now - preview.made_at > _FRESH:
        for each in foreseen_waits(preview.draft, preview.slug, sessions):
            if each not in preview.findings:
                tell(f"{each.where}: {each.message}")


def _wanted(impact: Impact, locks: Iterable[TableLock]) -> Iterator[WantedLock]:
    """Yield the locks; where not all partitions are named, the server looks at all of them."""
    deep = {each.lock for each in impact.locks if each.count > 1}
    for each in locks:
        yield WantedLock(relation=each.name, lock=each.lock, deep=each.lock in deep)


def _first_ones(locks: Iterable[TableLock]) -> Iterator[TableLock]:
    known = [each for each in locks if each.name and not each.new and each.count == 1]
    yield from (each for each in known[:MOST_RELATIONS] if each.lock is not LockMode.UNKNOWN)


def _waits_for_all(impact: Impact) -> bool:
    """Return whether a statement waits for every older transaction of the database."""
    return any("concurrently" in each.what for each in impact.effects)
