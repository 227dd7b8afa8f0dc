"""What runs came to whose processes died: their journals, and what their targets say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.environment import Environment
from templedb_nb.app.slots.observer import SlotObserver
from templedb_nb.core.run import recovery
from templedb_nb.engine import reconcile
from templedb_nb.errors import TempleError, UnknownName
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome, RunFinished, RunId, RunStarted, Stamped
from templedb_nb.model.result import Result
from templedb_nb.model.serialization import Digest
from templedb_nb.model.trace import Lookup, Trace
from templedb_nb.ports.records import RecordStore
from templedb_nb.store.journal import NewerJournal, OrphanJournal, orphans


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """Folds the journals of dead runs in `journals`, with the ends that they could not write."""

    planning: Plans
    memory: RecordStore
    slots: SlotObserver
    system: Environment
    journals: Path

    def reconcile(self, *, anew: bool = False) -> tuple[str, ...]:
        """Fold the journals of runs whose processes died, asking their targets; return those runs.

        A run whose statement the server still works on is left for later. A target that did not
        answer a moment ago is asked again only with *anew*, by who needs it in any case.
        """
        return tuple(self._adopt(orphan, anew=anew) for orphan in orphans(self.journals))

    def _adopt(self, orphan: OrphanJournal, *, anew: bool) -> str:
        """Fold a journal, and keep one that is damaged; one that tells of no run stays as it is."""
        folded = damaged = False
        try:
            found = orphan.lines()
            damaged = bool(found.damaged)
            settled = found.tells and self._settle(orphan, found.entries, anew=anew)
            folded = settled or orphan.empty
        except NewerJournal:
            pass  # whoever wrote it folds it
        finally:
            if folded and damaged:
                orphan.set_aside()
            else:
                orphan.close(remove=folded)
        return orphan.run

    def _settle(self, orphan: OrphanJournal, entries: Sequence[Stamped], *, anew: bool) -> bool:
        """Fold what a run came to whose process died; say whether its journal has served.

        It has not while the server still works, or while its target does not answer: what nobody
        knows until then is asked again later.
        """
        if isinstance(entries[-1].event, RunFinished):
            result = Result.of(entries)
            self.memory.fold(entries, result)
            self.planning.copies.after_death(result)
            self._use_approvals(entries, result)
            return True
        result, now = Result.of(entries), self.system.clock.now()
        lookup = recovery.lookup(result)
        if lookup is not None and not anew and orphan.asked_lately(now):
            return False
        traced = self._traced(result, lookup) if lookup else _Traced()
        if traced.live:
            return False
        ended = reconcile.ended(entries, traced.trace, orphan.alive(), now)
        self.memory.settle(ended, Result.of(ended), entries[-1].seq)
        # The copies come last: a process that dies between these two leaves the journal, and the
        # next command does both again.
        unproven = traced.trace is not None and traced.trace.proves_nothing
        self.planning.copies.after_death(Result.of(ended), unproven=unproven)
        self._use_approvals(ended, Result.of(ended))
        if traced.later:
            orphan.unanswered()
        return not traced.later

    def _use_approvals(self, entries: Sequence[Stamped], result: Result) -> None:
        """Count the approvals of a run that succeeded as used: it died before it could."""
        first = entries[0].event
        if result.outcome is Outcome.SUCCEEDED and isinstance(first, RunStarted):
            self.memory.use_approvals(Digest(first.content_hash), RunId(result.run))

    def _traced(self, result: Result, lookup: Lookup) -> _Traced:
        """Ask every ledger of a run's target, as the target is now."""
        try:
            with self.planning.of_target(result.slug, result.target) as opened:
                if recovery.still_there(result, opened.ledgers):
                    return _Traced(live=True)
                trace = reconcile.asked(lookup, opened.sessions)
                if recovery.switching(result) is not None:
                    plan = self.memory.plan(result.plan).plan
                    active = self.slots.active(opened, plan, result)
                    trace = replace(trace, active=active)
                    if active is None:
                        return _Traced(trace=trace, later=True)
                damaged = trace.damaged or self.planning.copies.damaged(opened, result)
                trace = replace(trace, damaged=damaged)
                missing = len(opened.sessions) < len(opened.databases)
                return _Traced(later=True) if missing and not trace.found else _Traced(trace=trace)
        except UnknownName:  # the project or the target is gone, and with it the way to ask
            return _Traced()
        except TempleError:
            return _Traced(later=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traced:
    """What a target said of a dead run: `live` while it works on it, `later` if it said nothing."""

    trace: Trace | None = None
    live: bool = False
    later: bool = False
