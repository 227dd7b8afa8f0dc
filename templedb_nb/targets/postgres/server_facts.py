"""What a session tells of its server beside the ledger: sizes, extensions, roles, databases."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from templedb_nb.model.foreseen_wait import ForeseenWait, WantedLock
from templedb_nb.model.lint import Sizes
from templedb_nb.model.relatives import Relatives
from templedb_nb.model.server_wide import ServerWide
from templedb_nb.targets.postgres import foreseen_waits as waits
from templedb_nb.targets.postgres import relatives, server_wide, sizes
from templedb_nb.targets.postgres.connection.connect import translated
from templedb_nb.targets.postgres.connection.wire import Link


class PostgresFacts:
    """The part of a session that answers questions about its server."""

    _link: Link

    @property
    def version(self) -> int:
        """Return the server's major version."""
        return self._link.connection.info.server_version // 10_000

    def sizes(self, names: Collection[str]) -> Sizes:
        """Return how large what bears one of *names* is, as statistics have it."""
        with translated(self._link.where):
            return sizes.sizes(self._link.connection, names)

    def relatives(self, names: Collection[str]) -> Relatives:
        """Return what hangs together with what bears one of *names*."""
        with translated(self._link.where):
            return relatives.relatives(self._link.connection, names)

    def foreseen_waits(
        self, wanted: Sequence[WantedLock], *, everybody: bool
    ) -> tuple[ForeseenWait, ...]:
        """Return who is in the way of the *wanted* locks now, the oldest transaction first."""
        with translated(self._link.where):
            return waits.foreseen_waits(self._link.connection, wanted, everybody=everybody)

    def there(self, wanted: ServerWide) -> ServerWide:
        """Return those of the *wanted* names that the server has, or offers."""
        with translated(self._link.where):
            return server_wide.there(self._link.connection, wanted)
