"""That somebody wants a run to end."""

from __future__ import annotations

from dataclasses import dataclass

_AFTER = "after this step: "


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """Who wants a run to end and why, as `wish`; and whether its step is to be finished first.

    Its text is what the ledger's lock row and the file beside a journal hold.
    """

    wish: str
    drain: bool = False

    def __str__(self) -> str:
        """Return the text."""
        return f"{_AFTER}{self.wish}" if self.drain else self.wish

    @classmethod
    def of(cls, text: str) -> CancelRequest:
        """Return what *text* says."""
        return cls(wish=text.removeprefix(_AFTER), drain=text.startswith(_AFTER))
