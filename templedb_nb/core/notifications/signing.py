"""Signatures of webhooks, as Standard Webhooks has them: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""A key has so many bytes."""


def key_bytes(text: str) -> bytes:
    """Return the key that *text* stands for, or raise `ValueError` with what is wrong."""
    bare = text.strip().removeprefix(PREFIX)
    try:
        found = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise ValueError(f"a signing key is {PREFIX} and base64") from None
    if not SHORTEST <= len(found) <= LONGEST:
        raise ValueError(f"a signing key has {SHORTEST} to {LONGEST} bytes, not {len(found)}")
    return found


def signed_headers(event: str, seconds: int, body: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    """Return the headers that prove a body: a signature of each key, while keys rotate."""
    content = f"{event}.{seconds}.".encode() + body
    marks = (base64.b64encode(hmac.digest(key, content, hashlib.sha256)) for key in keys)
    signatures = " ".join(f"v1,{each.decode()}" for each in marks)
    head = {"webhook-id": event, "webhook-timestamp": str(seconds)}
    return head | ({"webhook-signature": signatures} if signatures else {})
