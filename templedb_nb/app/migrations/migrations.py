"""Migrations as people ask for them: where each stands, what happened, what they say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.runs import RunOptions, Runs
from templedb_nb.app.findings.plan_findings import unified
from templedb_nb.app.migrations import net_effects
from templedb_nb.app.migrations.ledger_restore import restores
from templedb_nb.core.compatibility.migrations import compatibility
from templedb_nb.core.compatibility.waiting import with_compatibility
from templedb_nb.core.migrations import down as reverting
from templedb_nb.core.migrations import status as tracking
from templedb_nb.core.migrations.kept_text import without_passwords
from templedb_nb.core.migrations.status import Scripts
from templedb_nb.core.plan.situation import PlanOptions
from templedb_nb.core.secrets.url_passwords import typed
from templedb_nb.core.values.schema import nearest
from templedb_nb.errors import Ambiguous, UnknownName, UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.file import FileEntry
from templedb_nb.model.history import Filter, MigrationHistory, MigrationRow
from templedb_nb.model.ledger import Checksums, Entry
from templedb_nb.model.listings import MigrationShown
from templedb_nb.model.lost import Suspicion
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.model.serialization import Digest
from templedb_nb.model.status import IN_EFFECT, WAITING, FileState, MigrationStatus, Tracked
from templedb_nb.model.step import Amend, Amendment, Restore, Revert, Verb

NOTHING = Digest("")


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertRequest:
    """What to roll back: one file, all after a file, the last few of a group, or some keys."""

    file: str | None = None
    to: str | None = None
    steps: int | None = None
    group: str | None = None
    reason: str = ""
    only: frozenset[str] | None = None


class Migrations:
    """Use cases around single migrations."""

    def __init__(self, plans: Plans, runs: Runs) -> None:
        """Track by *plans*, amend by *runs*."""
        self._plans = plans
        self._runs = runs

    def status(self, opened: OpenTarget) -> MigrationStatus:
        """Return where every migration stands on the target."""
        case = opened.case
        rows = tuple(with_compatibility(*self._looked(opened)))
        return MigrationStatus(slug=case.project.slug, target=case.target.name, rows=rows)

    def _rows(self, opened: OpenTarget) -> tuple[Tracked, ...]:
        return self._looked(opened)[0]

    def _looked(self, opened: OpenTarget) -> tuple[tuple[Tracked, ...], Scripts]:
        """Return where every migration stands, and the scripts that were read to know it."""
        case = opened.case
        now = case.read.observe(case.current.config, case.release.files, opened.ledgers)
        hollow = net_effects.hollow(
            opened.sessions, case.project.known_as, now.migrations, opened.ledgers
        )
        return tracking.track(now.migrations, opened.ledgers, now.scripts, hollow), now.scripts

    def history(self, opened: OpenTarget, wanted: Filter) -> MigrationHistory:
        """Return the ledger's entries, newest first."""
        case = opened.case
        rows = [
            MigrationRow(target=case.target.name, database=name, entry=entry)
            for name, ledger in opened.ledgers.items()
            for entry in ledger.entries
            if _wanted(entry, wanted)
        ]
        rows.sort(key=lambda row: row.entry.run_seq, reverse=True)
        return MigrationHistory(slug=case.project.slug, rows=tuple(rows[: wanted.last]))

    def show(self, opened: OpenTarget, named: str, *, full: bool = False) -> MigrationShown:
        """Return one migration with its text, and how that differs from what ran."""
        row = pick(tuple(with_compatibility(*self._looked(opened))), named)
        case = opened.case
        text, diff, older_code = "", "", row.compatibility
        if row.source:
            script = case.read.scripts([row.source])[row.source]
            older_code = older_code or compatibility(script)
            text = without_passwords(script.text, row.reading)
        if row.state in {FileState.CHANGED, FileState.COSMETIC, FileState.MISSING}:
            ran = without_passwords(self._ran(opened, row), row.reading)
            diff = unified(ran, text, row.file) if row.blob else ""
            text = text or ran
        return MigrationShown(
            slug=case.project.slug,
            target=case.target.name,
            file=row.file,
            state=row.state,
            facts=_facts(row),
            compatibility=older_code,
            text=text,
            diff=diff,
            full=full,
        )

    def _ran(self, opened: OpenTarget, row: Tracked) -> str:
        session = opened.sessions[row.database]
        return session.applied_sql(opened.case.project.known_as, [row.key]).get(row.key, "")

    def mark_applied(self, opened: OpenTarget, named: str, reason: str, wish: RunOptions) -> Result:
        """Say that a migration is in effect, without running it."""
        free = WAITING | {FileState.IN_DOUBT, FileState.OPAQUE}
        row = pick(self._rows(opened), named, prefer=free)
        if row.state not in free or row.blob is None:
            message = f"{row.file} is {row.state} on {opened.case.target.name} already"
            raise UsageProblem(message, hint=row.mend)
        return self.amend(opened, self._step(opened, row, Verb.MARK_APPLIED, reason), wish=wish)

    def baseline(self, opened: OpenTarget, named: str, reason: str, wish: RunOptions) -> Result:
        """Say that a migration and all that come before it in its group are in effect."""
        rows = self._rows(opened)
        last = pick(rows, named)
        here = [row for row in rows if row.group == last.group and row.blob is not None]
        before = here[: here.index(last) + 1] if last in here else []
        free = [row for row in before if row.state in WAITING | {FileState.OPAQUE}]
        if not free:
            message = f"nothing up to {last.file} is pending on {opened.case.target.name}"
            raise UsageProblem(message, hint="templedb migration status")
        steps = [self._step(opened, row, Verb.MARK_APPLIED, reason) for row in free]
        return self.amend(opened, *steps, wish=replace(wish, reason="baseline"))

    def mark_reverted(
        self, opened: OpenTarget, named: str, reason: str, wish: RunOptions
    ) -> Result:
        """Say that a migration was rolled back by hand."""
        stands = IN_EFFECT | {FileState.PARTIAL}
        row = pick(self._rows(opened), named, prefer=stands)
        if row.state not in stands:
            message = f"{row.file} is {row.state} on {opened.case.target.name}, not applied"
            raise UsageProblem(message, hint=row.mend)
        return self.amend(opened, self._step(opened, row, Verb.MARK_REVERTED, reason), wish=wish)

    def down(self, opened: OpenTarget, back: RevertRequest, wish: RunOptions) -> Result:
        """Roll migrations back, newest first, each by its down part and with its ledger row."""
        narrow, options = self._narrow(opened, self.way_back(opened, back))
        preview = self._plans.preview(narrow, options)
        return self._runs.run(narrow, preview, replace(wish, options=options, reason="down"))

    def down_plan(self, opened: OpenTarget, back: RevertRequest) -> Preview:
        """Return what `down` would do."""
        narrow, options = self._narrow(opened, self.way_back(opened, back))
        return self._plans.preview(narrow, options)

    def way_back(self, opened: OpenTarget, back: RevertRequest) -> tuple[Revert, ...]:
        """Return the steps that roll back what *back* names, or raise every reason against it."""
        case, rows = opened.case, self._rows(opened)
        chosen = _chosen(rows, back)
        read = case.read.scripts([r.source for r in rows if r.source and _later(r, chosen)])
        files = {each.path: each for each in case.release.files}
        problems = list(reverting.complaints(chosen, rows, read))
        steps = []
        for row in chosen:
            script = read.get(row.source) if row.source else None
            if script is None or row.entry is None:
                problems.append(f"{row.file} is not in the release: its down part is unknown")
            elif (found := reverting.way_back(row, script, files)) is None:
                problems.append(f"{row.file} has no down part")
            else:
                steps.append(_revert(row, found, back.reason))
        if problems:
            hint = "write '-- templedb:down' and its rollback SQL below it, or NAME.down.sql; or"
            hint = (
                f"{hint} roll it back by hand: templedb migration mark-reverted FILE --reason WHY"
            )
            raise UsageProblem("nothing was rolled back", hint=hint, problems=problems)
        return tuple(steps)

    def resolve(
        self, opened: OpenTarget, named: str, verb: Verb, reason: str, wish: RunOptions
    ) -> Result:
        """Say what became of the step in doubt: it took effect, or it did not."""
        row = pick(self._rows(opened), named, prefer=frozenset({FileState.IN_DOUBT}))
        again = self._again(opened, row, reason)
        if row.state is not FileState.IN_DOUBT and not again:
            message = f"{row.file} is {row.state} on {opened.case.target.name}, not in doubt"
            raise UsageProblem(message, hint=row.mend)
        step = self._step(opened, row, verb, reason)
        return self.amend(opened, *again, step, wish=replace(wish, reason=verb.value))

    def _again(self, opened: OpenTarget, row: Tracked, reason: str) -> Sequence[Restore]:
        """Return what writes the row of an open attempt again, if the ledger lost no other row."""
        found = opened.suspicions.get(row.database, Suspicion(told=""))
        own = [each for each in found.lost if each.entry.key == row.key]
        if row.entry is not None or not all(each.entry.unfinished for each in found.lost):
            return ()
        return restores(self._plans.copies, opened.case, row.database, own, reason)

    def accept_checksum(
        self, opened: OpenTarget, named: str, reason: str, wish: RunOptions
    ) -> Result:
        """Say that an edit of an applied file is known and harmless."""
        edited = frozenset({FileState.CHANGED, FileState.COSMETIC})
        row = pick(self._rows(opened), named, prefer=edited)
        if row.state not in edited or row.entry is None:
            message = f"{row.file} is {row.state}: it has no changed checksum to accept"
            raise UsageProblem(message)
        if row.hollow:
            message = f"{row.file} differs from what ran on {opened.case.target.name}"
            hint = f"nothing was recorded; {row.mend}"
            raise UsageProblem(f"{message}: {row.note}", hint=hint)
        step = self._step(opened, row, Verb.ACCEPT_CHECKSUM, reason)
        return self.amend(opened, replace(step, old_checksum=row.entry.checksums.text), wish=wish)

    def rename(
        self, opened: OpenTarget, old: str, new: str, reason: str, wish: RunOptions
    ) -> Result:
        """Say that an applied migration's file has another path now."""
        rows = self._rows(opened)
        moved = [row for row in rows if row.state is FileState.MOVED]
        row = next((each for each in moved if _fits(each, new) and old in each.was), None)
        if row is None:
            row = self._retold(rows, old, new)
        step = replace(self._step(opened, row, Verb.RENAME, reason), old_key=row.was)
        return self.amend(opened, step, wish=wish)

    def _retold(self, rows: Sequence[Tracked], old: str, new: str) -> Tracked:
        gone = pick([r for r in rows if r.blob is None], old)
        here = pick([r for r in rows if r.state in WAITING and r.blob is not None], new)
        if gone.database != here.database:
            raise UsageProblem(f"{old} and {new} belong to different databases")
        return replace(here, was=gone.key, entry=gone.entry)

    def _step(self, opened: OpenTarget, row: Tracked, verb: Verb, reason: str) -> Amend:
        source = row.source
        read = opened.case.read.scripts([source]) if source else {}
        sums = read[source].checksums if source else _no_sums()
        return Amend(
            group=row.group,
            database=row.database,
            verb=verb,
            key=row.key,
            file=row.file,
            checksums=sums,
            reason=reason,
        )

    def amend(self, opened: OpenTarget, *steps: Amendment | Restore, wish: RunOptions) -> Result:
        """Change the ledger of one database by a plan of those steps."""
        reason = wish.reason
        if len(steps) == 1 and not isinstance(steps[0], Restore):
            reason = steps[0].verb.value
        narrow, options = self._narrow(opened, steps)
        preview: Preview = self._plans.preview(narrow, options)
        return self._runs.run(narrow, preview, replace(wish, options=options, reason=reason))

    def _narrow(
        self, opened: OpenTarget, steps: Sequence[Amendment | Restore | Revert]
    ) -> tuple[OpenTarget, PlanOptions]:
        """Leave the database that *steps* are about, and nothing else to do there."""
        database = steps[0].database
        narrow = replace(
            opened,
            sessions={database: opened.sessions[database]},
            ledgers={database: opened.ledgers[database]},
            databases=(database,),
        )
        return narrow, PlanOptions(amend=tuple(steps))


def pick(
    rows: Sequence[Tracked], named: str, prefer: frozenset[FileState] = frozenset()
) -> Tracked:
    """Return the one migration that *named* means: its path, its file name, or a part of it.

    Where a part fits several, those in a preferred state are the ones that were meant.
    """
    for fits in (_is_path, _is_name, _is_stem, _fits):
        found = [row for row in rows if fits(row, named)]
        if len(found) > 1 and prefer:
            found = [row for row in found if row.state in prefer] or found
        if len(found) == 1:
            return found[0]
        if found:
            message = f"{named!r} fits {len(found)} migrations"
            files = [row.file for row in found]
            raise Ambiguous(message, hint="name one by its path", problems=files)
    hint = "templedb migration list"
    names = [each for row in rows for each in (row.file, row.file.rsplit("/", 1)[-1])]
    raise UnknownName(f"there is no migration {typed(named)!r}{nearest(named, names)}", hint=hint)


def _chosen(rows: Sequence[Tracked], back: RevertRequest) -> list[Tracked]:
    """Return the migrations to roll back, newest first."""
    if back.only is not None:
        return [row for row in reverting.newest_first(rows) if row.key in back.only]
    if back.file:
        return [pick(rows, back.file, prefer=IN_EFFECT)]
    if back.to:
        last = pick(rows, back.to, prefer=IN_EFFECT)
        if last.state not in IN_EFFECT:
            raise UsageProblem(f"{last.file} is {last.state}: you cannot roll back to it")
        chosen = reverting.later(last, rows)
        nothing = f"no migration was applied after {last.file}"
    else:
        found = reverting.newest_first(rows)
        groups = sorted({row.group for row in found})
        if back.group is None and len(groups) > 1:
            hint = "name one with --group"
            raise UsageProblem("several groups have migrations", hint=hint, problems=groups)
        chosen = [row for row in found if back.group in {None, row.group}][: back.steps]
        nothing = "no migration is in effect"
    if not chosen:
        raise UsageProblem(nothing, hint="templedb migration status --show-applied")
    return chosen


def _later(row: Tracked, chosen: Sequence[Tracked]) -> bool:
    """Return whether *row* is to be rolled back, or may need what is."""
    first = min(each.entry.run_seq for each in chosen if each.entry) if chosen else 0
    return row in chosen or (row.entry is not None and row.entry.run_seq > first)


def _revert(row: Tracked, found: FileEntry, reason: str) -> Revert:
    assert row.entry is not None  # noqa: S101 - it is in effect
    return Revert(
        group=row.group,
        database=row.database,
        key=row.key,
        file=found.path,
        blob=found.blob,
        checksums=row.entry.checksums,
        reading=row.reading,
        reason=reason,
    )


def _wanted(entry: Entry, wanted: Filter) -> bool:
    at = entry.finished_at or entry.started_at
    recent = wanted.since is None or (at is not None and at >= wanted.since)
    return recent and (not wanted.status or entry.state.value in wanted.status)


def _is_path(row: Tracked, named: str) -> bool:
    return named in {row.file, row.key}


def _is_name(row: Tracked, named: str) -> bool:
    part = row.reading.part if row.reading else ""
    own = {part, part.partition("::")[0]} if part else set()
    return named in {row.file.rsplit("/", 1)[-1], *own}


def _is_stem(row: Tracked, named: str) -> bool:
    return row.file.rsplit("/", 1)[-1].removesuffix(".sql") == named


def _fits(row: Tracked, named: str) -> bool:
    return named in row.file


def _facts(row: Tracked) -> tuple[tuple[str, str], ...]:
    facts = [("group", row.group), ("database", row.database), ("state", row.state.value)]
    facts += [("note", row.note), ("mend", row.mend)]
    if entry := row.entry:
        when = f"{entry.finished_at:%Y-%m-%d %H:%M:%S %Z}" if entry.finished_at else ""
        facts += [("how", entry.kind.value), ("when", when), ("by", entry.client)]
        facts += [("role", entry.applied_by), ("plan", entry.plan[:12]), ("error", entry.error)]
    return tuple((name, value) for name, value in facts if value)


def _no_sums() -> Checksums:
    return Checksums(text=NOTHING, tokens=NOTHING)
