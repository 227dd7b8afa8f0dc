"""Whether a target is the database that it was, or a restored, cloned or exchanged one."""

from __future__ import annotations

from collections.abc import Mapping

from templedb_nb.model.ledger import Ledger, LedgerHead
from templedb_nb.model.target import DatabaseName


def suspicions(
    known: Mapping[DatabaseName, LedgerHead], ledgers: Mapping[DatabaseName, Ledger]
) -> dict[DatabaseName, str]:
    """Return, for each database that is not what it was, what tells so."""
    found = {}
    for name, ledger in ledgers.items():
        if told := _suspicion(known.get(name), ledger):
            found[name] = told
    return found


def _suspicion(before: LedgerHead | None, ledger: Ledger) -> str:
    if ledger.cloned:
        return "is a copy of another database: its ledger was written elsewhere"
    if before is None or not before.applied:
        return ""
    if not ledger.exists:
        return f"has no ledger, and {before.applied} migrations were applied there before"
    if ledger.uuid != before.uuid:
        return "is not the database that it was: its ledger is another one"
    if ledger.newest < before.run_seq:
        return "was taken back to an earlier state: migrations that it had are gone"
    return ""
