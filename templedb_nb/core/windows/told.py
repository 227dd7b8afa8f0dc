"""What windows say at a moment, in words: for errors, plans and status."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from templedb_nb.core.windows.firings import zones
from templedb_nb.model.window import WindowBlock, WindowEffect, WindowState

NO_END = "no end is known"


def block(each: WindowBlock) -> str:
    """Return why no run may begin, with the end of that in the rule's zone and in UTC."""
    first = each.rules[0]
    wrong = f" ({each.unreadable})" if each.unreadable else ""
    if first.effect is WindowEffect.DENY:
        until = f"until {moment(each.until, first.zone)}" if each.until else f": {NO_END}"
        return f"{first.known_as} denies runs {until}: {first.reason}{wrong}".replace(" :", ":")
    names = ", ".join(rule.known_as for rule in each.rules)
    zone = first.zone
    begins = f"the next one begins {moment(each.until, zone)}" if each.until else "none will begin"
    reasons = "; ".join(dict.fromkeys(rule.reason for rule in each.rules))
    return f"outside of the windows that allow runs ({names}): {begins}: {reasons}{wrong}"


def opening(state: WindowState) -> str:
    """Return when the next run may begin, where none may now."""
    zone = state.blocks[-1].rules[0].zone
    if state.opens is None:
        return "no time is known at which a run may begin"
    return f"a run may begin {moment(state.opens, zone)}"


def at_a_glance(state: WindowState) -> str:
    """Return the state of windows on one short line."""
    zone = state.blocks[-1].rules[0].zone if state.blocks else "UTC"
    if not state.open:
        until = f"until {moment(state.opens, zone)}" if state.opens else f"({NO_END})"
        return f"deployment windows closed {until}"
    if state.closes is None:
        return "deployment windows open"
    return f"deployment windows open until {moment(state.closes, zone)}"


def lines(state: WindowState) -> Iterator[str]:
    """Yield everything that a reader of a plan wants to know of the windows."""
    yield at_a_glance(state)
    for each in state.blocks:
        yield block(each)


def moment(at: datetime, zone: str) -> str:
    """Return a moment on the clock of a zone, and in UTC."""
    utc = f"{at.astimezone(UTC):%Y-%m-%d %H:%M}Z"
    if zone == "UTC" or zone not in zones():
        return utc
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone} ({utc})"
