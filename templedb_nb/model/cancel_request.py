"""That somebody wants a run to end."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass

_AFTER, _BACK = "after this step: ", "and roll back: "


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """Who wants a run to end and why, as `wish`; and whether its step is to be finished first.

    With `back`, the run is rolled back by the plan that its own names for a failure.

    Its text is what the ledger's lock row and the file beside a journal hold.
    """

    wish: str
    drain: bool = False
    back: bool = False

    def __str__(self) -> str:
        """Return the text."""
        after, back = _AFTER if self.drain else "", _BACK if self.back else ""
        return f"{after}{back}{self.wish}"

    @classmethod
    def of(cls, text: str) -> CancelRequest:
        """Return what *text* says."""
        rest = text.removeprefix(_AFTER)
        wish, back = rest.removeprefix(_BACK), rest.startswith(_BACK)
        return cls(wish=wish, drain=text.startswith(_AFTER), back=back)
