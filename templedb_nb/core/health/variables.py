"""``{var:NAME}`` and ``{release}``: what stands for a value in the texts of a check."""

from __future__ import annotations

import re
from collections.abc import Callable

from templedb_nb.model.health import Check, CommandCheck, HttpCheck, SqlCheck, TcpCheck
from templedb_nb.model.serialization import SHOWN_DIGITS

RELEASE = "{release}"
_VARIABLE = re.compile(r"\{var:([A-Za-z_][A-Za-z0-9_]*)\}")
_BEGUN = re.compile(r"\{\s*var\s*:")


def names(text: str) -> tuple[str, ...]:
    """Return the variables that a text names, in order."""
    return tuple(dict.fromkeys(_VARIABLE.findall(text)))


def malformed(text: str) -> bool:
    """Return whether a text has something that was meant for a variable and is none."""
    return len(_BEGUN.findall(text)) != len(_VARIABLE.findall(text))


def filled(text: str, value: Callable[[str], str]) -> str:
    """Return *text* with the value of each variable in it; a value is not looked into again."""
    return _VARIABLE.sub(lambda found: value(found[1]), text)


def wanted(check: Check) -> tuple[str, ...]:
    """Return the variables that a check needs."""
    match check:
        case HttpCheck():
            texts = [check.url, *(value for _, value in check.headers)]
        case TcpCheck():
            texts = [check.host]
        case CommandCheck() | SqlCheck():
            texts = []
    return tuple(dict.fromkeys(name for text in texts for name in names(text)))


def versioned(text: str, release: str) -> str:
    """Return the version that is expected: the first digits of the release's hash, if so asked."""
    return text.replace(RELEASE, release[:SHOWN_DIGITS])
