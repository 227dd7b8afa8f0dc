"""A ledger that lost rows while what they tell of still stands: written again from the copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from templedb_nb.app.deploy.case import DeployContext, OpenTarget
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.runs import RunOptions, Runs
from templedb_nb.app.recovery.ledger_copies import LedgerCopies
from templedb_nb.core.plan.situation import PlanOptions
from templedb_nb.errors import UsageProblem
from templedb_nb.model.layout import MigrationSource
from templedb_nb.model.ledger import Checksums, Entry, EntryKind, Ledger, State
from templedb_nb.model.ledger_part import PartKind, summary
from templedb_nb.model.lost import Lost, ObjectPresence, Suspicion, confirmed
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.model.serialization import Digest
from templedb_nb.model.step import Amend, Restore, Verb
from templedb_nb.model.target import DatabaseName

_ROWS = frozenset({"migration", "command"})
"""The tables that say what must not run again."""
REBIND = "if this is an older copy of the database, or another database: templedb target rebind"


class LedgerRestores:
    """The use case that writes a damaged ledger again."""

    def __init__(self, plans: Plans, runs: Runs, copies: LedgerCopies) -> None:
        """Restore from *copies*, by a plan."""
        self._plans = plans
        self._runs = runs
        self._copies = copies

    def plan(self, opened: OpenTarget, files: tuple[str, ...], reason: str) -> Preview:
        """Return what `restore` would do."""
        narrow, options = self._narrow(opened, files, reason)
        return self._plans.preview(narrow, options)

    def restore(
        self, opened: OpenTarget, files: tuple[str, ...], reason: str, wish: RunOptions
    ) -> Result:
        """Write the rows again that the ledger lost, each with an event."""
        narrow, options = self._narrow(opened, files, reason)
        preview = self._plans.preview(narrow, options)
        wish = replace(wish, options=options, reason="restore-ledger")
        return self._runs.run(narrow, preview, wish)

    def _narrow(
        self, opened: OpenTarget, files: tuple[str, ...], reason: str
    ) -> tuple[OpenTarget, PlanOptions]:
        """Leave the database that lost something, and nothing else to do there."""
        found = [(n, s) for n, s in opened.suspicions.items() if s.lost]
        if not found and not files:
            for name, ledger in opened.ledgers.items():
                if ledger.remains or ledger.missing:
                    return self._tables(opened, name, reason)
        if not found:
            message = f"the ledger of {opened.case.target.name} has every row that this state knows"
            raise UsageProblem(message, hint="templedb migration status")
        database, suspicion = found[0]
        if not files:
            self._refuse_unseen(opened, database)
        steps = self._steps(opened, database, suspicion, files, reason)
        return _only(opened, database), PlanOptions(amend=steps)

    def _tables(
        self, opened: OpenTarget, database: DatabaseName, reason: str
    ) -> tuple[OpenTarget, PlanOptions]:
        """Make what is missing of the tables again: of what this state knows, no row was in it."""
        target, ledger = opened.case.target.name, opened.ledgers[database]
        if not self._knows(opened.case, ledger):
            message = f"the ledger of {target} was not restored: of its tables there are only"
            why = "this state does not know what ran there"
            message = f"{message} {', '.join(ledger.remains)}, and {why}"
            hint = "on the machine that deployed it: templedb migration restore-ledger; if its"
            hint = f"{hint} state is lost: templedb migration baseline --through FILE --reason WHY"
            raise UsageProblem(message, hint=hint)
        if unread := [e for e in ledger.missing if e.kind is PartKind.ROW]:
            message = f"the ledger of {target} was not restored: this state has no copy of the rows"
            hint = "as the owner of the ledger, correct or delete them in table templedb.migration"
            raise UsageProblem(message, hint=hint, problems=list(map(str, unread)))
        step = Amend(
            group="ledger",
            database=database,
            verb=Verb.MAKE_TABLES,
            key="",
            file=f"the ledger's tables: {summary(ledger.missing)}"
            if ledger.missing
            else "the ledger's tables",
            checksums=Checksums(text=Digest(""), tokens=Digest("")),
            reason=reason,
        )
        return _only(opened, database), PlanOptions(amend=(step,))

    def _refuse_unseen(self, opened: OpenTarget, database: DatabaseName) -> None:
        """Raise if a run died there that another state began: it may know of more lost rows."""
        died = opened.ledgers[database].holder
        if died is None or died.live or self._copies.saw(died.run):
            return
        target = opened.case.target.name
        message = f"the ledger of {target} was not restored: run {died.run[:13]} of {died.owner} on"
        message = f"{message} {died.host} died, and this state did not see what it applied"
        hint = f"on {died.host}: templedb migration restore-ledger; if its state is lost, check"
        hint = f"{hint} which files are in effect here, and name them: restore-ledger FILE"
        raise UsageProblem(message, hint=hint)

    def _knows(self, case: DeployContext, ledger: Ledger) -> bool:
        """Return whether this state knows what the tables that are gone can have had."""
        if ledger.exists or ledger.unused or set(ledger.remains) >= _ROWS:
            return True
        if ledger.begun:
            return all(self._copies.saw(run) for run in ledger.begun)
        return self._copies.began(case)

    def _steps(
        self,
        opened: OpenTarget,
        database: DatabaseName,
        suspicion: Suspicion,
        files: tuple[str, ...],
        reason: str,
    ) -> tuple[Restore, ...]:
        chosen = _chosen(suspicion, files, opened.case.target.name)
        return restores(self._copies, opened.case, database, chosen, reason)


def _only(opened: OpenTarget, database: DatabaseName) -> OpenTarget:
    return replace(
        opened,
        sessions={database: opened.sessions[database]},
        ledgers={database: opened.ledgers[database]},
        databases=(database,),
    )


def restores(
    copies: LedgerCopies,
    case: DeployContext,
    database: DatabaseName,
    chosen: Sequence[Lost],
    reason: str,
) -> tuple[Restore, ...]:
    """Return the steps that write the rows of *chosen* again, in their order."""
    texts = copies.texts(case, [each.entry for each in chosen])
    uuid, sure = copies.uuid(case, database), confirmed(chosen)
    steps = []
    for each in sorted(chosen, key=lambda lost: lost.entry.run_seq):
        step, _, source = texts.get(each.entry.key, (None, None, None))
        reading = source.reading if isinstance(source, MigrationSource) else None
        blob = source.blob if isinstance(source, MigrationSource) else source
        if each.entry.kind is EntryKind.MARKED:
            blob = reading = None  # a person said so; no text ran
        steps.append(
            Restore(
                group="ledger",
                database=database,
                entry=_unsettled(each.entry, sure=sure),
                reason=reason,
                seen=str(each),
                uuid=uuid,
                layout=step.layout if step else "plain",
                blob=blob,
                reading=reading,
                absent=not each.edited,
            )
        )
    return tuple(steps)


def _chosen(suspicion: Suspicion, files: tuple[str, ...], target: str) -> list[Lost]:
    """Return what to write again, or raise where the database does not confirm it."""
    chosen = [e for e in suspicion.lost if not files or _named(e, files)]
    missing = [each for each in files if not any(_named(e, (each,)) for e in suspicion.lost)]
    if missing:
        hint = "templedb deploy plan shows what the ledger lost"
        raise UsageProblem(f"the ledger did not lose {', '.join(missing)}", hint=hint)
    sure = [each for each in chosen if each.decisive]
    gone = [each for each in sure if each.presence is ObjectPresence.GONE]
    told = not sure or confirmed(sure)
    if gone or not (told or files):
        problems = [f"{each.entry.file}: {each}" for each in (gone or chosen)]
        message = f"the ledger of {target} was not restored: the database does not confirm it"
        hint = f"{REBIND} {target} --reason WHY; name the files that are in effect to restore those"
        raise UsageProblem(message, hint=hint, problems=problems)
    return chosen


def _unsettled(entry: Entry, *, sure: bool) -> Entry:
    """Return what to write of an attempt: one that ran when its row was read is in doubt.

    So is one that failed behind some steps, unless it is *sure* that the ledger alone was damaged:
    an earlier database does not have those.
    """
    if entry.state is not State.RUNNING and (sure or entry.state is not State.FAILED):
        return entry
    told = "its row was lost before its end: nobody knows which of its steps stand"
    return replace(entry, state=State.IN_DOUBT, steps=0, step_done=0, step_started=0, error=told)


def _named(lost: Lost, files: tuple[str, ...]) -> bool:
    entry = lost.entry
    names = {entry.key, entry.file, entry.file.rsplit("/", 1)[-1]}
    return any(each in names for each in files)
