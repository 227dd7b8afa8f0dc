"""Colours for a terminal: they repeat what the words say, and are never alone in saying it."""

from __future__ import annotations

import re
from collections.abc import Mapping

GOOD, BAD, CARE, FAINT = "32", "31", "33", "2"
_WORDS = {
    GOOD: ("succeeded", "applied", "done", "valid"),
    BAD: ("failed", "FAILED", "not valid", "missing", "changed", "timed_out", "rejected"),
    CARE: ("unknown", "in doubt", "in_doubt", "partly applied", "out of order", "pending", "warned",
           "cancelled", "moved", "running"),
    FAINT: ("skipped", "skip"),
}  # fmt: skip
_CODES = {word: code for code, words in _WORDS.items() for word in words}
_CELL = re.compile(
    r"(?:(?<=^)|(?<=  )|(?<=: ))("
    + "|".join(sorted(map(re.escape, _CODES), key=len, reverse=True))
    + r")(?=  |$| in \d)",
    re.MULTILINE,
)
_LEAD = re.compile(r"^(error|hint|warning|note):", re.MULTILINE)
_LEADS = {"error": BAD, "warning": CARE, "hint": "1", "note": "1"}


def wanted(environ: Mapping[str, str], *, terminal: bool) -> bool:
    """Return whether to colour: NO_COLOR, then FORCE_COLOR, then CLICOLOR, then the terminal.

    The rules are those of no-color.org, force-color.org and bixense.com/clicolors.
    """
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR") or environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return terminal and environ.get("TERM") != "dumb" and environ.get("CLICOLOR") != "0"


def painted(text: str) -> str:
    """Return *text* with its states and its first words in colour."""
    text = _CELL.sub(lambda found: _in(_CODES[found[1]], found[1]), text)
    return _LEAD.sub(lambda found: f"{_in(_LEADS[found[1]], found[1])}:", text)


def _in(code: str, word: str) -> str:
    return f"\x1b[{code}m{word}\x1b[0m"
