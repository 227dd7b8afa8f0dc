"""What one statement means for older code: the word, the statement in short, what happens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from templedb_nb.model.compatibility import Compat, strength


class Judgement(NamedTuple):
    """The word; `what` names the statement, `why` says what it means for older code."""

    word: Compat
    what: str = ""
    why: str = ""

    @property
    def reason(self) -> str:
        """Return both in one line."""
        return ": ".join(each for each in (self.what, self.why) if each)


EXPAND = Judgement(Compat.EXPAND)


def contract(what: str, why: str) -> Judgement:
    """Say that statements of older code can fail."""
    return Judgement(Compat.CONTRACT, what, why)


def unknown(what: str, why: str) -> Judgement:
    """Say that the text does not tell."""
    return Judgement(Compat.UNKNOWN, what, why)


def data(what: str, why: str) -> Judgement:
    """Say that rows change, and nothing else."""
    return Judgement(Compat.DATA, what, why)


def strongest(found: Iterable[Judgement]) -> Judgement:
    """Return the strongest, the first of equal ones."""
    return max(found, key=lambda each: strength(each.word), default=EXPAND)
