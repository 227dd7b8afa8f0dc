"""``{slot}`` and ``{slot:NAME}``: what stands for a slot in the texts of a config."""

from __future__ import annotations

import re
from dataclasses import replace

from templedb_nb.model.blue_green import Slot
from templedb_nb.model.config import HealthCheck
from templedb_nb.model.health import Check, CommandCheck, HttpCheck, SqlCheck, TcpCheck

_FOUND = re.compile(r"\{slot(?::([A-Za-z_][A-Za-z0-9_]*))?\}")

SLOT = "TEMPLEDB_SLOT"
"""The variable that tells a command which slot it works on."""
LIVE_SLOT = "TEMPLEDB_LIVE_SLOT"
"""The variable that tells which slot traffic goes to."""
FROM_SLOT = "TEMPLEDB_FROM_SLOT"
TO_SLOT = "TEMPLEDB_TO_SLOT"
"""The variables that tell a router's command from where to where traffic is switched."""


def names_slot(text: str) -> bool:
    """Return whether anything in *text* stands for a slot."""
    return _FOUND.search(text) is not None


def lacking(text: str, slot: Slot) -> tuple[str, ...]:
    """Return the values that *text* names and the slot does not have, in order."""
    own = dict(slot.values)
    wanted = dict.fromkeys(name for name in _FOUND.findall(text) if name)
    return tuple(name for name in wanted if name not in own)


def filled(text: str, slot: Slot) -> str:
    """Return *text* for a slot; a value that the slot does not have stays as it is written."""
    own = dict(slot.values)

    def value(found: re.Match[str]) -> str:
        return own.get(found[1], found[0]) if found[1] else slot.name

    return _FOUND.sub(value, text)


def environment(slot: Slot, live: str) -> tuple[tuple[str, str], ...]:
    """Return what the commands of a slot get beside the variables of their group."""
    return (*slot.values, (SLOT, slot.name), (LIVE_SLOT, live))


def check_of(check: Check, slot: Slot, live: str) -> Check:
    """Return a check as it is asked of one slot."""
    match check:
        case HttpCheck():
            return replace(
                check,
                url=filled(check.url, slot),
                headers=tuple((name, filled(value, slot)) for name, value in check.headers),
                expect_body=filled(check.expect_body, slot),
                expect_version=filled(check.expect_version, slot),
            )
        case TcpCheck():
            return replace(check, host=filled(check.host, slot))
        case CommandCheck():
            own = dict((*check.environment, *environment(slot, live)))
            return replace(check, environment=tuple(own.items()))
        case SqlCheck():
            return check


def written_for(check: HealthCheck, slot: Slot) -> HealthCheck:
    """Return a check of a config as it is written, for one slot."""
    return replace(
        check,
        url=filled(check.url, slot),
        host=filled(check.host, slot),
        headers=tuple((name, filled(value, slot)) for name, value in check.headers),
        expect_body=filled(check.expect_body, slot),
        expect_version=filled(check.expect_version, slot),
    )


def asks_of_slot(check: Check) -> bool:
    """Return whether a check can tell one slot from another."""
    match check:
        case HttpCheck():
            texts = [check.url, check.expect_body, check.expect_version]
            texts += [value for _, value in check.headers]
            return any(names_slot(text) for text in texts)
        case TcpCheck():
            return names_slot(check.host)
        case CommandCheck():
            return True
        case SqlCheck():
            return False
