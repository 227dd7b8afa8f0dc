"""A step that breaks around its message: the exit code and history say what the ledger has."""

from __future__ import annotations

import pytest

from tests.conftest import Shop

ONE = "INSERT INTO users VALUES (7);\n"
STEPS = f"{ONE}VACUUM users;\nCREATE INDEX CONCURRENTLY users_id ON users (id);\n"


@pytest.mark.parametrize(
    ("sql", "point", "code", "state"),
    [
        (ONE, "apply.commit-sent:error", 12, "applied"),
        (ONE, "apply.committed:drop", 0, "applied"),
        (ONE, "apply.ran:error", 10, None),
        (STEPS, "stepwise.commit-sent:error", 12, "running"),
        (STEPS, "stepwise.ended:drop", 0, "applied"),
        (STEPS, "alone.sent:error", 12, "running"),
        (STEPS, "alone.counted:drop", 12, "running"),
    ],
)
def test_exit_code_is_that_of_the_ledger_when_a_step_breaks_around_its_message(
    shop: Shop, sql: str, point: str, code: int, state: str | None
) -> None:
    shop.run()
    shop.migration("003.sql", sql)
    shop.terminal.set(TEMPLEDB_FAILPOINT=point)
    process = shop.terminal.process("deploy", "run", "app")
    said = process.communicate(timeout=60)
    shop.terminal.set(TEMPLEDB_FAILPOINT="")
    assert process.returncode == code, said
    found = shop.pg.query("SELECT state FROM templedb.migration WHERE key LIKE '%003%'")
    assert found == ([(state,)] if state else [])
    row = shop.terminal("deploy", "history", "app", "--last", "1", "--json").json[-1]["rows"][0]
    assert (row["exit_code"], row["outcome"]) == (code, "succeeded" if code == 0 else "failed")
    ended = shop.pg.query("SELECT state FROM templedb.run ORDER BY started_at DESC LIMIT 1")
    assert code or ended == [("succeeded",)]
    shop.run()
    assert shop.pg.query("SELECT id FROM users") == [(7,)]
