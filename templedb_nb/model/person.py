"""Names of people as nobody verified them: who is the same person under two spellings."""

from __future__ import annotations

import unicodedata


def folded(name: str) -> str:
    """Return the form in which unverified names are compared.

    Case, Unicode's composed, decomposed and compatible letters (full width, ligatures), white space
    at the ends or repeated within, and characters that nobody sees tell no two people apart.
    """
    seen = "".join(c for c in name if c.isspace() or unicodedata.category(c) not in {"Cc", "Cf"})
    bare = " ".join(seen.split())
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", bare).casefold())
