"""What is told of where traffic goes."""

from __future__ import annotations

from templedb_nb.model.slots import RouterReading, RouterState


def serves(live: str) -> str:
    """Return which slot serves."""
    return f"{live} serves" if live else "no slot serves"


def says(told: RouterReading) -> str:
    """Return what a router has answered."""
    match told.state:
        case RouterState.NAMED:
            pending = f", and its file names {told.pending}" if told.pending else ""
            return f"the router names {told.slot}{pending}"
        case RouterState.ABSENT:
            return "there is no router yet"
        case RouterState.UNKNOWN:
            return f"the router names none of its slots: {told.message}"
        case RouterState.SILENT:
            return f"the router does not answer: {told.message}"
