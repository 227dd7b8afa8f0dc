"""What a server says beside its answers."""

from __future__ import annotations

from enum import StrEnum

from templedb_nb.model.dataclass import dataclass


class MessageLevel(StrEnum):
    """How a server ranks what it says, in its own words, whatever language it speaks."""

    WARNING = "WARNING"
    NOTICE = "NOTICE"
    INFO = "INFO"
    LOG = "LOG"
    DEBUG = "DEBUG"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMessage:
    """One message; `statement` is the one that it came with, from 0, and -1 if none did."""

    level: MessageLevel
    message: str
    sqlstate: str = ""
    detail: str = ""
    hint: str = ""
    statement: int = -1
    line: int = 0
    in_output: bool = False
