"""What is told of a switch of traffic: before the router is touched, and once it has answered."""

from __future__ import annotations

from typing import ClassVar

from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchIntended:
    """Traffic of `group` is to go from the slot `live` to `to`; the router is not touched yet.

    `by` and `reason` are those of the person who said go, where one had to.
    """

    kind: ClassVar[str] = "switch_intended"
    step: int
    group: str
    live: str
    to: str
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchDone:
    """The router has named the slot `to` so many times in a row, `took_ms` after the intent."""

    kind: ClassVar[str] = "switch_done"
    step: int
    group: str
    to: str
    answers: int
    took_ms: int
