r"""A file that psql reads by \i and that makes the transaction read-only is found by the plan."""

from __future__ import annotations

import re

import pytest

from templedb_nb.core.migrations.script import read_script
from templedb_nb.core.sql.psql_includes import refusals, warnings
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


LEVEL = "SELECT set_config('default_transaction_isolation', 'serializable', false);"


def told(**files: str) -> list[tuple[str, int, str]]:
    """Return what is said of `a`, which may include the others."""
    found = warnings(files["a"], "a", files.get)
    return [(each.file, each.line, re.split(" has | ends ", each.message)[0]) for each in found]


@pytest.mark.parametrize("setting", ["SET default_transaction_isolation = 'serializable';", LEVEL])
def test_setting_for_later_transactions_is_found_in_an_included_file(setting: str) -> None:
    by_query = "set_config('default_transaction_isolation')"
    name = by_query if setting == LEVEL else "SET default_transaction_isolation"
    assert told(a="\\i b\n", b=f"SELECT 1;\n{setting}\n") == [("b", 2, name)]
    assert told(a="\\i b\n", b="\\ir c\n", c=setting) == [("c", 1, name)]
    assert told(a=setting) == []  # its own plan says so


@pytest.mark.parametrize(
    "end", ["COMMIT", "END", "ROLLBACK", "ABORT WORK", "PREPARE TRANSACTION 'x'"]
)
def test_end_of_the_transaction_is_found_in_an_included_file(end: str) -> None:
    """Behind it there are other transactions, for which a setting has its effect."""
    assert told(a="\\i b\n", b=f"{LEVEL}\n{end};\n") == [("b", 2, end.split(maxsplit=1)[0])]


@pytest.mark.parametrize(
    "text",
    ["ROLLBACK TO SAVEPOINT x;", "ROLLBACK WORK TO x;", "COMMIT PREPARED 'x';",
     "DO $$ BEGIN COMMIT; END $$;", "SELECT set_config('work_mem', '1MB', false);",
     "SELECT set_config('default_transaction_isolation', 'default', false);",
     "SELECT set_config(name, 'serializable', false) FROM settings;",
     "SELECT set_config('default_transaction_isolation');"],
)  # fmt: skip
def test_nothing_is_said_of_what_ends_no_transaction_and_sets_none(text: str) -> None:
    assert told(a="\\i b\n", b=text) == []


def test_plan_warns_of_what_an_included_file_does_to_the_transaction(shop: Shop) -> None:
    shop.config(PSQL)
    shop.terminal.file("app/parts/first.sql", f"SELECT 1;\n{LEVEL}\n")
    shop.terminal.file("app/parts/second.sql", "COMMIT;\n")
    shop.migration("003.sql", "\\i parts/first.sql\nCREATE TABLE three (id int);\n")
    shop.migration("004.sql", "\\i parts/second.sql\nCREATE TABLE four (id int);\n")
    said = shop.terminal("deploy", "plan", "app").text
    assert "parts/first.sql:2: set_config('default_transaction_isolation') has no effect" in said
    assert "included by migrations/003.sql" in said
    assert "parts/second.sql:1: COMMIT ends the transaction" in said
