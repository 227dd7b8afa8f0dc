"""What is kept of a migration's text in a ledger, and compared with its file later."""

from __future__ import annotations

from templedb_nb.core.migrations.layouts.readers import parts
from templedb_nb.core.secrets.sql_passwords import redacted
from templedb_nb.model.layout import Reading
from templedb_nb.model.serialization import Digest

LONGEST = 1 << 20
"""Of a longer text its SHA-256 is kept."""


def own_text(text: str, reading: Reading | None) -> str:
    """Return the text of one migration of a file that holds several; of any other all of it."""
    return _part(text, reading) or text


def without_passwords(text: str, reading: Reading | None) -> str:
    """Return the migration's own text without the passwords that stand in its file.

    The whole file is searched: another migration of it may tell what is a password.
    """
    if reading is None or not reading.part:
        return redacted(text)
    whole = redacted(text, asked_again=True)
    return _part(whole, reading) or redacted(own_text(text, reading))


def kept_text(text: str, reading: Reading | None, address: Digest) -> str:
    """Return what a ledger keeps of a migration: its own text, or *address* of a long one."""
    if len(own_text(text, reading)) > LONGEST:
        return f"sha256:{address}"
    return without_passwords(text, reading)


def _part(text: str, reading: Reading | None) -> str:
    return parts(text, reading).own if reading is not None and reading.part else ""
