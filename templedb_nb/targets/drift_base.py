"""The fact that a ledger keeps of its base, as text: the same in PostgreSQL and in DuckDB."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from templedb_nb.model.drift import Base, KeptBase, LedgerStanding, Printer
from templedb_nb.ports.claim import Claim
from templedb_nb.targets.readable_facts import fact

KEY = "objects"
"""Its name in the table of facts."""
EVENT = "rebase-drift"
"""What the ledger's own history calls a base that was taken anew."""


def read(text: str) -> KeptBase:
    """Return what the fact says."""
    with fact(KEY):
        said = json.loads(text)
        server = said.get("server", "")
        return KeptBase(
            base=Base(
                run=said["run"], by=said["by"], at=datetime.fromisoformat(said["at"]), server=server
            ),
            printer=Printer(server=server, question=said.get("question", "")),
            projects=said.get("projects"),
            counts=(said["migrations"], said["commands"]),
        )


def written(kept: KeptBase) -> str:
    """Return the fact; its counts keep an earlier templedb from comparing words of its own."""
    said = {
        "run": kept.base.run,
        "by": kept.base.by,
        "at": kept.base.at.isoformat(),
        "server": kept.printer.server,
        "question": kept.printer.question,
        "projects": dict(kept.projects or {}),
        "migrations": -1,
        "commands": -1,
    }
    return json.dumps(said)


def whole(now: LedgerStanding, printer: Printer, run: str, by: str, at: datetime) -> KeptBase:
    """Return the fact of a base that knows all that stands now."""
    base = Base(run=run, by=by, at=at, server=printer.server)
    return KeptBase(base=base, printer=printer, projects=now.projects)


def after(kept: KeptBase, now: LedgerStanding, claim: Claim, at: datetime | None) -> KeptBase:
    """Return the fact after a run: it knows what stands of the run's own project.

    *at* is when the objects were kept, or None where they stay as they are.
    """
    projects: Mapping[str, str] = {
        **{k: v for k, v in (kept.projects or {}).items() if k != claim.project},
        **{k: v for k, v in now.projects.items() if k == claim.project},
    }
    base = kept.base if at is None else replace(kept.base, run=claim.run, by=claim.client, at=at)
    return replace(kept, base=base, projects=projects)


def rebased(claim: Claim, reason: str, names: list[str]) -> dict[str, object]:
    """Return what the event says of a base that a run took anew."""
    return {"by": claim.client, "reason": reason, "run": claim.run, "objects": names}
