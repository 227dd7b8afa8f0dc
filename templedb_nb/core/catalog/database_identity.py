"""Whether a target is the database that it was, or a restored, cloned or exchanged one.

Its ledger may also have lost rows, while what they tell of still stands. What the state knows of a
ledger is given up only where something says so: an event, or a new attempt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from templedb_nb.model.ledger import Entry, Ledger, LedgerHead, State
from templedb_nb.model.ledger_part import PartKind
from templedb_nb.model.lost import Lost, Suspicion

RESTORED = "was restored to an earlier state: applied migrations are missing"
OPEN = "lacks the row of an attempt that had not ended"
_WITH_ROWS = frozenset({PartKind.TABLE, PartKind.REPLACED})
"""What is gone together with its rows."""
_SETTLED = (State.APPLIED, State.REVERTED)


def suspicion(
    before: LedgerHead | None, ledger: Ledger, lost: Sequence[Lost] = ()
) -> Suspicion | None:
    """Return what tells that a database, or its ledger, is not what it was."""
    told = _told(before, ledger, lost)
    return Suspicion(told=told, lost=tuple(lost)) if told else None


def _told(before: LedgerHead | None, ledger: Ledger, lost: Sequence[Lost]) -> str:
    if ledger.cloned:
        return "is a copy of another database: its ledger was written elsewhere"
    applied = before.applied if before else 0
    if not (applied or lost):
        return ""
    none = "has a ledger that cannot be read" if ledger.missing else "has no ledger"
    if not ledger.exists and not applied:
        return f"{none}, and the process of a run that began there died"
    if not ledger.exists:
        return f"{none}, and {applied} migrations were applied there before"
    if before and before.uuid and ledger.uuid != before.uuid:
        return "is not the same database as before: its ledger is another one"
    gone = [each.entry for each in lost if ledger.entry(each.entry.key) is None]
    if gone and all(each.unfinished for each in gone):
        return OPEN
    if gone:
        return RESTORED
    if lost:
        return "has a ledger that somebody edited"
    if before and ledger.newest < before.run_seq:
        return RESTORED
    return ""


def lost(before: Iterable[Entry], ledger: Ledger, accepted: Collection[str] = ()) -> list[Lost]:
    """Return the entries of *before* that are gone from *ledger*, or were edited in it.

    Of the keys in *accepted* somebody said that they have another checksum now, and left an event.
    """
    now = {each.key: each for each in ledger.entries}
    moved = {(each.attempt, each.checksums.text) for each in ledger.entries if each.attempt}
    renamed = {each.attempt for each in ledger.entries if each.attempt and each.key in accepted}
    found = []
    for entry in before:
        there = now.get(entry.key)
        if there is None:
            elsewhere = (entry.attempt, entry.checksums.text) in moved
            if not (elsewhere or entry.attempt in renamed) and not entry.blank:
                found.append(_lost(entry, ledger))
        elif told := _edited(entry, there, known=entry.key in accepted):
            found.append(Lost(entry=entry, what=told, edited=True))
    return found


def unknown(doubts: Iterable[Entry], ledger: Ledger) -> list[Lost]:
    """Return the *doubts*, attempts that nobody saw end, of which the ledger knows nothing.

    Whatever a ledger says of such a migration was said since, and tells more.
    """
    attempts = {each.attempt for each in ledger.entries}
    return [
        _lost(each, ledger)
        for each in doubts
        if ledger.entry(each.key) is None and each.attempt not in attempts
    ]


def _lost(entry: Entry, ledger: Ledger) -> Lost:
    """Say what became of the row: it may be there, where the ledger around it is damaged."""
    kinds = {p.kind for p in ledger.missing if p.table == "migration" and p.name in {"", entry.key}}
    if PartKind.ROW in kinds:
        return Lost(entry=entry, what="its row cannot be read", edited=True)
    whole = "migration" in ledger.remains and not ledger.exists
    if whole or any(p.spoils({"migration"}) for p in ledger.missing if p.kind not in _WITH_ROWS):
        return Lost(entry=entry, what="its row may be there, but the ledger cannot be read")
    return Lost(entry=entry, what=_gone(entry))


def _gone(entry: Entry) -> str:
    if entry.state is State.IN_DOUBT and entry.step_done:
        return f"its attempt stopped after step {entry.step_done}, and its row is gone"
    if entry.state is State.IN_DOUBT:
        return "its process died, and its row is gone or was never there"
    if entry.state is State.REVERTED:
        return "its row, which said that it was rolled back, is gone"
    if entry.unfinished:
        return f"its row is gone; {entry.step_done} of {entry.steps} steps had taken effect"
    return "its row is gone"


def _edited(before: Entry, now: Entry, *, known: bool) -> str:
    """Return what was edited in a row: whatever writes it in earnest leaves another attempt."""
    if before.state not in _SETTLED or before.attempt != now.attempt:
        return ""
    if now.state is not before.state:
        return f"its row says {now.state}, not {before.state}"
    if now.checksums != before.checksums and not known:
        return "its row has another checksum"
    # A copy may have a lower number than the ledger (`with_own`), and never a higher one.
    return "its row has a lower run_seq" if now.run_seq < before.run_seq else ""


def with_own(before: Sequence[Entry], own: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return what a ledger must say after a run: what it said, and what the run wrote.

    A new attempt gets the number that a ledger gives at least: were it higher than the true one,
    the ledger would look like an earlier one.
    """
    found = {each.key: each for each in before}
    last = max((each.run_seq for each in before), default=0)
    for number, each in enumerate(own, start=1):
        known = found.get(each.key)
        same = known is not None and known.attempt == each.attempt
        found[each.key] = replace(each, run_seq=known.run_seq if known and same else last + number)
    return tuple(sorted(found.values(), key=lambda each: each.run_seq))
