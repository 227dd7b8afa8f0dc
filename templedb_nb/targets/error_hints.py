"""What a server's error means for a migration, and what fixes it."""

from __future__ import annotations

from templedb_nb.core.sql.tokens import Statement
from templedb_nb.core.sql.transaction_settings import opening

_CROSSED = frozenset({"tuple concurrently updated", "tuple concurrently deleted"})
"""Two sessions changed one row of a catalog. Servers say it in English whatever lc_messages is."""
_CATALOG = "pg_catalog"
"""The schema in which a unique violation (23505) means that two sessions made one object."""
_IN_THE_WAY = frozenset({"55P03", "40P01", "40001"})
"""A wait for a lock that lasted too long, a deadlock, a serialization failure."""
_MEANINGS = {
    "55P04": "a new enum value cannot be used in the transaction that adds it:"
    " move its use to a migration of its own",
    "55P03": "another session held a lock for longer than lock_timeout (5 s unless the file says"
    " otherwise): look at pg_stat_activity, then run again",
    "40P01": "it deadlocked with another session: run again when there is less traffic",
    "40001": "other sessions changed the same rows: run again when there is less traffic",
    "42501": "the role lacks a right: grant it, or deploy with another role",
    "25006": "the server or the role is read-only, or a statement of the file made it so",
    "2D000": "a procedure or DO block ended the transaction: take the COMMIT or ROLLBACK out",
}
_LATE = (
    "it comes too late: put it before the first statement of its transaction that reads or writes"
)
_INSIDE = "no function and no DO block can run it: write the statement itself into the file"
_ALONE = (
    "the server refuses it in a transaction. It runs outside of one if the file has no BEGIN and"
    " COMMIT around it, and one of these lines above it: -- templedb:probe SELECT …, which is true"
    " once it took effect, or -- templedb:idempotent, if it may run twice"
)


def in_the_way(sqlstate: str | None, message: str, schema: str | None = None) -> bool:
    """Return whether other sessions alone made it fail, so that another try may pass.

    *schema* is where the server says that the violated constraint is.
    """
    return sqlstate in _IN_THE_WAY or _crossed(sqlstate, message, schema)


def _crossed(sqlstate: str | None, message: str, schema: str | None) -> bool:
    """Return whether another session changed, dropped or made the same object meanwhile.

    A name that was taken before has an error of its own (42P07, 42710); one that another session
    took while the statement ran is a unique violation of the catalog, also behind IF NOT EXISTS.
    """
    if sqlstate == "23505":
        return schema == _CATALOG
    return sqlstate == "XX000" and message in _CROSSED


def meaning(
    sqlstate: str | None,
    message: str,
    schema: str | None = None,
    statement: Statement | None = None,
) -> str:
    """Return what an error means and what fixes it, or nothing where it speaks for itself."""
    if _crossed(sqlstate, message, schema):
        return "another session changed the same object: run again when it is done"
    if sqlstate == "25001" and statement is not None:
        return _in_transaction(statement)
    return _MEANINGS.get(sqlstate or "", "")


def explained(
    sqlstate: str | None,
    message: str,
    file: str,
    schema: str | None = None,
    statement: Statement | None = None,
) -> str:
    """Return the hint for an error, or how to go on from any other."""
    known = meaning(sqlstate, message, schema, statement)
    return known or f"fix {file} and run again: nothing of it was applied"


def _in_transaction(statement: Statement) -> str:
    """Say why a transaction refused a statement (25001), and what to do."""
    if opening(statement) is not None:
        return _LATE
    calls = {"SELECT", "DO", "WITH", "INSERT", "UPDATE", "DELETE", "CALL", "EXECUTE", "VALUES"}
    return _INSIDE if statement.tokens[0].upper in calls else _ALONE
