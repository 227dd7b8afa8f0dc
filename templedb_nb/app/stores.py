"""The state file, and everything that reads and writes it, made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Self

from templedb_nb.app.environment import Environment
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.engine.observe import ReadCache, Reader
from templedb_nb.model.dataclass import dataclass
from templedb_nb.ports.notifications import NotificationStore
from templedb_nb.ports.records import RecordStore, RunbookRecords
from templedb_nb.ports.store import ContentStore, SettingsStore, StateInspector
from templedb_nb.secrets.sealing import Seal
from templedb_nb.store.duckdb.content import Content
from templedb_nb.store.duckdb.inspection import StateInspection
from templedb_nb.store.duckdb.outbox.notifications import NotificationRecords
from templedb_nb.store.duckdb.records import Records
from templedb_nb.store.duckdb.runbooks import Runbooks
from templedb_nb.store.duckdb.settings import Settings
from templedb_nb.store.duckdb.state_file import StateFile, discover


@dataclass
class Stores:
    """What use cases keep and read, over one state file."""

    state: StateFile
    system: Environment = field(default_factory=Environment)
    reserved: Callable[[], frozenset[str]] = frozenset
    cache: ReadCache = field(default_factory=ReadCache)

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        system: Environment | None = None,
        cache: ReadCache | None = None,
    ) -> Self:
        """Use the state at *path*, or where TEMPLEDB_STATE, the folder or the user has it."""
        world = system or Environment()
        named = str(path) if path else world.environ.get("TEMPLEDB_STATE")
        found = StateFile(discover(named, world.folder, world.data_folder))
        return cls(state=found, system=world, cache=cache or ReadCache())

    @cached_property
    def masker(self) -> Masker:
        """Return what knows every secret that this process has seen."""
        return Masker()

    @cached_property
    def settings(self) -> SettingsStore:
        """Return projects, configs, targets and variables."""
        return Settings(self.state)

    @cached_property
    def content(self) -> ContentStore:
        """Return files and releases."""
        return Content(self.state)

    @cached_property
    def reader(self) -> Reader:
        """Return what reads migrations."""
        return Reader(self.content.read, self.cache)

    @cached_property
    def records(self) -> RecordStore:
        """Return plans, approvals and runs."""
        return Records(self.state)

    @cached_property
    def notices(self) -> NotificationStore:
        """Return who is notified, and how far that has come."""
        return NotificationRecords(self.state)

    @cached_property
    def inspection(self) -> StateInspector:
        """Return what looks at the state without changing it."""
        return StateInspection(self.state)

    @cached_property
    def runbooks(self) -> RunbookRecords:
        """Return what runbooks did that ran unattended."""
        return Runbooks(self.state)

    @cached_property
    def seal(self) -> Seal:
        """Return what seals values, with this user's key."""
        key = self.system.environ.get("TEMPLEDB_KEY")
        return Seal(key, self.system.config_folder / "key")
