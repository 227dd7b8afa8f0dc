"""One attempt at one migration: what runs, for which run, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from templedb_nb.core.migrations.script import Script
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.server_message import MessageLevel, ServerMessage
from templedb_nb.model.step import Migration
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.target import NOBODY_TOLD, StatementCallbacks
from templedb_nb.targets.postgres.connection.wire import Ear


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at one migration, and whom to tell of each statement that came back."""

    step: Migration
    script: Script
    id: str
    claim: Claim
    ran: Callable[[int], None]
    told: StatementCallbacks = NOBODY_TOLD

    def ear(self, index: int) -> Ear:
        """Return what hears the server's messages that come with a statement; -1 with none."""
        line = self.script.statements[index].line if index >= 0 else 0
        return lambda said: self.told.said(replace(said, statement=index, line=line))

    def warn(self, message: str) -> None:
        """Tell what a person should do, although the step goes on."""
        self.told.said(ServerMessage(level=MessageLevel.WARNING, message=message))
