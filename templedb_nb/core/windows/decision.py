"""Whether windows let a run begin at a moment, and when that changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from templedb_nb.core.windows.firings import following, preceding
from templedb_nb.core.windows.rules import unreadable
from templedb_nb.model.window import Rules, WindowBlock, Windows, WindowState

_MOST_JOINED = 4000
"""So many windows that join one another are followed to their end."""
_FURTHEST = timedelta(days=3660)
"""So far ahead, for long windows are soon some thousand years from here."""
_MOST_CHANGES = 200
"""So many times that something opens while another thing closes."""


def state(windows: Windows, now: datetime) -> WindowState:
    """Return what *windows* say at *now*; every moment of it is in UTC."""
    now = now.astimezone(UTC)
    blocks = tuple(_blocks(windows, now))
    if blocks:
        return WindowState(now=now, blocks=blocks, opens=_opens(windows, now))
    return WindowState(now=now, closes=_closes(windows, now))


def _blocks(windows: Windows, at: datetime) -> Iterator[WindowBlock]:
    """Yield what lets no run begin at *at*; a rule that cannot be read lets none."""
    for rule in windows.denies:
        if wrong := unreadable(rule):
            yield WindowBlock(rules=(rule,), until=None, unreadable=wrong)
        elif preceding(rule, at):
            yield WindowBlock(rules=(rule,), until=_end((rule,), at))
    for rules in windows.allows:
        read = tuple(each for each in rules if not unreadable(each))
        if any(preceding(each, at) for each in read):
            continue
        begins = [found for each in read if (found := following(each, at))]
        wrong = "; ".join(filter(None, map(unreadable, rules)))
        yield WindowBlock(rules=rules, until=min(begins, default=None), unreadable=wrong)


def _end(rules: Rules, at: datetime) -> datetime | None:
    """Return when none of *rules* holds any more, from *at*; windows that join are one."""
    furthest = at + _FURTHEST
    for _ in range(_MOST_JOINED):
        ends = [
            began + timedelta(seconds=each.duration_s)
            for each in rules
            if (began := preceding(each, at))
        ]
        if not ends:
            return at
        at = max(ends)
        if at > furthest:
            break
    return None


def _opens(windows: Windows, at: datetime) -> datetime | None:
    """Return the first moment from *at* at which a run may begin, if there is one in sight."""
    for _ in range(_MOST_CHANGES):
        ends = [each.until for each in _blocks(windows, at)]
        if not ends:
            return at
        if None in ends:
            return None
        at = max(each for each in ends if each)
    return None


def _closes(windows: Windows, now: datetime) -> datetime | None:
    """Return the first moment from which no run may begin, where one may now."""
    ends = [_end(tuple(e for e in each if not unreadable(e)), now) for each in windows.allows]
    ends += [following(each, now) for each in windows.denies]
    return min((each for each in ends if each), default=None)
