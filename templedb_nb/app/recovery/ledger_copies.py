"""The state's copies of ledgers: brought up to date, and given up only where something says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from templedb_nb.core.catalog import database_identity
from templedb_nb.core.catalog.created_objects import presences
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.run.proven_entries import Entries, doubtful, in_part, written
from templedb_nb.core.sql.tokens import Statement
from templedb_nb.errors import StoreError, TempleError
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.layout import Address
from templedb_nb.model.ledger import Entry, Ledger, LedgerHead, State
from templedb_nb.model.lost import Lost, Suspicion
from templedb_nb.model.plan import Plan, Preview
from templedb_nb.model.result import Result
from templedb_nb.model.step import Apply, Migration, Restore, Verb
from templedb_nb.model.step_result import StepState
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.target import HistoryReader, Session

if TYPE_CHECKING:
    from templedb_nb.app.deploy.case import DeployContext, OpenTarget
    from templedb_nb.app.environment import Environment

_EVER = datetime(9999, 1, 1, tzinfo=UTC)
_SKEW = timedelta(days=1)
Ledgers = Mapping[DatabaseName, Ledger]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """What this state knows of a target: the heads of its ledgers, doubts, what runs left."""

    heads: Mapping[DatabaseName, LedgerHead]
    doubts: Entries
    here: Ledger


class LedgerCopies:
    """What this state knows of ledgers, held against what they say."""

    def __init__(self, memory: RecordStore, system: Environment) -> None:
        """Keep copies in *memory*."""
        self._memory = memory
        self._system = system

    def recalled(self, case: DeployContext) -> Recalled:
        """Return what the state knows, read at once, before the target is asked about any of it."""
        slug, target = case.project.slug, case.target.name
        with self._memory.transaction():
            return Recalled(
                heads=self._memory.ledger_heads(slug, target),
                doubts=self._doubts(case),
                here=self._memory.ledger(slug, target),
            )

    def suspicions(
        self,
        case: DeployContext,
        sessions: Mapping[DatabaseName, Session],
        ledgers: Ledgers,
        known: Recalled,
    ) -> dict[DatabaseName, Suspicion]:
        """Return, for each database that is not what it was, what tells so, and what shows it."""
        slug, target = case.project.slug, case.target.name
        heads, doubts = known.heads, known.doubts
        found = {}
        for name, ledger in ledgers.items():
            head, session = heads.get(name), sessions.get(name)
            lost: Sequence[Lost] = ()
            copy: tuple[Entry, ...] = ()
            other = head and (head.head != ledger.head or ledger.newest < head.run_seq)
            if head and other and not ledger.cloned:
                copy = self._memory.ledger_copy(slug, target, name)
                since = head.read_at or _EVER
                lost = _lost(copy, ledger, case.project.known_as, since, session)
            keys = {each.entry.key for each in lost}
            unseen = database_identity.unknown(doubts.get(name, ()), ledger)
            lost = [*lost, *(each for each in unseen if each.entry.key not in keys)]
            told = database_identity.suspicion(head, ledger, lost)
            if told:
                found[name] = self._seen(told, copy, case, session)
        return found

    def _doubts(self, case: DeployContext) -> Entries:
        """Return what runs may have written that nobody saw end, as this state's history has it."""
        found: Entries = {}
        for run in self._memory.unseen(case.project.slug, case.target.name):
            result = Result.of(self._memory.events(run))
            preview = self._plan_of(result)
            entries = doubtful(preview.plan, result) if preview else {}
            for name, own in entries.items():
                here = [each for each in own if case.release.entry(each.file) is not None]
                found.setdefault(name, []).extend(here)
        return found

    def _seen(
        self,
        told: Suspicion,
        copy: Sequence[Entry],
        case: DeployContext,
        session: Session | None,
    ) -> Suspicion:
        """Look in the catalog for what the lost migrations made."""
        if not told.lost or session is None:
            return told
        # Those that are half done, too: they may have taken away what an earlier one made.
        wanted = [each for each in copy if each.state is State.APPLIED or each.unfinished]
        texts = self.texts(case, wanted)
        made: list[tuple[str, Sequence[Statement]]] = [
            (each.key, texts[each.key][1].statements) for each in wanted if each.key in texts
        ]
        try:
            catalog = session.catalog()
            attempts = session.applied_attempts(case.project.known_as)
        except TempleError:
            return told
        return told.seen(presences(made, catalog)).noted(attempts)

    def texts(
        self, case: DeployContext, entries: Iterable[Entry]
    ) -> dict[str, tuple[Migration | None, Script, Address]]:
        """Return, by key, the text of which each entry has the checksum, where it is still known.

        It is looked for in the plan that ran it, then in the release.
        """
        plans: dict[str, dict[str, Migration]] = {}
        found = {}
        for entry in entries:
            step = self._planned(entry, plans)
            release = case.release.entry(entry.file)
            sources: list[Address] = [step.source] if isinstance(step, Apply) else []
            sources += [release.blob] if release else []
            for source in sources:
                script = case.read.scripts([source]).get(source)
                if script is not None and script.checksums == entry.checksums:
                    found[entry.key] = (step, script, source)
                    break
        return found

    def _planned(self, entry: Entry, plans: dict[str, dict[str, Migration]]) -> Migration | None:
        if entry.plan and entry.plan not in plans:
            try:
                steps = self._memory.plan(entry.plan).plan.steps
            except TempleError:
                steps = ()
            plans[entry.plan] = {s.key: s for s in steps if isinstance(s, Migration)}
        return plans.get(entry.plan, {}).get(entry.key)

    def began(self, case: DeployContext) -> bool:
        """Return whether this state has read the target's ledger, or a run of it died there."""
        slug, target = case.project.slug, case.target.name
        return bool(self._memory.ledger_heads(slug, target) or self._memory.unseen(slug, target))

    def saw(self, run: str) -> bool:
        """Return whether this state has the history of a run."""
        try:
            self._memory.run(run)
        except TempleError:
            return False
        return True

    def uuid(self, case: DeployContext, database: DatabaseName) -> str:
        """Return the identity that a ledger had."""
        heads = self._memory.ledger_heads(case.project.slug, case.target.name)
        return heads[database].uuid if database in heads else ""

    def remember(
        self,
        case: DeployContext,
        ledgers: Ledgers,
        heads: Mapping[DatabaseName, LedgerHead],
        suspicious: Iterable[DatabaseName] = (),
    ) -> None:
        """Bring the copies of ledgers up to what they say now; a copy that is, stays."""
        slug, target, now = case.project.slug, case.target.name, self._system.clock.now()
        for name, ledger in ledgers.items():
            if name in set(suspicious) or not ledger.exists:
                continue
            head = heads.get(name)
            if head is None or (head.uuid, head.head) != (ledger.uuid, ledger.head):
                self._memory.copy_ledger(slug, target, name, ledger, now)

    def follow(self, opened: OpenTarget, plan: Plan, result: Result) -> bool:
        """Bring the copies up to date after a run; return whether the state has them now."""
        if not plan.steps:
            return True
        found: dict[DatabaseName, Ledger] = {}
        for name, session in opened.sessions.items():
            with suppress(TempleError):
                found[name] = session.ledger(opened.case.project.known_as)
        try:
            self._after_run(opened, plan, result, found)
        except StoreError:
            return False
        return True

    def _after_run(self, opened: OpenTarget, plan: Plan, result: Result, now: Ledgers) -> None:
        """Keep what the ledgers say after a run; where one lost something, what it had said.

        What the plan itself was to change is taken as it is now. A ledger that lost something does
        not tell either what became of a step that nobody saw end: that is in doubt.
        """
        own, doubts, amended = written(plan, result), doubtful(plan, result), _amended(plan)
        parts = in_part(plan, result)
        case, at = opened.case, self._system.clock.now()
        slug, target = case.project.slug, case.target.name
        for name, before in opened.ledgers.items():
            if name not in opened.sessions:
                continue
            ledger = now.get(name, Ledger())
            mine = (*own.get(name, ()), *parts.get(name, ()))
            expected = database_identity.with_own(before.entries, mine)
            lost = [
                e for e in database_identity.lost(expected, ledger) if e.entry.key not in amended
            ]
            if name in opened.suspicions:
                whole_again = _restored(plan, result) and not self._still_lost(
                    opened, plan, name, ledger
                )
                kept = ledger if whole_again else None
            elif lost:
                uuid = before.uuid or ledger.uuid
                unseen = [e for e in doubts.get(name, ()) if name in now and not _has(ledger, e)]
                whole = database_identity.with_own(expected, unseen)
                kept = Ledger(exists=True, uuid=uuid, entries=whole)
            else:
                kept = ledger if ledger.exists else None
            if kept is not None and self._memory.ledger_moved(slug, target, name, kept):
                self._memory.copy_ledger(slug, target, name, kept, at)

    def _still_lost(
        self, opened: OpenTarget, plan: Plan, name: DatabaseName, ledger: Ledger
    ) -> bool:
        """Return whether rows are lost beside those that *plan* wrote again."""
        case, now = opened.case, self._system.clock.now()
        again = {step.entry.key for step in plan.steps if isinstance(step, Restore)}
        copy = self._memory.ledger_copy(case.project.slug, case.target.name, name)
        others = [each for each in copy if each.key not in again]
        return bool(_lost(others, ledger, case.project.known_as, now, opened.sessions[name]))

    def damaged(self, opened: OpenTarget, result: Result) -> bool:
        """Return whether the ledgers that are open lost rows that this state or the run proves."""
        if opened.suspicions:
            return True
        plan = self._plan_of(result)
        own = written(plan.plan, result) if plan else {}
        known_as, since = opened.case.project.known_as, result.started_at or _EVER
        return any(
            _lost(own.get(name, ()), opened.ledgers[name], known_as, since, session)
            for name, session in opened.sessions.items()
        )

    def _plan_of(self, result: Result) -> Preview | None:
        try:
            return self._memory.plan(result.plan)
        except TempleError:
            return None

    def after_death(self, result: Result, *, unproven: bool = False) -> None:
        """Add to the copies what the journal of a dead run proves to be applied.

        With *unproven*, the ledger has lost what it said of the step that was open: the copies say
        that it is in doubt, so that no run takes it for one that waits.
        """
        preview = self._plan_of(result)
        if preview is None:
            return
        slug, target = preview.slug, preview.plan.target
        heads = self._memory.ledger_heads(slug, target)
        proven, parts = written(preview.plan, result), in_part(preview.plan, result)
        doubts = doubtful(preview.plan, result) if unproven else {}
        for name in {**proven, **parts, **doubts}:
            copy = self._memory.ledger_copy(slug, target, name)
            known = {each.attempt for each in copy if each.state is not State.RUNNING}
            new = [each for each in proven.get(name, ()) if each.attempt not in known]
            begun = {each.attempt for each in copy}
            new += [each for each in parts.get(name, ()) if each.attempt not in begun]
            new += doubts.get(name, ())
            if new:
                uuid = heads[name].uuid if name in heads else ""
                whole = Ledger(
                    exists=True, uuid=uuid, entries=database_identity.with_own(copy, new)
                )
                at = self._system.clock.now()
                self._memory.copy_ledger(slug, target, name, whole, at)


def _lost(
    before: Sequence[Entry],
    ledger: Ledger,
    known_as: str,
    since: datetime,
    session: HistoryReader | None,
) -> list[Lost]:
    """Return what is lost of *before*; what somebody said since then is not a loss."""
    lost = database_identity.lost(before, ledger)
    if not lost or session is None:
        return lost
    events = session.events(known_as, (since - _SKEW, _EVER))
    accepted = {each.key for each in events if each.what == Verb.ACCEPT_CHECKSUM}
    return database_identity.lost(before, ledger, accepted)


def _has(ledger: Ledger, entry: Entry) -> bool:
    there = ledger.entry(entry.key)
    return there is not None and there.attempt == entry.attempt


def _restored(plan: Plan, result: Result) -> bool:
    """Return whether a plan wrote again all that it was to."""
    done = result.count(StepState.DONE) == len(plan.steps)
    return done and any(isinstance(step, Restore) for step in plan.steps)


def _amended(plan: Plan) -> frozenset[str]:
    """Return the keys of what a plan says of the ledger itself."""
    steps = [step for step in plan.steps if not isinstance(step, Apply)]
    keys = {getattr(step, name, "") for step in steps for name in ("key", "old_key")}
    return frozenset(keys)
