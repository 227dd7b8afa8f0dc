"""What DuckDB does not do in a transaction is told with what does it."""

from __future__ import annotations

import pytest

from tests.app.recovery.test_lost_after_death import duck, in_duck
from tests.conftest import Terminal

__all__ = ["duck"]
REFUSED = {
    "CREATE INDEX CONCURRENTLY users_id ON users (id); VACUUM;": "in a transaction of PostgreSQL",
    "DROP INDEX CONCURRENTLY users_id;": "leave out CONCURRENTLY, which changes nothing in DuckDB",
    "VACUUM;": "leave out VACUUM, which does nothing in DuckDB; for statistics, write ANALYZE",
}
FAILED = {
    "ALTER TABLE users ADD COLUMN note text; UPDATE users SET note = 'x';"
    " ALTER TABLE users ALTER note SET NOT NULL;": "move the statement behind the UPDATE",
    "UPDATE users SET id = 2; CREATE INDEX users_id ON users (id);": "move the statement behind",
    "CHECKPOINT;": "leave out CHECKPOINT",
    "FORCE CHECKPOINT;": "leave out CHECKPOINT",
    "ATTACH ':memory:' AS other; CREATE TABLE other.x (i int); INSERT INTO users VALUES (2);": (
        "write to one database in each migration"
    ),
}
MENDED = (
    "ANALYZE;\n",
    "ALTER TABLE users ADD COLUMN note text;\nUPDATE users SET note = 'x';\n",
    "ALTER TABLE users ALTER note SET NOT NULL;\n",
)


@pytest.mark.parametrize("sql", REFUSED)
def test_statement_that_duckdb_needs_not_is_refused_with_what_to_write(
    sql: str, duck: Terminal
) -> None:
    duck.file("app/migrations/003.sql", f"{sql}\n")
    assert REFUSED[sql] in duck("deploy", "run", "app", code=78).text


@pytest.mark.parametrize("sql", FAILED)
def test_failure_says_what_duckdb_does_in_place_of_it(sql: str, duck: Terminal) -> None:
    in_duck(duck, "INSERT INTO users VALUES (1)")
    duck.file("app/migrations/003.sql", f"{sql}\n")
    said = duck("deploy", "run", "app", code=10).text
    assert FAILED[sql] in said
    assert "nothing of it was applied" in said


def test_concurrent_index_is_made_in_the_transaction_of_its_file(duck: Terminal) -> None:
    concurrently = "CREATE UNIQUE INDEX CONCURRENTLY users_id ON users (id);\n"
    duck.file("app/migrations/003.sql", f"ALTER TABLE users ADD COLUMN note text;\n{concurrently}")
    planned = duck("deploy", "plan", "app").out
    assert "cannot run in a transaction" not in planned
    in_duck(duck, "INSERT INTO users VALUES (1), (1)")
    said = duck("deploy", "run", "app", code=10).text
    assert "nothing of it was applied" in said
    in_duck(duck, "DELETE FROM users")
    duck("deploy", "run", "app")
    found = in_duck(
        duck, "SELECT index_name, is_unique FROM duckdb_indexes() WHERE index_name = 'users_id'"
    )
    assert found == [("users_id", True)]
    rows = in_duck(
        duck, "SELECT state, step_done = steps FROM templedb.migration WHERE key LIKE '%003%'"
    )
    assert rows == [("applied", True)]
    assert "no migration was pending" in duck("deploy", "run", "app").text


def test_what_the_hints_say_is_applied(duck: Terminal) -> None:
    in_duck(duck, "INSERT INTO users VALUES (1)")
    for number, sql in enumerate(MENDED, start=3):
        duck.file(f"app/migrations/{number:03}.sql", sql)
    duck("deploy", "run", "app")
    assert in_duck(duck, "SELECT * FROM users") == [(1, "x")]
