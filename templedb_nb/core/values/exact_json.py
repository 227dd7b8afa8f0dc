"""JSON read without a loss, or refused: Python has no two equal keys, and rounds numbers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any  # Any: JSON of anybody


def exact_json(text: str) -> Any:
    """Return what *text* holds. Raises `ValueError`, which says what Python cannot hold."""
    try:
        found = json.loads(text, parse_float=_number, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    try:
        text.encode() if "\\u" not in text else json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is not a character") from None
    return found


def _number(text: str) -> float:
    found = float(text)
    if Decimal(text) != Decimal(repr(found)):
        raise ValueError(f"the number {text} has more digits than a float")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(key for n, (key, _) in enumerate(pairs) if key in dict(pairs[:n]))
        raise ValueError(f"the key {twice!r} appears twice")
    return made
