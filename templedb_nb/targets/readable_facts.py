"""Facts that somebody wrote into a ledger by hand: what cannot be read is named, not guessed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from templedb_nb.errors import LedgerRefused
from templedb_nb.model.serialization import from_plain, to_plain


@contextmanager
def fact(key: str) -> Iterator[None]:
    """Turn what reading the text of a fact raises into an error that names the fact."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError):
        message = f"the fact {key} of the ledger cannot be read: somebody wrote it by hand"
        hint = "as the owner of the ledger, correct or delete that row of table templedb.meta"
        raise LedgerRefused(message, hint=hint) from None


def of_kind(kind: type[Any], text: str) -> Any:
    """Return the value that a text says; each item must be of the kind that its default is of."""
    plain = json.loads(text)
    usual: Any = to_plain(kind())
    if wrong := [name for name in plain if type(plain[name]) is not type(usual.get(name))]:
        raise TypeError(", ".join(wrong))
    return from_plain(kind, plain)
