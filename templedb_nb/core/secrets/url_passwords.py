"""Passwords of URLs, taken out of any text, whether or not a variable holds them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from templedb_nb.core.secrets.written_forms import MINIMUM, passwords, url_password


class UrlStream:
    """Takes passwords out of URLs in text that comes in pieces.

    A word that may be the scheme of one is shown at once; what stands behind its ``://`` is held
    back until the word has ended.
    """

    def __init__(self) -> None:
        """Hold nothing."""
        self._shown = ""
        self._held = ""

    def feed(self, text: str) -> str:
        """Return what of the text so far may be shown."""
        before = len(self._shown)
        text = self._shown + self._held + text
        word = max(text.rfind(each) for each in " \t\r\n\"'<>") + 1
        found = _BEGUN.search(text, word) if len(text) - word < _LONGEST_URL else None
        start = found.start() if found else len(text)
        mark = text.find("://", start)
        end = mark + 3 if mark >= 0 else len(text)
        self._shown, self._held = text[start:end], text[end:]
        return (without_url_passwords(text[:start]) + self._shown)[before:]

    def close(self) -> str:
        """Return the rest."""
        before = len(self._shown)
        rest = without_url_passwords(self._shown + self._held)[before:]
        self._shown = self._held = ""
        return rest


_LONGEST_URL = 4096
_BEGUN = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*+(?:\Z|:(?:\Z|/(?:\Z|/)))")
_URL = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*+://[^\s'\"<>]++")
_PORT = re.compile(r"[0-9]{1,5}/")
"""What stands behind the colon of a host, where the ``@`` is in a path."""
_NO_PASSWORD = ("$", "{", "%(", "*")
"""What stands for a password that is put in later, or was taken out already, begins so."""


_QUERY = re.compile(r"([?&;](?:ssl)?password=)(?!\*\*\*|\$|\{|%[({])[^&#;\s]++", re.IGNORECASE)


def without_url_passwords(text: str) -> str:
    """Return *text* with ``***`` for the password of each URL in it, whoever wrote it."""
    if "://" not in text:
        return text
    return _URL.sub(_without_password, text)


def without_passwords_of(words: Iterable[str], text: str) -> str:
    """Return *text* without the secrets that are typed among *words* by mistake.

    These are passwords of addresses, values behind the name of a variable, and words that look as
    if they were made at random.
    """
    found = set[str]()
    for word in words:
        found |= passwords(word) if _ADDRESS.search(word) else set()
        found |= {each["value"] for each in [_VARIABLE.fullmatch(word)] if each}
        found |= {word for piece in _PIECES.split(word) if looks_random(piece)}
    for each in sorted(found, key=len, reverse=True):
        text = text.replace(each, "***") if len(each) >= MINIMUM else text
    return text


def typed(word: str) -> str:
    """Return a word that a person typed for a name, as an error may repeat it."""
    return without_passwords_of([word], without_url_passwords(word))


_ADDRESS = re.compile("://|password", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*=(?P<value>.+)", re.DOTALL)
_PIECES = re.compile(r"[^A-Za-z0-9]+")
_RUNS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_RANDOM, _RUN = 10, 2.5
"""So long is what looks random, and so short are its runs of letters and of digits."""


def looks_random(word: str) -> bool:
    """Return whether a word looks like a generated password: no name and no number does."""
    kinds = (any(map(str.isdigit, word)), word != word.lower(), word != word.upper())
    return len(word) >= _RANDOM and all(kinds) and len(word) < _RUN * len(_RUNS.findall(word))


def _without_password(found: re.Match[str]) -> str:
    url = _QUERY.sub(r"\1***", found[0])
    password = url_password(url) if "@" in url else ""
    if not password or _PORT.match(password) or password.startswith(_NO_PASSWORD):
        return url
    head, _, rest = url.partition("://")
    user = rest.partition(":")[0]
    return f"{head}://{user}:***{rest[len(user) + 1 + len(password) :]}"
