"""What a router's answer says of the slots."""

from __future__ import annotations

from collections.abc import Sequence

from templedb_nb.model.router_status import NoStatus, StatusReply
from templedb_nb.model.slots import RouterReading, RouterState

_PIECE = 80


def understood(slots: Sequence[str], reply: StatusReply) -> RouterReading:
    """Return which of *slots* the answer names; it must name one of them, exactly, and no other."""
    if isinstance(reply, NoStatus):
        return RouterReading(state=RouterState.SILENT, message=reply.message)
    found = tuple(dict.fromkeys(name.strip() for name in reply.names))
    if len(found) == 1 and found[0] in slots:
        return RouterReading(state=RouterState.NAMED, slot=found[0], message=reply.message)
    message = f"{reply.message}, which names none of the slots {', '.join(slots)}"
    if len(found) > 1:
        message = f"{reply.message}: {len(found)} different values, not one slot"
    return RouterReading(state=RouterState.UNKNOWN, message=message)


def last_line(text: str) -> str:
    """Return the last line of *text* that is not empty."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def piece(text: str) -> str:
    """Return the beginning of a text in one line, without what would drive a terminal.

    Mask it first: a secret that is cut in two is not found any more.
    """
    line = " ".join(text.split())
    cut = line if len(line) <= _PIECE else f"{line[:_PIECE]}…"
    return "".join(each if each.isprintable() else "\ufffd" for each in cut)
