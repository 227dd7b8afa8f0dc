"""Who may sign approvals: the lines of an allowed_signers file, as ssh-keygen reads it.

A line is ``NAME [OPTIONS] KEYTYPE KEY [COMMENT]``. Of what ssh-keygen would take, this refuses
what would let one key speak for two people.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

_WORD = re.compile(r'(?:"[^"]*"|[^\s"])+')
_KEY_TYPE = re.compile(r"(?:sk-)?(?:ssh|ecdsa)-[A-Za-z0-9@.-]+")
_PATTERN = re.compile(r"[*?!,\"]")
_AUTHORITY = "cert-authority"


def signers(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the lines of *text* in one form, sorted, and what is wrong with them.

    Comments and empty lines say nothing, and are left out.
    """
    lines: dict[str, None] = {}
    problems: list[str] = []
    owners: dict[str, str] = {}
    for number, name, options, key in _read(text.splitlines(), problems):
        if key in owners and _AUTHORITY not in options:
            problems.append(f"line {number}: {owners[key]} has this key already")
        owners.setdefault(key, name)
        lines[" ".join(part for part in (name, options, key) if part)] = None
    return tuple(sorted(lines)), tuple(problems)


def _read(lines: Sequence[str], problems: list[str]) -> Iterator[tuple[int, str, str, str]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, *words = _WORD.findall(line)
        options = words.pop(0) if words and not _KEY_TYPE.fullmatch(words[0]) else ""
        if _PATTERN.search(name):
            problems.append(f"line {number}: {name} is a pattern or a list: name one person a line")
        elif len(words) < 2 or not _is_key(words[0], words[1]):  # noqa: PLR2004 - type and key
            problems.append(f"line {number}: it is not NAME [OPTIONS] KEYTYPE KEY")
        else:
            yield number, name, options, f"{words[0]} {words[1]}"


def _is_key(kind: str, body: str) -> bool:
    """Return whether the key's own bytes begin with its type."""
    try:
        raw = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return False
    length = int.from_bytes(raw[:4])
    return bool(_KEY_TYPE.fullmatch(kind)) and raw[4 : 4 + length] == kind.encode()


def names(lines: Sequence[str]) -> tuple[str, ...]:
    """Return who may sign, each once."""
    return tuple(dict.fromkeys(line.split(" ", 1)[0] for line in lines))
