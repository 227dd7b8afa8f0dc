"""What is recorded of slots, beside the ledger of migrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from templedb_nb.model.slots import SlotRecord
from templedb_nb.ports.claim import Claim


class SlotRecords(Protocol):
    """Keeps the records of a project's slots, and the history of their switches."""

    def slots(self, project: str) -> tuple[SlotRecord, ...]:
        """Return the record of each slot that was ever used; nothing where there is no ledger."""
        ...

    def keep_slots(
        self, claim: Claim, records: Sequence[SlotRecord], what: str, detail: Mapping[str, str]
    ) -> None:
        """Write records, and that it happened, at once or not at all.

        *what* is a word of the ledger's history, empty where there is nothing to tell.
        """
        ...
