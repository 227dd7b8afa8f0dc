"""What a look at the state finds: the file, its tables, the journals beside it, and the way on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Any, ClassVar  # Any: cells of a state that may be broken

from templedb_nb.model.dataclass import dataclass


class StateFound(StrEnum):
    """How the state file is."""

    ABSENT = "not there yet"
    SOUND = "sound"
    BROKEN = "broken"
    UNUSABLE = "not usable now"
    """In use, on a full disk, or not for this user: the file itself may be whole."""


class JournalState(StrEnum):
    """What becomes of a journal."""

    LIVE = "goes on"
    WAITING = "waits"
    DAMAGED = "damaged"
    ASIDE = "set aside"
    FOREIGN = "none of ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCheck:
    """One table: how many rows were read, or why they cannot be."""

    name: str
    rows: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found in a state file; `rows` are those of the tables that were asked for."""

    found: StateFound
    trouble: str = ""
    tables: tuple[TableCheck, ...] = ()
    rows: Mapping[str, Sequence[tuple[Any, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalCheck:
    """One file among the journals of runs."""

    file: str
    state: JournalState
    about: str = ""
    events: int = 0
    damaged: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCheck:
    """What a look at the state found; `secrets` are sealed values that the key here does not open.

    `ways` are what to do, in order: words, and commands that can be given as they stand.
    """

    json_kind: ClassVar[str] = "StateCheck"

    path: str
    size: int
    found: StateFound
    trouble: str = ""
    tables: tuple[TableCheck, ...] = ()
    journals: tuple[JournalCheck, ...] = ()
    secrets: tuple[str, ...] = ()
    ways: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Return whether everything can be read, and nothing waits for a person."""
        damaged = any(each.state is JournalState.DAMAGED for each in self.journals)
        return (
            self.found in {StateFound.SOUND, StateFound.ABSENT} and not damaged and not self.secrets
        )
