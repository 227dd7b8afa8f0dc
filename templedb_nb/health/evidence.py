"""What is kept of an answer: masked whole, then cut, and fit for a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from templedb_nb.model.health import EVIDENCE

Mask = Callable[[str], str]

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_HIDDEN = frozenset({"set-cookie", "set-cookie2", "authorization", "proxy-authenticate"})
"""Headers whose values are nobody's business: a session that the answer opened."""
_MESSAGE = 500


def of_http(answer: Mapping[str, Any] | None, mask: Mask) -> str:
    """Return the head and the body of an answer as far as they are kept."""
    if answer is None:
        return ""
    lines = [f"HTTP {answer['status']} {answer['reason']}".rstrip()]
    for name, value in answer["headers"]:
        lines.append(f"{name}: {'***' if name.lower() in _HIDDEN else value}")
    return kept("\n".join([*lines, "", answer["text"]]).rstrip(), mask)


def kept(text: str, mask: Mask, *, last: bool = False) -> str:
    """Return the beginning of *text*, or its end, in at most `EVIDENCE` bytes.

    It is masked before it is cut: half of a secret is not found any more.
    """
    raw = plain(mask(text)).encode("utf-8", "replace")
    if len(raw) <= EVIDENCE:
        return raw.decode()
    room = EVIDENCE - len("…".encode())
    cut = raw[-room:] if last else raw[:room]
    left = cut.decode("utf-8", "ignore")
    return f"…{left}" if last else f"{left}…"


def message(text: str, mask: Mask) -> str:
    """Return a sentence of one line, masked, and no longer than people read."""
    whole = plain(mask(text)).replace("\n", " ")
    return whole if len(whole) <= _MESSAGE else f"{whole[:_MESSAGE]}…"


def plain(text: str) -> str:
    """Return *text* without what would drive a terminal or turn its line around."""
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n"))
