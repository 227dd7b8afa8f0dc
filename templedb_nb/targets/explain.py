"""What a server's error means for a migration, and what mends it."""

from __future__ import annotations

_MEANINGS = {
    "55P04": "a new enum value cannot be used in the transaction that adds it:"
    " move its use to a migration of its own",
    "25001": "the statement cannot run in a transaction, and every migration of this version does",
    "55P03": "another session held a lock for longer than 5 s, at every try:"
    " look at pg_stat_activity, then run again",
    "40P01": "it deadlocked with another session at every try:"
    " run again when there is less traffic",
    "42501": "the role lacks a right: grant it, or deploy with another role",
    "25006": "the server or the role is read-only",
    "2D000": "a procedure or DO block ended the transaction: take the COMMIT or ROLLBACK out",
}


def explained(sqlstate: str | None, file: str) -> str:
    """Return the mend of an error class, or how to go on from any other."""
    return _MEANINGS.get(sqlstate or "", f"mend {file} and run again: nothing of it was applied")
