"""What a server is asked beside its ledger."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from templedb_nb.model.foreseen_wait import ForeseenWait, WantedLock
from templedb_nb.model.lint import Sizes
from templedb_nb.model.relatives import Relatives
from templedb_nb.model.route import Route
from templedb_nb.model.server_wide import ServerWide


class ServerFacts(Protocol):
    """What a server tells of itself, and of what is in it beside the ledger."""

    @property
    def version(self) -> int:
        """Return its major version."""
        ...

    @property
    def here(self) -> Route:
        """Return where the session has reached it."""
        ...

    def sizes(self, names: Collection[str]) -> Sizes:
        """Return how large what bears one of *names* is, in any schema.

        Raises nothing for what is not there: it is left out.
        """
        ...

    def relatives(self, names: Collection[str]) -> Relatives:
        """Return what hangs together with what bears one of *names*, in any schema.

        What is not there is left out; where there is too much around it, it says only that.
        """
        ...

    def there(self, wanted: ServerWide) -> ServerWide:
        """Return those of the *wanted* names that the server has, or offers."""
        ...

    def foreseen_waits(
        self, wanted: Sequence[WantedLock], *, everybody: bool
    ) -> tuple[ForeseenWait, ...]:
        """Return who holds now what excludes the *wanted* locks on relations, the oldest first.

        With *everybody*, also who has any old transaction. What ends by itself is left out.
        """
        ...
