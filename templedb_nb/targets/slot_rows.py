"""Rows of a ledger's table slot as values, whichever database it stands in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from templedb_nb.model.slots import SlotRecord, SlotState

COLUMNS = "name, slot, state, run, since, keep_until, detail"
"""What `record` takes of a row, and `values` gives, in this order."""


def record(row: Sequence[Any]) -> SlotRecord:
    """Return the record that a row stands for; its times say their zone."""
    group, slot, state, run, since, keep_until, detail = row
    more: dict[str, Any] = json.loads(detail) if isinstance(detail, str) else detail
    healthy = more.get("healthy_at")
    return SlotRecord(
        group=group,
        slot=slot,
        state=SlotState(state),
        run=run,
        since=_aware(since),
        keep_until=_aware(keep_until),
        release=int(more.get("release", 0)),
        tree=more.get("tree", ""),
        config_hash=more.get("config_hash", ""),
        healthy_at=datetime.fromisoformat(healthy) if healthy else None,
    )


def values(found: SlotRecord) -> list[Any]:
    """Return what is written for a record; times without a zone are UTC, which databases take."""
    detail = {
        "release": found.release,
        "tree": found.tree,
        "config_hash": found.config_hash,
        "healthy_at": found.healthy_at.isoformat() if found.healthy_at else None,
    }
    said = {name: value for name, value in detail.items() if value}
    times = [found.since, found.keep_until]
    return [found.group, found.slot, found.state.value, found.run, *times, json.dumps(said)]


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)
