"""Masking: no form in which a secret may show comes through, however the text arrives.

The forms of a secret are itself, its lines, and how JSON, URLs, shells, Python and base64 would
write it; of a URL also its password. Where forms overlap, the leftmost wins, then the longest.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from bisect import bisect_left
from collections.abc import Callable
from itertools import groupby
from urllib.parse import quote, quote_plus, unquote, urlsplit

MINIMUM = 4
"""Secrets of fewer characters cannot be masked: they would hit innocent text everywhere."""

_LINE_MINIMUM = 8
_BASE64_MINIMUM = 8


def too_short(value: str) -> bool:
    """Return whether a value is too short to be masked."""
    return len(value.strip()) < MINIMUM


def patterns(value: str) -> frozenset[str]:
    """Return every form in which a secret may show; none is shorter than `MINIMUM`."""
    cores = {value, value.strip(), *_passwords(value)}
    cores |= {line.strip() for line in value.splitlines() if len(line.strip()) >= _LINE_MINIMUM}
    forms = {form for core in cores if not too_short(core) for form in _forms(core)}
    return frozenset(form for form in forms if len(form) >= MINIMUM)


def _passwords(value: str) -> set[str]:
    """Return the password of a URL or a libpq string, as written and as meant."""
    found = set(re.findall(r"\bpassword\s*=\s*'((?:[^'\\]|\\.)*)'", value))
    found |= set(re.findall(r"\bpassword\s*=\s*([^'\s]\S*)", value))
    if "://" in value:
        try:
            written = urlsplit(value.strip()).password or ""
        except ValueError:
            written = ""
        authority = value.split("://", 1)[1]
        if "@" in authority:
            written_too = authority.rsplit("@", 1)[0].partition(":")[2]
            found |= {written_too, unquote(written_too)}
        found |= {written, unquote(written)}
    return found


def _forms(core: str) -> set[str]:
    """Return how others would write *core*."""
    quoted = {quote(core, safe=safe) for safe in ("", "/")} | {quote_plus(core)}
    in_json = {json.dumps(core, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    in_shell = {shlex.quote(core), shlex.quote(core).strip("'"), repr(core)[1:-1]}
    return {core, *quoted, *in_json, *in_shell, *_base64_forms(core)}


def _base64_forms(core: str) -> set[str]:
    """Return what base64 makes of *core* wherever it stands in a longer text.

    At each of three offsets the characters that mix with the neighbours' bits are cut off.
    """
    raw, forms = core.encode(errors="surrogatepass"), set()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        first = (0, 2, 3)[offset]
        last = len(encoded) - (1 if (offset + len(raw)) % 3 else 0)
        stable = encoded[first:last]
        if len(stable) >= _BASE64_MINIMUM:
            forms |= {stable, stable.replace("+", "-").replace("/", "_")}
    return forms


class Masker:
    """The secrets that a process has seen: the one thing in it that only grows."""

    def __init__(self) -> None:
        """Know no secret; `heard` is told each value before it is masked."""
        self.heard: Callable[[str, str], None] | None = None
        self._names: dict[str, str] = {}
        self._compiled = _Compiled({})

    def add(self, name: str, value: str) -> None:
        """Mask *value* from now on, in all its forms; the first name of a form stays."""
        if self.heard is not None:
            self.heard(name, value)
        fresh = {form: name for form in patterns(value) if form not in self._names}
        if fresh:
            names = {**self._names, **fresh}
            self._names, self._compiled = names, _Compiled(names)

    def mask(self, text: str) -> str:
        """Return *text* with each form of each secret as ``***[NAME]``."""
        return self._compiled.mask(text)

    def stream(self) -> MaskingStream:
        """Return a mask for text that comes in pieces."""
        return MaskingStream(self)

    @property
    def compiled(self) -> _Compiled:
        """Return what is known now; a stream reads it at each piece."""
        return self._compiled


class MaskingStream:
    """Masks text that comes in pieces: the outcome is that of the whole, however it is cut.

    It holds back the longest end that may be the beginning of a form: fewer characters than the
    longest form has.
    """

    def __init__(self, masker: Masker) -> None:
        """Mask what *masker* knows when a piece comes."""
        self._masker = masker
        self._held = ""

    def feed(self, text: str) -> str:
        """Return what of the text so far may be shown."""
        out, self._held = self._masker.compiled.advance(self._held + text)
        return out

    def close(self) -> str:
        """Return the rest."""
        rest, self._held = self._masker.mask(self._held), ""
        return rest


class _Compiled:
    """The forms of one moment, ready for search."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self._sorted = sorted(names)
        self._longest = max(map(len, names), default=0)
        self._firsts = {form[0] for form in names}
        self._search = re.compile(_alternation(names)) if names else None

    def mask(self, text: str) -> str:
        """Return the whole *text* masked."""
        return self._search.sub(self._name, text) if self._search else text

    def advance(self, text: str) -> tuple[str, str]:
        """Return what of *text* is decided, masked, and the end that is not."""
        if self._search is None:
            return text, ""
        out: list[str] = []
        at, held = 0, self._undecided(text, 0)
        for found in self._search.finditer(text):
            if found.start() >= held:
                break
            out += [text[at : found.start()], self._name(found)]
            at = found.end()
            if at > held:
                held = self._undecided(text, at)
        return "".join([*out, text[at:held]]), text[held:]

    def _undecided(self, text: str, start: int) -> int:
        """Return where the first end of *text* begins that a form may begin with and go on."""
        first = max(start, len(text) - self._longest + 1)
        for place in range(first, len(text)):
            if text[place] in self._firsts and self._may_go_on(text[place:]):
                return place
        return len(text)

    def _may_go_on(self, end: str) -> bool:
        place = bisect_left(self._sorted, end)
        while place < len(self._sorted) and self._sorted[place].startswith(end):
            if len(self._sorted[place]) > len(end):
                return True
            place += 1
        return False

    def _name(self, found: re.Match[str]) -> str:
        return f"***[{self._names[found.group()]}]"


def _alternation(forms: dict[str, str]) -> str:
    """Return a pattern that takes the longest form at the leftmost place.

    Forms stand grouped by their first two characters, so that most places fail at once.
    """
    by_head = groupby(sorted(forms), key=lambda form: form[:2])
    branches = []
    for head, group in by_head:
        rests = sorted((form[2:] for form in group), key=len, reverse=True)
        branches.append(re.escape(head) + "(?:" + "|".join(map(re.escape, rests)) + ")")
    return "|".join(branches)
