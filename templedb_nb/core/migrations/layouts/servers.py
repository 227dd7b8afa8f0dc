"""Which database server a file or folder is for, as far as its name says that.

``1_a.sqlite.sql`` is for another server; ``1_a.postgres.up.sql`` stands for ``1_a.up.sql`` beside
it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from templedb_nb.core.migrations.layouts.placing import Placed, complaint, joined, last, parent
from templedb_nb.model.finding import Finding

OTHERS = frozenset(
    {"mysql", "mariadb", "sqlite", "sqlite3", "mssql", "sqlserver", "oracle", "h2", "hsqldb",
     "derby", "db2", "clickhouse", "snowflake", "bigquery", "cassandra", "spanner", "redshift",
     "cockroach", "cockroachdb", "crdb", "scylla", "tidb", "ydb", "firebird"}
)  # fmt: skip
"""Servers that templedb does not deploy to."""
_OWN = frozenset({"postgres", "postgresql", "pg", "pgsql", "psql"})
_SUFFIX = re.compile(
    r"(?P<stem>.+)\.(?P<server>(?!(?:up|down|do|undo|autocommit)\.)[A-Za-z]\w*)"
    r"(?P<way>(?:\.autocommit)?(?:\.(?:up|down|do|undo))?\.sql)",
    re.IGNORECASE,
)


def other_server(path: str) -> str:
    """Return the other server that a file is for by its name; nothing if it names none."""
    found = _SUFFIX.fullmatch(last(path))
    return found["server"] if found and found["server"].lower() in OTHERS else ""


def stands_for(path: str) -> str:
    """Return the path of the general form of a file that is for PostgreSQL by its name."""
    found = _SUFFIX.fullmatch(last(path))
    if found is None or found["server"].lower() not in _OWN:
        return ""
    return general(joined(parent(path), found["stem"] + found["way"]))


def general(path: str) -> str:
    """Return the path of a form without pop's word for one that runs without a transaction."""
    return path.replace(".autocommit.", ".")


def complaints(placed: Sequence[Placed], known: AbstractSet[str]) -> Iterator[Finding]:
    """Yield an error for each migration that another file, or another server, is meant for.

    What is in the ledger was meant.
    """
    special = {stands_for(each.path): each.path for each in placed}
    for each in placed:
        if each.path in known or each.key in known:
            continue
        mend = (
            f'if it is not to run, add "!{each.path}" to file_patterns; else an order_file lists it'
        )
        if server := other_server(each.path):
            yield complaint(each.path, f"is for {server} by its name", mend)
        elif own := special.get(general(each.path)):
            yield complaint(each.path, f"has a form for PostgreSQL beside it: {own}", mend)
