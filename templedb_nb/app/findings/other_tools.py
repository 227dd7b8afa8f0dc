"""Other tools' tables beside a ledger: what they say, and what is written along in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from templedb_nb.app.deploy.case import DeployContext, OpenTarget
from templedb_nb.core.migrations import status
from templedb_nb.core.migrations.histories.first_run import of_others
from templedb_nb.core.plan.situation import PlanOptions
from templedb_nb.model.config import Group
from templedb_nb.model.foreign_history import ForeignHistory
from templedb_nb.model.layout import Layout
from templedb_nb.model.ledger import Ledger, State
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import DatabaseName


def histories(
    opened: OpenTarget,
    ledgers: Mapping[DatabaseName, Ledger],
    found: Iterable[status.GroupMigrations],
) -> dict[DatabaseName, tuple[ForeignHistory, ...]]:
    """Return other tools' tables that may tell of the files, where the ledger does not know more.

    A table of which the config says that it does not is left out.
    """
    groups: dict[DatabaseName, list[Group]] = {}
    for each in found:
        groups.setdefault(each.database, []).append(each.group)
    return {
        name: of_others(session.histories(), groups[name])
        for name, session in opened.sessions.items()
        if name in groups and name in ledgers and _asks(ledgers[name])
    }


def _asks(ledger: Ledger) -> bool:
    """Return whether another tool's table may know more: nothing was imported, or both are used.

    golang-migrate's one version says nothing of files that came late.
    """
    high_water = ledger.shadow is not None and ledger.shadow.tool == Layout.GOLANG_MIGRATE
    return not ledger.entries or (ledger.shadow is not None and not high_water)


def shadow_bodies(
    case: DeployContext,
    found: Iterable[status.GroupMigrations],
    ledgers: Mapping[DatabaseName, Ledger],
    options: PlanOptions,
) -> dict[str, bytes]:
    """Return the files whose rows another tool's table gets, where one is written along."""
    named = {step.key for step in options.amend}
    wanted: dict[str, Digest] = {}
    for each in found:
        ledger = ledgers.get(each.database)
        if ledger is None or ledger.shadow is None:
            continue
        there = {e.key: e.checksums.text for e in ledger.entries if e.state is State.APPLIED}
        for placed, file in each.placed:
            if placed.key in named or there.get(placed.key) != file.blob:
                wanted[placed.path] = file.blob
    bodies = case.read(set(wanted.values())) if wanted else {}
    return {path: bodies[blob] for path, blob in wanted.items()}
