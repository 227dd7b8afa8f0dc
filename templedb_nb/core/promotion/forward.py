"""A promotion as a plan: which migrations it runs, and why it is refused."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from templedb_nb.core.config.document import problem
from templedb_nb.core.migrations.status import Scripts
from templedb_nb.model.config import DeployConfig, GroupKind
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.ledger import Entry, State
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.promotion import PromotionGoal, PromotionSummary
from templedb_nb.model.status import WAITING, FileState, Tracked
from templedb_nb.model.target import DatabaseName


@dataclass(frozen=True, slots=True, kw_only=True)
class WayForward:
    """Which run's release a plan promotes, and what is in effect where it comes from.

    `applied` are the entries of each ledger there by key and by file, `findings` what was found
    before the target was looked at. `there` are the runs on the target that it comes from, newest
    first.
    """

    goal: PromotionGoal
    summary: PromotionSummary
    applied: Mapping[DatabaseName, Mapping[str, Entry]]
    findings: tuple[Finding, ...] = ()
    there: tuple[PastRun, ...] = ()

    @property
    def source(self) -> str:
        """Return the target that the release comes from."""
        return self.goal.source

    def entry(self, row: Tracked) -> Entry | None:
        """Return what *source* has in effect of a migration."""
        own = self.applied.get(row.database, {})
        found = (own.get(key) for key in (row.key, row.file, row.was) if key)
        return next((each for each in found if each), None)


def in_effect(entries: Iterable[Entry]) -> Mapping[str, Entry]:
    """Return the entries that are in effect, by key and by file."""
    there = [each for each in entries if each.state is State.APPLIED]
    return {**{each.file: each for each in there}, **{each.key: each for each in there}}


def not_there(way: WayForward, row: Tracked) -> str:
    """Return why a migration that waits is not promoted; nothing if it is."""
    if row.state in WAITING and way.entry(row) is None:
        return f"it is not applied on {way.source}"
    return ""


def in_order(way: WayForward, rows: Sequence[Tracked]) -> list[Tracked]:
    """Return the rows in the order in which *source* applied them; the others keep their places."""

    def place(row: Tracked) -> int:
        entry = way.entry(row)
        return entry.run_seq if entry and row.state in WAITING else 0

    waiting = iter(sorted((row for row in rows if place(row)), key=place))
    return [next(waiting) if place(row) else row for row in rows]


def on_promotion(
    way: WayForward, rows: Sequence[Tracked], scripts: Scripts, target: str
) -> Iterator[Finding]:
    """Return why a release may not go on, by what both targets have, and what was found before."""
    yield from way.findings
    firsts = _firsts(rows)
    for row in rows:
        there = way.entry(row)
        if row.entry is not None and row.entry.state is State.APPLIED:
            if there is None:
                yield from _only_here(way, row, target, firsts)
            elif row.state is not FileState.MISSING:
                yield from _same(way, row, there, scripts, target)
        elif there is not None and row.state in WAITING:
            yield from _as_there(way, row, there, scripts)
    yield from _unused(way, rows)


@dataclass(frozen=True, slots=True)
class _First:
    """Where a release begins in one database: its first file, and what of it was applied first."""

    file: tuple[str | int, ...]
    run_seq: int | None

    def follows(self, row: Tracked) -> bool:
        """Return whether a migration is older: by its name, and by when it was applied."""
        seq = row.entry.run_seq if row.entry else 0
        return _by_number(row.file) < self.file and (self.run_seq is None or seq <= self.run_seq)


_NUMBER = re.compile(r"([0-9]+)")


def _by_number(file: str) -> tuple[str | int, ...]:
    """Return a file's name as it sorts with its numbers as numbers: V9 is before V10."""
    pieces = _NUMBER.split(file)
    return tuple(int(each) if at % 2 else each for at, each in enumerate(pieces))


def _firsts(rows: Sequence[Tracked]) -> Mapping[DatabaseName, _First]:
    """Return where the release begins, for each database."""
    own: dict[DatabaseName, list[Tracked]] = {}
    for row in rows:
        if row.state is not FileState.MISSING:
            own.setdefault(row.database, []).append(row)
    return {name: _first(each) for name, each in own.items()}


def _first(rows: Sequence[Tracked]) -> _First:
    there = [row.entry.run_seq for row in rows if row.entry and row.entry.state is State.APPLIED]
    return _First(min(_by_number(row.file) for row in rows), min(there, default=None))


def _only_here(
    way: WayForward, row: Tracked, target: str, firsts: Mapping[DatabaseName, _First]
) -> Iterator[Finding]:
    if _accepted(way, row):
        return
    message = f"is applied on {target}, and not on {way.source}"
    first = firsts.get(row.database)
    if row.state is FileState.MISSING and first and first.follows(row):
        message += ": it is older than every file of the release"
        yield Finding(
            severity=Severity.NOTE, topic=Topic.PROMOTION, message=message, where=row.file
        )
        return
    mend = f"deploy it to {way.source} first, or: --accept-only-in-to {row.key} --reason WHY"
    yield problem(row.file, message, mend, topic=Topic.PROMOTION)


def _accepted(way: WayForward, row: Tracked) -> bool:
    return any(
        fnmatch.fnmatchcase(name, pattern)
        for pattern in way.goal.only_in_to
        for name in (row.key, row.file)
    )


def _same(
    way: WayForward, row: Tracked, there: Entry, scripts: Scripts, target: str
) -> Iterator[Finding]:
    """Compare what both have applied, also what was only marked, imported or a baseline."""
    here = row.entry
    assert here is not None  # noqa: S101 - the caller has looked
    if here.checksums.text == there.checksums.text or _repeatable(row, scripts):
        return
    if not (here.checksums.tokens and there.checksums.tokens):
        which = target if not here.checksums.tokens else way.source
        message = f"the text that {which} has applied was not recorded: it cannot be compared"
        yield Finding(
            severity=Severity.WARNING, topic=Topic.PROMOTION, message=message, where=row.file
        )
    elif here.checksums.tokens != there.checksums.tokens:
        message = f"{target} and {way.source} have applied different texts of it"
        mend = (
            f"compare them: templedb migration status --target {way.source}, --target {target};"
            " undo the edit and write a new migration"
        )
        yield problem(row.file, message, mend, topic=Topic.PROMOTION)


def _as_there(way: WayForward, row: Tracked, there: Entry, scripts: Scripts) -> Iterator[Finding]:
    """Refuse a file that would run here with another text than it had there."""
    script = scripts.get(row.source) if row.source else None
    if script is None or script.asked.repeatable or not there.checksums.tokens:
        return
    if script.checksums.tokens != there.checksums.tokens:
        message = f"its text is not the one that {way.source} has applied"
        mend = "undo the edit and write a new migration"
        yield problem(row.file, message, mend, topic=Topic.PROMOTION)


def _repeatable(row: Tracked, scripts: Scripts) -> bool:
    script = scripts.get(row.source) if row.source else None
    return script is not None and script.asked.repeatable


def _unused(way: WayForward, rows: Sequence[Tracked]) -> Iterator[Finding]:
    """Refuse to accept what nobody has: the word would stand in the plan for something else."""
    for pattern in way.goal.only_in_to:
        own = [
            row
            for row in rows
            if fnmatch.fnmatchcase(row.key, pattern) or fnmatch.fnmatchcase(row.file, pattern)
        ]
        if not any(each.entry is not None and way.entry(each) is None for each in own):
            message = f"no migration that only this target has applied matches {pattern}"
            yield problem("--accept-only-in-to", message, topic=Topic.PROMOTION)


def never_there(config: DeployConfig, left: Collection[str], source: str) -> Iterator[Finding]:
    """Refuse the groups of commands that every run of the release on *source* has left out."""
    for group in config.groups:
        if group.name in left and group.kind is GroupKind.COMMANDS:
            message = f"this group was left out on {source}: it has not been tried there"
            mend = f"deploy it to {source} first, or leave it out here: --skip-group {group.name}"
            yield problem(group.name, message, mend, topic=Topic.PROMOTION)


def built_anew(
    config: DeployConfig, kept: Collection[str], source: str, target: str
) -> Iterator[Finding]:
    """Tell which groups build again, so that two targets may get different things."""
    for group in config.groups:
        if group.build_command and group.name not in kept:
            message = f"builds again: what {source} got and what {target} gets may differ"
            yield Finding(
                severity=Severity.WARNING,
                topic=Topic.PROMOTION,
                message=message,
                where=group.name,
                mend="name what it builds: artifacts",
            )
