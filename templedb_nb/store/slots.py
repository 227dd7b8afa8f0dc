"""What the state has of the slots of a target without a database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.serialization import from_plain, to_plain
from templedb_nb.model.slots import SlotRecord
from templedb_nb.ports.claim import Claim
from templedb_nb.store.duckdb.state_file import StateFile


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSlots:
    """Keeps the records of slots by project and target."""

    file: StateFile
    target: str

    def slots(self, project: str) -> tuple[SlotRecord, ...]:
        """Return the record of each slot that was ever used."""
        with self.file.session() as session:
            rows = session.execute(
                "SELECT detail FROM slots WHERE project = ? AND target = ? ORDER BY name, slot",
                [project, self.target],
            ).fetchall()
        return tuple(from_plain(SlotRecord, json.loads(text)) for (text,) in rows)

    def keep_slots(
        self, claim: Claim, records: Sequence[SlotRecord], what: str, detail: Mapping[str, str]
    ) -> None:
        """Write records at once; that it happened stands in the run's journal."""
        del what, detail
        with self.file.session() as session:
            for each in records:
                session.execute(
                    "INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [claim.project, self.target, *_columns(each)],
                )


def _columns(found: SlotRecord) -> list[Any]:
    times = [_bare(found.since), _bare(found.keep_until)]
    body = json.dumps(to_plain(found))
    return [found.group, found.slot, found.state.value, found.run, *times, body]


def _bare(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None
