"""By which names secrets go in SQL, in connections' parameters and in what psql is given."""

from __future__ import annotations

import re

_KEY = r"(?:api|access|account|secret|private|encryption|shared_?access)_?key"
_WORD = r"passw(?:or)?d|passphrase|passcode|secret"
_SECRET = re.compile(
    rf"(?:.{{0,60}}[._-])?(?:\w{{0,60}}(?:{_WORD}|token)|pwd|pw|pass|{_KEY}|authorization)",
    re.IGNORECASE,
)
HINTS = re.compile(rf"{_WORD}|token|pwd|pw\b|pass\b|{_KEY}|authorization|://", re.IGNORECASE)
"""Where none of this stands, no secret is looked for."""
_IN_EVERY_HINT = ("pass", "secret", "token", "pw", "key", "author", "://")
_MEANT = r"(?:\\.|;(?!(?:user id|[a-z]\w{0,40})\s?=)|[^\s\\;])"
PARAMETERS = re.compile(
    rf"(?:{_WORD}|pwd|{_KEY})(?P<apart>\s*+=\s*+)"
    rf"(?:'(?P<quoted>(?:\\.|[^'\\])++)|\"(?P<doubled>[^\"]++)"
    rf"|(?P<bare>(?!['\"$%{{]|:['\"\w]){_MEANT}++))",
    re.IGNORECASE | re.DOTALL,
)
"""A parameter of a connection, or a variable of the environment, and its value."""
ASSIGNED = re.compile(
    rf"\\(?:set|setenv)[ \t]++(?:\w{{0,60}}(?:{_WORD}|token|{_KEY})|pwd|pw|pass)[ \t]++"
    r"(?P<value>[^\n]*[^\s])",
    re.IGNORECASE,
)
"""What psql's own commands are given for a variable with such a name."""


def is_secret(name: str) -> bool:
    """Return whether a value under that name is a secret."""
    return _SECRET.fullmatch(name) is not None


def hinted(text: str) -> bool:
    """Return whether `HINTS` finds anything; quick where nothing of the kind stands in a text."""
    folded = text.casefold()  # also a long s and the sign of Kelvin, which a pattern takes for k
    return any(each in folded for each in _IN_EVERY_HINT) and HINTS.search(text) is not None
