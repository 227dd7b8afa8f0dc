"""How programs write a secret: as it is, quoted for something, or in base64.

A form is a sequence of `Writing`s, one for each character (or for each run of the same quote or
backslash). A writing is a small trie of every text that stands for its character: what shells,
JSON, URLs, HTML, SQL, Python and JavaScript make of it, also one in another. Letters and digits
stand for themselves alone: no program that is meant here writes them in another way.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from itertools import groupby
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from templedb_nb.core.secrets.bare_text import IGNORED
from templedb_nb.model.dataclass import dataclass

MINIMUM = 4
"""Secrets of fewer characters cannot be masked: they would hit innocent text everywhere."""

LINE_MINIMUM = 8
_BASE64_MINIMUM = 8
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_DEEPEST = 8
"""So many backslashes may stand before a character: JSON in JSON in JSON has seven."""
_LONGEST_RUN = 12
_AT_FOLDS = frozenset(" \t\n\\='\"")
_BYTE, _HIGH, _DELETE, _SPACE = 256, 128, 127, 32


class Writing:
    """A trie of the texts that stand for one character; `empty` where nothing may stand for it."""

    __slots__ = ("empty", "ends", "longest", "steps")

    def __init__(self, texts: Iterable[str]) -> None:
        """Hold *texts*."""
        found = set(texts)
        self.empty = "" in found
        self.longest = max(map(len, found), default=0)
        self.steps: list[dict[str, int]] = [{}]
        self.ends: set[int] = set()
        for text in found - {""}:
            at = 0
            for char in text:
                at = self.steps[at].setdefault(char, len(self.steps))
                if at == len(self.steps):
                    self.steps.append({})
            self.ends.add(at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way of writing a secret.

    `needle` is a text that every writing of it holds, behind at most `ahead` characters.
    """

    writings: tuple[Writing, ...]
    needle: str
    ahead: int

    @property
    def longest(self) -> int:
        """Return how many characters it may take."""
        return sum(each.longest for each in self.writings)


def forms(value: str) -> Iterator[Form]:
    """Yield every form in which a secret may show."""
    for core in cores(value):
        folds = sum(char not in _AT_FOLDS for char in core) >= LINE_MINIMUM
        yield _form(
            [_writing(char, count, folds=folds) for char, count in _runs(core)], _spans(core)
        )
        yield from _base64_forms(core)


def cores(value: str) -> list[str]:
    """Return the texts that must not be seen: the value, its lines, the pieces of its password."""
    bare = value.strip()
    found = {bare, IGNORED.sub("", bare), *passwords(value)}
    found |= {line.strip() for line in value.splitlines() if len(line.strip()) >= LINE_MINIMUM}
    return sorted(each for each in found if len(each.strip()) >= MINIMUM)


# --- characters -----------------------------------------------------------------------------------


def _runs(core: str) -> Iterator[tuple[str, int]]:
    """Yield each character with 1, and runs of those that are doubled or escaped as one."""
    for char, group in groupby(core):
        count = len(list(group))
        together = _LONGEST_RUN if char in "'\"\\ \t\n" else 1
        while count > 0:
            yield char, min(count, together)
            count -= together


def _spans(core: str) -> list[tuple[str, int]]:
    """Return the parts that every program writes as they are, with the place of their writing."""
    found, at = [], 0
    for plain, group in groupby(_runs(core), key=lambda run: _is_plain(run[0])):
        part = list(group)
        if plain:
            found.append(("".join(char for char, _ in part), at))
        at += len(part)
    return found


def _is_plain(char: str) -> bool:
    return char.isascii() and char.isalnum()


_LATEX = {
    char: (f"\\text{word}{{}}", f"\\text{word} ", f"{{\\text{word}}}")
    for char, word in {
        "\\": "backslash",
        "~": "asciitilde",
        "^": "asciicircum",
        "<": "less",
        ">": "greater",
        "|": "bar",
    }.items()
}


@cache
def _writing(char: str, count: int, *, folds: bool) -> Writing:
    if _is_plain(char):
        return Writing([char * count])
    texts = [text * count for text in _texts(char)]
    if char == "'":  # dash writes the run at once, and opens no quote behind the last one
        slashed = "\\'" * count
        runs = (f'\'"{char * count}"', f'\'\\"{char * count}\\"', f"'{slashed}")
        texts += [*runs, *(f"{each}'" for each in runs)]
    if char == "\\":
        texts += [char * times for times in range(count, _DEEPEST * count + 1)]
    if char in " \t\n":  # words of a shell that nobody quoted
        texts.append(" ")
    if char == " ":  # YAML escapes the one that begins a line
        texts += [char * n + "\\" + char * (count - n) for n in range(count)]
        texts += [char * (count - 1)] if folds else []
    if char in "\t\n":  # GNU's programs open a quote of their own for all of them
        codes = f"\\{_LETTERS[char]}" * count
        texts += [f"'$'{codes}''", f"'$'{codes}", f"{codes}''"]
    if folds and char in _AT_FOLDS:  # where its line ends, a program may drop them, or seem to
        texts.append("")
    return Writing(texts)


def _texts(char: str) -> Iterator[str]:
    """Yield every text that stands for a character that is neither a letter nor a digit."""
    number = ord(char)
    if IGNORED.fullmatch(char):
        yield ""
    yield char
    yield from _dumped(char, number)
    if char.isascii() and char not in "\\\n":
        yield from ("\\" * times + char for times in range(1, _DEEPEST + 1))
    yield from _DOUBLED.get(char, ())
    yield from _LATEX.get(char, ())
    yield from _percent(char)
    yield from _html(char, number)
    if not char.isascii():
        yield from ("\ufffd" * times for times in range(1, len(_bytes(char)) + 1))
    for times in range(1, _DEEPEST + 1):
        slashes = "\\" * times
        yield from (f"{slashes}{letter}" for letter in _LETTERS.get(char, ""))
        yield from (f"{slashes}{code}" for code in _codes(number))
        yield "".join(f"{slashes}{code}" for code in _units(char, upper=False))
        yield "".join(f"{slashes}{code}" for code in _units(char, upper=True))
        yield "".join(f"{slashes}x{byte:02x}" for byte in _bytes(char))
        yield "".join(f"{slashes}x{byte:02X}" for byte in _bytes(char))
        yield "".join(f"{slashes}{byte:03o}" for byte in _bytes(char))


def _dumped(char: str, number: int) -> Iterator[str]:
    """Yield what Perl, Java, git, GNU's programs, cat -v and quoted-printable make of *char*."""
    yield from (f"{slashes}x{{{number:x}}}" for slashes in ("\\", "\\\\"))
    yield "".join(f"={byte:02X}" for byte in _bytes(char))
    yield "".join(map(_caret, _bytes(char)))
    if not char.isascii() and (name := unicodedata.name(char, "")):
        yield f"\\N{{{name}}}"
    if char == "!":
        yield "'\\!'"
    if char in _LETTERS or not char.isascii() or not char.isprintable():
        codes = ["".join(f"\\{byte:03o}" for byte in _bytes(char))]
        codes += [f"\\{letter}" for letter in _LETTERS.get(char, "")]
        yield from (f"{opened}{code}{shut}" for code in codes
                    for opened in ("'$'", "") for shut in ("''", "") if opened or shut)  # fmt: skip


def _caret(byte: int) -> str:
    """Return a byte as cat -v shows it."""
    if byte >= _HIGH:
        return f"M-{_caret(byte - _HIGH)}"
    return chr(byte) if _SPACE <= byte < _DELETE else f"^{chr(byte ^ 0x40)}"


_DOUBLED = {
    "'": ("''", "'\\''", "'\\\\''", "'\"'\"'", "'\\\"'\\\"'"),
    '"': ('""', '\\"\\"'),
    "%": ("%%",),
    "$": ("$$",),
    " ": ("+", "_"),
    "/": ("-",),
    "\n": ("\r\n", "\\r\\n", "%0D%0A", "%0d%0a"),
}
_LETTERS = {"\n": "n", "\t": "t", "\r": "r", "\b": "b", "\f": "f", "\v": "v", "\a": "a",
            "\x1b": "eE", "\0": "0",
            "\x85": "N", "\xa0": "_", "\u2028": "L", "\u2029": "P"}  # fmt: skip
_NAMED = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


def _bytes(char: str) -> bytes:
    return char.encode("utf-8", "surrogatepass")


def _units(char: str, *, upper: bool) -> list[str]:
    """Return the code units of UTF-16, as JSON and JavaScript write them."""
    raw = char.encode("utf-16-be", "surrogatepass")
    units = [int.from_bytes(raw[at : at + 2]) for at in range(0, len(raw), 2)]
    return [f"u{unit:04X}" if upper else f"u{unit:04x}" for unit in units]


def _codes(number: int) -> Iterator[str]:
    for digits in (f"{number:x}", f"{number:X}"):
        yield f"u{{{digits}}}"
        yield f"U{digits:0>8}"
        if number < _BYTE:
            yield f"x{digits:0>2}"


def _percent(char: str) -> Iterator[str]:
    for again in ("", "25", "2525"):
        yield "".join(f"%{again}{byte:02X}" for byte in _bytes(char))
        yield "".join(f"%{again}{byte:02x}" for byte in _bytes(char))
        if ord(char) < _BYTE:
            yield from (f"%{again}{ord(char):02X}", f"%{again}{ord(char):02x}")
    for upper in (False, True):
        yield "".join(f"%{unit}" for unit in _units(char, upper=upper))
        yield "".join(f"&#x{unit[1:]};" for unit in _units(char, upper=upper))


def _html(char: str, number: int) -> Iterator[str]:
    for again in ("", "amp;", "amp;amp;"):
        if char in _NAMED:
            yield from ("\\" * times + f"&{again}{_NAMED[char]};" for times in range(_DEEPEST))
            yield from (f"{amp}{again}{_NAMED[char]};" for amp in ("\\u0026", "\\\\u0026"))
        for zeros in ("", "0", "00"):
            yield f"&{again}#{zeros}{number};"
            for mark in "xX":
                yield from (f"&{again}#{mark}{zeros}{d};" for d in (f"{number:x}", f"{number:X}"))
                yield from (f"&{again}#{mark}{d:0>4};" for d in (f"{number:x}", f"{number:X}"))
                if char in "'\"":
                    slashes = ("\\" * times for times in range(1, _DEEPEST))
                    yield from (f"{each}&{again}#{mark}{zeros}{number:x};" for each in slashes)
            if char in "'\"":
                slashes = ("\\" * times for times in range(1, _DEEPEST))
                yield from (f"{each}&{again}#{zeros}{number};" for each in slashes)


# --- base64 ---------------------------------------------------------------------------------------


def _base64_forms(core: str) -> Iterator[Form]:
    """Yield what base64 makes of *core* wherever it stands in a longer text.

    At each of three offsets the first and the last character may mix with the neighbours' bits:
    every one that the secret's own bits allow is taken along, and the padding.
    """
    raw = core.encode(errors="surrogatepass")
    for offset in range(3):
        begin, end = 8 * offset, 8 * (offset + len(raw))
        encoded = base64.b64encode(b"\0" * offset + raw + b"\0\0").decode()
        first, last = -(-begin // 6), end // 6
        stable = encoded[first:last]
        if len(stable) < _BASE64_MINIMUM:
            continue
        writings = [_digit(char) for char in stable]
        if begin % 6:
            writings.insert(0, _mixed(encoded[begin // 6], 6 - begin % 6, low=True))
        if end % 6:
            writings += [_mixed(encoded[last], end % 6, low=False), _PADDING]
        spans, at = [], len(writings) - len(stable) - (2 if end % 6 else 0)
        for plain, group in groupby(stable, key=_is_plain):
            part = "".join(group)
            if plain:
                spans.append((part, at))
            at += len(part)
        yield _form(writings, spans)


@cache
def _digit(char: str) -> Writing:
    if _is_plain(char):
        return Writing([char])
    others = {"+": "-", "/": "_"}[char]
    return Writing([*_texts(char), others])


@cache
def _mixed(char: str, bits: int, *, low: bool) -> Writing:
    """Return the digits of base64 that share *bits* with *char*, the low ones or the high ones."""
    shift, mask = (0, (1 << bits) - 1) if low else (6 - bits, (1 << bits) - 1)
    own = _BASE64.index(char) >> shift & mask
    fits = [each for n, each in enumerate(_BASE64) if n >> shift & mask == own]
    others = [{"+": "-", "/": "_"}[each] for each in fits if each in "+/"]
    return Writing([*fits, *others, *(["%2B", "%2b"] if "+" in fits else []), ""])


_PADDING = Writing(["", "=", "==", "%3D", "%3D%3D", "%3d", "%3d%3d", "\\u003d", "\\u003d\\u003d"])


def _form(writings: list[Writing], spans: list[tuple[str, int]]) -> Form:
    needle, at = max(spans, key=lambda each: len(each[0]), default=("", 0))
    ahead = sum(each.longest for each in writings[:at])
    return Form(writings=tuple(writings), needle=needle if len(needle) > 1 else "", ahead=ahead)


# --- passwords of addresses -----------------------------------------------------------------------

_QUOTED = re.compile(r"(?<!\w)password\s*+=\s*+'((?:[^'\\]|\\.)*+)", re.DOTALL)
_BARE = re.compile(r"(?<!\w)password\s*+=\s*+([^'\s]\S*+)")


def passwords(value: str) -> set[str]:
    """Return the password of a URL or a libpq string, as written, as meant, and in its pieces.

    Programs cut an address at what they take for its marks, and show the pieces in their errors.
    """
    found = {re.sub(r"\\(.)", r"\1", each) for each in _QUOTED.findall(value)}
    found |= {*_QUOTED.findall(value), *_BARE.findall(value)}
    if "://" in value:
        whole = url_password(value.strip())
        for written in {whole, unquote(whole)}:
            pieces = re.split(r"[@/:#?]", written)
            found |= {written, *(each for each in pieces if len(each) >= MINIMUM)}
        with suppress(ValueError):
            given = parse_qsl(urlsplit(value).query)
            found |= {each for name, each in given if name == "password"}
    return {each for each in found if each}


def url_password(url: str) -> str:
    """Return what stands between the first colon of a URL's user part and its last ``@``.

    An ``@`` in a parameter's value is none of the user part's, where the rest reads as an address.
    """
    rest = url.split("://", 1)[1]
    head = rest.split("?", 1)[0]
    query = rest[len(head) + 1 :]
    plain = ("@" in head and not any(mark in query for mark in "@")) or _is_query(query, head)
    part = head if plain else rest
    return part.rpartition("@")[0].partition(":")[2]


def _is_query(query: str, head: str) -> bool:
    """Return whether what follows a ``?`` is a list of parameters, and no part of a password."""
    return "@" in head and all(re.fullmatch(r"\w[\w.-]*+=.*", each) for each in query.split("&"))


# --- literal forms --------------------------------------------------------------------------------


def patterns(value: str) -> frozenset[str]:
    """Return the usual forms of a secret as texts, for others who mask by texts alone."""
    found = {form for core in cores(value) for form in _literal(core)}
    return frozenset(each for each in {value, *found} if len(each) >= MINIMUM)


def _literal(core: str) -> set[str]:
    quoted = {quote(core, safe=safe) for safe in ("", "/", "!'()*~")} | {quote_plus(core)}
    in_json = {json.dumps(core, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    in_shell = {shlex.quote(core), shlex.quote(core).strip("'"), repr(core)[1:-1]}
    encoded = {_stable(core, offset) for offset in range(3)}
    return {core, *quoted, *in_json, *in_shell, *encoded}


def _stable(core: str, offset: int) -> str:
    raw = core.encode(errors="surrogatepass")
    begin, end = 8 * offset, 8 * (offset + len(raw))
    stable = base64.b64encode(b"\0" * offset + raw + b"\0\0").decode()[-(-begin // 6) : end // 6]
    return stable if len(stable) >= _BASE64_MINIMUM else ""
