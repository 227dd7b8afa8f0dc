"""Who measures health: one try of one check."""

from __future__ import annotations

from typing import Protocol

from templedb_nb.model.health import Check, Measurement


class Checker(Protocol):
    """Asks a check's question."""

    def measure(self, check: Check, within_s: float) -> Measurement:
        """Ask once, and say what came; by the wall clock, it ends after *within_s*.

        What keeps it from being measured is a cause, too, and never raised.
        """
        ...
