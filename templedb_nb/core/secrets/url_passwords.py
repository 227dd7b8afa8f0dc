"""Passwords of URLs, taken out of any text, whether or not a variable holds them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from templedb_nb.core.secrets.bare_text import IGNORED, UNFINISHED, BareText
from templedb_nb.core.secrets.written_forms import MINIMUM, passwords, url_password


class UrlStream:
    """Takes passwords out of URLs in text that comes in pieces.

    A word that may be the scheme of one is shown at once; what stands behind its ``://`` is held
    back until the word has ended. So is the beginning of a colour code.
    """

    def __init__(self) -> None:
        """Hold nothing."""
        self._shown = ""
        self._held = ""
        self._code = ""

    def feed(self, text: str) -> str:
        """Return what of the text so far may be shown."""
        before = len(self._shown)
        text = self._shown + self._held + self._code + text
        cut = UNFINISHED.search(text, max(0, len(text) - 80))
        text, self._code = (text[: cut.start()], cut[0]) if cut else (text, "")
        start, end = _begun(text)
        self._shown, self._held = text[start:end], text[end:]
        return (without_url_passwords(text[:start]) + self._shown)[before:]

    def close(self) -> str:
        """Return the rest."""
        before = len(self._shown)
        rest = without_url_passwords(self._shown + self._held + self._code)[before:]
        self._shown = self._held = self._code = ""
        return rest


def _begun(text: str) -> tuple[int, int]:
    """Return where a URL begins that may go on, and where what of it may be shown ends."""
    word = max(text.rfind(each) for each in " \t\r\n\"'<>") + 1
    if len(text) - word >= _LONGEST_URL:
        return len(text), len(text)
    bare = BareText(text[word:])
    found = _BEGUN.search(bare.text)
    if found is None:
        return len(text), len(text)
    mark = bare.text.find("://", found.start())
    end = word + bare.whole(mark + 2) + 1 if mark >= 0 else len(text)
    return word + bare.whole(found.start()), end


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts have alike, from the first one on."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


_LONGEST_URL = 4096
_BEGUN = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]++(?:\Z|:(?:\Z|/(?:\Z|/)))")
_URL = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]++://[^\s'\"<>]++")
_WORD = re.compile(r"[^ \t\r\n'\"<>]++")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_PORT = re.compile(r"[0-9]{1,5}/")
"""What stands behind the colon of a host, where the ``@`` is in a path."""
_NO_PASSWORD = ("$", "{", "%(", "*")
"""What stands for a password that is put in later, or was taken out already, begins so."""


_QUERY = re.compile(r"([?&;](?:ssl)?password=)(?!\*\*\*|\$|\{|%[({])[^&#;\s]++", re.IGNORECASE)


def without_url_passwords(text: str) -> str:
    """Return *text* with ``***`` for the password of each URL in it, whoever wrote it."""
    if _CONTROL.search(text):
        return _WORD.sub(_of_word, text)
    if "://" not in text:
        return text
    return _URL.sub(_without_password, text)


def _of_word(found: re.Match[str]) -> str:
    """Return a word without passwords; colour codes in one stand behind what is shown for it."""
    if not _CONTROL.search(found[0]):
        return _URL.sub(_without_password, found[0])
    bare = BareText(found[0])
    told, at = [], 0
    for url in _URL.finditer(bare.text):
        begin, end = bare.whole(url.start()), bare.whole(url.end() - 1) + 1
        told += [found[0][at:begin], _masked(url, found[0][begin:end], bare, begin)]
        at = end
    return "".join([*told, found[0][at:]])


def _masked(url: re.Match[str], whole: str, bare: BareText, begin: int) -> str:
    """Return a URL of *bare*, which is *whole* with its colour codes, without its password."""
    masked = _without_password(url)
    if masked == url[0]:
        return whole
    same = _alike(masked, url[0])
    after = _alike(masked[same:][::-1], url[0][same:][::-1])
    start = bare.whole(url.start() + same) - begin
    stop = bare.whole(url.end() - 1 - after) + 1 - begin
    codes = "".join(IGNORED.findall(whole[start:stop]))
    return f"{whole[:start]}{masked[same : len(masked) - after]}{codes}{whole[stop:]}"


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
