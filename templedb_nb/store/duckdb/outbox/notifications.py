"""Everything that the state has for notifications, over one file."""

from __future__ import annotations

from templedb_nb.store.duckdb.outbox.deliveries import DeliveryRecords
from templedb_nb.store.duckdb.outbox.receivers import ReceiverRecords
from templedb_nb.store.duckdb.outbox.records import OutboxRecords
from templedb_nb.store.duckdb.state_file import StateFile


class NotificationRecords(ReceiverRecords, OutboxRecords, DeliveryRecords):
    """Receivers, what there is to tell, and how far it has come."""

    def __init__(self, file: StateFile) -> None:
        """Keep it in *file*."""
        self._file = file
