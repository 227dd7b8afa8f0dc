r"""A file that psql reads by \i and that makes the transaction read-only is found by the plan."""

from __future__ import annotations

import pytest

from templedb_nb.core.migrations.script import read_script
from templedb_nb.core.sql.psql_includes import refusals
from tests.conftest import MIGRATIONS, Shop

PSQL = {**MIGRATIONS, "executor": "psql"}


@pytest.mark.parametrize(
    "asked",
    [
        "SET TRANSACTION READ ONLY;",
        "set transaction isolation level serializable, read only;",
        "SET LOCAL transaction_read_only = on;",
        "BEGIN READ ONLY;",
        "START TRANSACTION READ ONLY;",
    ],
)
@pytest.mark.parametrize("how", [r"\i parts/first.sql", r"\ir ../parts/first.sql"])
def test_plan_refuses_an_included_file_that_makes_the_transaction_read_only(
    shop: Shop, asked: str, how: str
) -> None:
    shop.config(PSQL)
    shop.terminal.file("app/parts/first.sql", f"-- the first part\n{asked}\n")
    shop.migration("003.sql", f"{how}\nCREATE TABLE three (id int);\n")
    said = shop.terminal("deploy", "plan", "app", code=78).text
    assert "parts/first.sql:2: a read-only transaction cannot record its step" in said
    assert "included by migrations/003.sql" in said
    shop.run(code=78)
    assert shop.pg.tables() == []


def test_plan_refuses_what_psql_takes_in_the_own_file_alone(shop: Shop) -> None:
    shop.config(PSQL)
    shop.terminal.file(
        "app/parts/first.sql",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\nSET TRANSACTION DEFERRABLE;\n",
    )
    shop.migration("003.sql", "\\i parts/first.sql\nCREATE TABLE three (id int);\n")
    said = shop.run(code=78).text
    assert "psql takes this SET TRANSACTION DEFERRABLE in the migration's own file alone" in said


def test_plan_takes_an_included_isolation_level(shop: Shop) -> None:
    shop.config(PSQL)
    shop.terminal.file("app/parts/first.sql", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n")
    shop.migration("003.sql", "\\i parts/first.sql\nCREATE TABLE three (id int);\n")
    shop.run()
    assert "three" in shop.pg.tables()


def test_refusals_are_found_in_includes_of_includes_and_behind_queries() -> None:
    files = {
        "a.sql": "SELECT 1;\n\\i b.sql\n",
        "b.sql": "\\ir b.sql\n\\i missing.sql\nSELECT 2;\nSET TRANSACTION READ ONLY;\n",
    }
    script = read_script(files["a.sql"].encode(), None)
    found = [(each.file, each.line) for each in refusals(script, "a.sql", files.get)]
    assert found == [("b.sql", 4)]


def test_nothing_is_said_of_what_psql_may_leave_out() -> None:
    files = {"a.sql": "\\if :old\n\\i b.sql\n\\endif\n", "b.sql": "SET TRANSACTION READ ONLY;\n"}
    script = read_script(files["a.sql"].encode(), None)
    assert list(refusals(script, "a.sql", files.get)) == []
