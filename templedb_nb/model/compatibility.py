"""Whether code that was deployed before a migration goes on working after it."""

from __future__ import annotations

from enum import StrEnum

from templedb_nb.model.dataclass import dataclass


class Compat(StrEnum):
    """What a migration means for older code, the mildest first.

    After EXPAND the statements of older code go on working. DATA changes rows alone. Of UNKNOWN
    the text does not tell. After CONTRACT, statements of older code can fail.
    """

    EXPAND = "expand"
    DATA = "data"
    UNKNOWN = "unknown"
    CONTRACT = "contract"


_STRENGTH = {word: place for place, word in enumerate(Compat)}


def strength(word: Compat) -> int:
    """Return a number to compare by: the strongest word of its statements is a migration's."""
    return _STRENGTH[word]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compatibility:
    """What a migration means for older code, and why.

    `reason` names the statement and what fails; `line` is where it begins in the file, 0 where
    nothing is to say. `stated` says that the file says it by a directive of its own; `inferred` is
    then what its statements say, and `inferred_reason` why.
    """

    word: Compat
    reason: str = ""
    line: int = 0
    stated: bool = False
    inferred: Compat | None = None
    inferred_reason: str = ""

    @property
    def disputed(self) -> bool:
        """Return whether the file says less than its statements do."""
        return self.inferred is not None and strength(self.inferred) > strength(self.word)


def breaks_old_code(found: Compatibility, *, protected: bool) -> bool:
    """Return whether older code must be taken to fail after it; a protected target takes no risk.

    On such a target, what is not known counts as breaking.
    """
    return found.word is Compat.CONTRACT or (protected and found.word is Compat.UNKNOWN)
