"""To which earlier run one can go back: by what runs deployed, and in which order.

"Newest" is not enough: the newest successful run is usually the bad release itself, and after a
rollback it is the release that somebody has just left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from templedb_nb.exit_code import ExitCode
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.run_kind import RunKind

RUN_DIGITS = 8
"""So many characters at least name a run, where a number would name a release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRun:
    """A run that one may go back to, or *why_not*."""

    run: PastRun
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackChoices:
    """What is in place on a target, and what was there before, newest first.

    `default` is where a rollback goes that names nothing.
    """

    in_place: PastRun | None = None
    rows: tuple[EarlierRun, ...] = ()
    default: PastRun | None = None


def merged(*sources: Iterable[PastRun]) -> tuple[PastRun, ...]:
    """Return the runs of all *sources*, newest first: of two the one that knows its release."""
    found: dict[str, PastRun] = {}
    for each in (run for source in sources for run in source):
        known = found.get(each.run)
        if known is None or (each.release and not known.release):
            found[each.run] = each
    return tuple(found[run] for run in sorted(found, reverse=True))


def choices(runs: Sequence[PastRun]) -> RollbackChoices:
    """Return what one may go back to, by the runs on one target, newest first."""
    deployed = [each for each in runs if each.run_kind.deploys]
    place = next((n for n, each in enumerate(deployed) if _touched(each)), None)
    if place is None:
        return RollbackChoices()
    there, rows = deployed[place], []
    content = deployed[_half_way(deployed, place)].content
    seen: set[tuple[str, str]] = set()
    for each in deployed[place + 1 :]:
        if each.outcome is not Outcome.SUCCEEDED or each.content in seen:
            continue
        rows.append(EarlierRun(run=each, why_not=_why_not(each, content)))
        if each.tree:
            seen.add(each.content)
    before = deployed[_position(deployed, place) + 1 :]
    fits = {each.run.run for each in rows if not each.why_not}
    default = next((each for each in before if _newest_of(each, rows) in fits), None)
    return RollbackChoices(in_place=there, rows=tuple(rows), default=default)


def _newest_of(run: PastRun, rows: Sequence[EarlierRun]) -> str:
    """Return the row that stands for what *run* deployed, if it succeeded."""
    if run.outcome is not Outcome.SUCCEEDED:
        return ""
    return next((each.run.run for each in rows if each.run.content == run.content), "")


def _touched(run: PastRun) -> bool:
    """Return whether a run may have changed what is in place."""
    idle = run.outcome is Outcome.FAILED and run.exit_code == ExitCode.UNCHANGED
    refused = run.outcome in {Outcome.FAILED, Outcome.CANCELLED} and not run.begun
    return not (idle or refused)


def _half_way(runs: Sequence[PastRun], place: int) -> int:
    """Return where that was deployed which a rollback that failed has not left for certain."""
    run = runs[place]
    if run.run_kind is not RunKind.ROLLBACK or run.outcome is Outcome.SUCCEEDED:
        return place
    later = range(place + 1, len(runs))
    return next((n for n in later if runs[n].run == run.parent_run), place)


def _why_not(run: PastRun, content: tuple[str, str]) -> str:
    if not run.tree:
        return "it is of an earlier version, which did not record what a run deployed"
    if run.content == content:
        return "it deployed what is in place"
    return ""


def _position(runs: Sequence[PastRun], place: int) -> int:
    """Return where what is in place was deployed first-hand: a rollback has moved back to there."""
    run = runs[place]
    if run.run_kind is not RunKind.ROLLBACK:
        return place
    if run.outcome is not Outcome.SUCCEEDED:
        return _half_way(runs, place)
    later = range(place + 1, len(runs))
    return next((_position(runs, n) for n in later if _first_hand(runs[n], run)), place)


def _first_hand(earlier: PastRun, run: PastRun) -> bool:
    """Return whether *earlier* put in place what the rollback *run* has brought back."""
    deployed = earlier.outcome is Outcome.SUCCEEDED and earlier.run_kind is not RunKind.ROLLBACK
    return deployed and earlier.content == run.content


def rolled_back(run: str, runs: Iterable[PastRun]) -> PastRun | None:
    """Return the rollback that undid *run*, if one has ended well."""
    back = (each for each in runs if each.run_kind is RunKind.ROLLBACK and each.parent_run == run)
    return next((each for each in back if each.outcome is Outcome.SUCCEEDED), None)


def named(found: RollbackChoices, word: str) -> tuple[EarlierRun, ...]:
    """Return the runs that *word* means: a release by its number, or a run by how its id begins."""
    by_run = tuple(each for each in found.rows if each.run.run.startswith(word))
    if by_run and (len(word) >= RUN_DIGITS or not word.isdigit()):
        return by_run
    if word.isdigit():
        own = [each for each in found.rows if each.run.release == int(word)]
        return tuple(sorted(own, key=lambda each: bool(each.why_not))[:1])
    return ()


def follower(
    runs: Sequence[PastRun], since: str, plan: str, *, succeeded: bool = False
) -> PastRun | None:
    """Return the newest run of another plan that may have changed what is in place after *since*.

    Ids of runs sort by the time at which they began. With *succeeded*, only successes count.
    """
    for each in runs:
        if each.run <= since or not each.run_kind.deploys or each.plan == plan:
            continue
        if each.outcome is Outcome.SUCCEEDED or (not succeeded and _touched(each)):
            return each
    return None
