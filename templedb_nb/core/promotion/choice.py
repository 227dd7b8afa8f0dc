"""Which run's release is promoted: one that succeeded and that nobody rolled back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from templedb_nb.core.run.rollback_choice import RUN_DIGITS, choices, follower, rolled_back
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.run_kind import RunKind

SHOWN = 13
"""So many characters of a run's id are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotable:
    """The run whose release may be promoted, or *why_not*.

    `in_place` says that its release is what the target has now.
    """

    run: PastRun | None = None
    why_not: str = ""
    in_place: bool = False


def newest(runs: Sequence[PastRun], target: str) -> Promotable:
    """Return the run whose release is in place on a target, by its runs, newest first."""
    place = choices(runs).in_place
    if place is None:
        return Promotable(why_not=f"{target} has no deployment to promote")
    return fit(place, runs, target)


def named(runs: Sequence[PastRun], word: str, target: str) -> tuple[Promotable, ...]:
    """Return the runs that *word* means: a release by its number, or by how a run's id begins."""
    deployed = [each for each in runs if each.run_kind.deploys]
    found = [each for each in deployed if each.run.startswith(word)]
    if not found or (word.isdigit() and len(word) < RUN_DIGITS):
        own = [each for each in deployed if word.isdigit() and each.release == int(word)]
        good = [each for each in own if each.outcome is Outcome.SUCCEEDED]
        found = (good or own)[:1] or found
    fits = [fit(each, runs, target) for each in found]
    once = {each.run.run if each.run else each.why_not: each for each in fits}
    return tuple(once.values())


def fit(run: PastRun, runs: Sequence[PastRun], target: str) -> Promotable:
    """Return whether the release of a run on a target may be promoted."""
    told = f"run {run.run[:SHOWN]} on {target}"
    if run.outcome is None:
        return Promotable(why_not=f"{told} has not ended")
    if run.outcome is not Outcome.SUCCEEDED:
        return Promotable(why_not=f"{told} did not succeed: {run.outcome}")
    if back := rolled_back(run.run, runs):
        return Promotable(why_not=f"{told} was rolled back by run {back.run[:SHOWN]}")
    if not run.tree:
        why = f"{told} is of an earlier version, which did not record what a run deployed"
        return Promotable(why_not=why)
    place = choices(runs).in_place
    there = place is not None and place.content == run.content
    return Promotable(run=_first_hand(run, runs), in_place=there)


def _first_hand(run: PastRun, runs: Sequence[PastRun]) -> PastRun:
    """Return the run that deployed the release itself, where *run* rolled back to it.

    Its artifacts are those that *run* has placed, or built again: they are what is there.
    """
    if run.run_kind is not RunKind.ROLLBACK:
        return run
    own = (
        each
        for each in runs
        if each.run < run.run
        and each.run_kind.deploys
        and each.run_kind is not RunKind.ROLLBACK
        and each.outcome is Outcome.SUCCEEDED
        and each.content == run.content
    )
    return replace(next(own, run), manifest=run.manifest)


def newer(here: Sequence[PastRun], there: Sequence[PastRun], run: PastRun) -> PastRun | None:
    """Return what is in place on a target, if its release is newer than that of *run*.

    *there* are the runs on the target where *run* deployed it: which of two releases is newer is
    known by their order there, or by their numbers.
    """
    place = choices(here).in_place
    if place is None or not place.tree or place.content == run.content:
        return None
    own = [each.run for each in there if _deployed(each) and each.content == place.content]
    if own:
        return place if max(own) > run.run else None
    later = place.release and run.release and place.release > run.release
    return place if later else None


def unordered(here: Sequence[PastRun], there: Sequence[PastRun], run: PastRun) -> PastRun | None:
    """Return what is in place on a target, if nobody knows whether its release is newer."""
    place = choices(here).in_place
    if place is None or not place.tree or place.content == run.content:
        return None
    known = (place.release and run.release) or place.content in {each.content for each in there}
    return None if known else place


def _deployed(run: PastRun) -> bool:
    """Return whether a run brought a release to a target for the first time."""
    first_hand = run.run_kind.deploys and run.run_kind is not RunKind.ROLLBACK
    return first_hand and run.outcome is Outcome.SUCCEEDED


def away(there: Sequence[PastRun], run: PastRun, now: datetime) -> timedelta:
    """Return how long the release of a run was not in place since that run, by those after it."""
    found, left = timedelta(), None
    for each in sorted(there, key=lambda one: one.run):
        if each.run <= run.run or not each.run_kind.deploys or each.started_at is None:
            continue
        if each.content != run.content:
            left = left or (each.started_at if follower((each,), run.run, run.plan) else None)
        elif left and each.outcome is Outcome.SUCCEEDED and each.finished_at:
            found, left = found + (each.finished_at - left), None
    return found + (now - left if left else timedelta())


def in_place_already(here: Sequence[PastRun], run: PastRun) -> PastRun | None:
    """Return the run on a target that deployed the release of *run*, if that is in place there."""
    place = choices(here).in_place
    same = place is not None and place.content == run.content and place.manifest == run.manifest
    return place if same and place and place.outcome is Outcome.SUCCEEDED else None


def in_place(runs: Sequence[PastRun]) -> PastRun | None:
    """Return the run whose release is in place on a target, or may be, by its runs."""
    return choices(runs).in_place


def stays(runs: Sequence[PastRun]) -> Iterator[list[PastRun]]:
    """Yield, newest first, how long each release stayed on a target: its runs, newest first.

    A run that may be in place counts, however it ended; others count where they succeeded.
    """
    place = choices(runs).in_place
    stay: list[PastRun] = []
    for run in runs:
        good = run.outcome is Outcome.SUCCEEDED and run.tree
        if not run.run_kind.deploys or not (good or (place and run.run == place.run)):
            continue
        if stay and stay[-1].content != run.content:
            yield stay
            stay = []
        stay.append(run)
    if stay:
        yield stay
