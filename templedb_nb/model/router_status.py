"""What came of asking through a router which slot answers."""

from __future__ import annotations

from typing import TypeAlias

from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusAnswer:
    """An answer, in `message` as people read it, and the texts in it that should name a slot."""

    names: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoStatus:
    """Why no answer came."""

    message: str


StatusReply: TypeAlias = StatusAnswer | NoStatus
