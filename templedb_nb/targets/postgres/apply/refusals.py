"""What is said of a statement, or of a COMMIT, that the server refused."""

from __future__ import annotations

import psycopg

from templedb_nb.core.sql.tokens import Statement
from templedb_nb.errors import StatementFailed
from templedb_nb.targets.error_hints import explained, in_the_way, meaning
from templedb_nb.targets.postgres.apply.attempt import Attempt
from templedb_nb.targets.postgres.connection.connect import first_line
from templedb_nb.targets.postgres.connection.wire import Link

_OF_THE_LEDGER = ("42", "23")
"""Classes of errors that a row of ours meets only where the ledger is not what we made."""
_RIGHTS = "templedb target ledger-sql --role ROLE prints the GRANTs for the owner of the ledger"
_DAMAGED = (
    "somebody changed the ledger (schema templedb), and nothing of the file was applied: templedb"
    " migration restore-ledger --reason WHY makes what is missing of it again"
)


def failed_at_commit(attempt: Attempt, error: psycopg.Error | None) -> StatementFailed:
    """Return the error for a COMMIT that the server refused: deferred constraints, for one."""
    said = first_line(error) if error else "the server rolled back in place of a COMMIT"
    sqlstate = error.sqlstate if error else None
    schema = error.diag.schema_name if error else None
    refused = StatementFailed(
        f"{said} (at COMMIT)",
        statement=-1,
        line=0,
        column=0,
        sqlstate=sqlstate,
        detail=(error.diag.message_detail or "") if error else "",
        hint=explained(sqlstate, said, attempt.step.file, schema),
    )
    refused.passing = in_the_way(sqlstate, said, schema)
    return refused


def statement_failed(
    link: Link, attempt: Attempt, index: int, error: psycopg.Error, *, stands: str = ""
) -> StatementFailed:
    """Return the error for the statement of that index, with its place in the file.

    *stands* says what of the file remains; where it is empty, nothing does.
    """
    script = attempt.script
    statement = script.statements[index] if index >= 0 else None
    offset = _offset(statement, error)
    line, column = script.position(offset) if statement else (0, 0)
    diag = error.diag
    said = message = first_line(error)
    if index < 0:
        message = f"the ledger refused its row: {message}"
    if link.lost:
        what = "the connection was lost" + ("" if stands else ", and the server rolled back")
        message = f"{what}: {message}"
    told = explained(error.sqlstate, said, attempt.step.file, diag.schema_name, statement)
    if stands:
        known = meaning(error.sqlstate, said, diag.schema_name, statement)
        told = "; ".join(each for each in (known, stands) if each)
    if index < 0 and (error.sqlstate or "")[:2] in _OF_THE_LEDGER:
        told = _RIGHTS if error.sqlstate == "42501" else _DAMAGED
    refused = StatementFailed(
        message,
        statement=index,
        line=line,
        column=column,
        sqlstate=error.sqlstate,
        detail="\n".join(each for each in (diag.message_detail, diag.context) if each),
        hint=" ".join(each for each in (diag.message_hint, told) if each),
        changed=bool(stands),
    )
    refused.passing = in_the_way(error.sqlstate, said, diag.schema_name)
    return refused


def _offset(statement: Statement | None, error: psycopg.Error) -> int:
    found = error.diag.statement_position
    return statement.start + (int(found) - 1 if found else 0) if statement else 0
