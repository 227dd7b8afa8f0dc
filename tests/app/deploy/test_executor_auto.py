"""`executor: auto`: psql runs the files that only psql can run, and the plan says which."""

from __future__ import annotations

import pytest

from templedb_nb.core.migrations.script import read_script
from templedb_nb.model.config import Executor
from tests.conftest import MIGRATIONS, Shop


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("SELECT 1;", "native"),
        ("\\set ON_ERROR_STOP on\nSELECT 1;", "native"),
        ("\\unset x\nSELECT 1;", "psql"),
        ("\\copy t FROM 'data.csv' csv\n", "psql"),
        ("\\i other.sql\n", "psql"),
        ("COPY t TO STDOUT;", "psql"),
        ("SELECT '\\i other.sql'; -- \\copy\n", "native"),
        ("COPY t FROM stdin;\n\\i x\n\\.\n", "native"),
    ],
)
def test_file_is_sent_by_psql_when_only_psql_can(text: str, sender: str) -> None:
    script = read_script(text.encode())
    assert script.sender(Executor.AUTO) == sender
    assert script.sender(Executor.NATIVE) == "native"
    assert script.sender(Executor.PSQL) == "psql"
    assert script.problems_for(Executor.AUTO) == ()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\\c other\n", "leaves the target's database"),
        ("\\copy t FROM 'a'\n\\q\nSELECT 1;", "\\q ends the file here: what follows would count"),
        ("SELECT 1;\n\\quit\n\\i b.sql\n", "\\quit ends the file here"),
        (
            "\\i a.sql\nCREATE INDEX CONCURRENTLY i ON t (id);",
            "psql runs a file in one transaction",
        ),
        ("\\unset x\nSELECT 1;\n-- templedb:down\nSELECT 2;", "only a part of this one"),
    ],
)
def test_file_is_refused_when_nobody_can_send_it(text: str, shown: str) -> None:
    (said,) = read_script(text.encode()).problems_for(Executor.AUTO)
    assert shown in said.message
    assert "executor: psql" not in said.mend


def test_file_may_end_in_the_command_that_ends_it() -> None:
    assert read_script(b"SELECT 1;\n\\q\n").problems_for(Executor.AUTO) == ()


def test_group_has_both_when_single_files_need_psql(shop: Shop) -> None:
    shop.migration("003_copied.sql", "\\unset x\n\\copy orders FROM 'data.csv' csv\n")
    shop.migration("004_later.sql", "CREATE INDEX CONCURRENTLY late ON orders (id);\n")
    shop.terminal.file("app/data.csv", "2\n3\n")
    shop.config({**MIGRATIONS, "executor": "auto"})
    plan = shop.terminal("deploy", "plan", "app").out
    assert "003_copied.sql:1: psql runs it: \\unset is a psql command" in plan
    rows = {each.split()[-1]: each for each in plan.splitlines() if "psql" in each.split()}
    assert len([each for each in plan.splitlines() if "  psql" in each]) == 1, rows
    shop.run()
    assert shop.pg.query("SELECT id FROM orders ORDER BY id") == [(1,), (2,), (3,)]
    assert shop.pg.query("SELECT count(*) FROM pg_indexes WHERE indexname = 'late'") == [(1,)]


def test_plan_is_refused_when_a_migration_is_a_part_of_another_too(shop: Shop) -> None:
    """Its rows would be written twice: by itself, and by the file that includes it."""
    again = "-- templedb:repeatable\nCREATE OR REPLACE VIEW v AS SELECT 1 AS x;\n"
    shop.migration("v.sql", again)
    shop.migration("003_once.sql", "INSERT INTO orders VALUES (7);\n")
    shop.migration("004_all.sql", "\\ir v.sql\n\\ir 003_once.sql\n")
    shop.config({**MIGRATIONS, "executor": "auto"})
    said = shop.run(code=78).text
    told = "migrations/003_once.sql: is a migration of its own, and migrations/004_all.sql includes"
    assert told in " ".join(said.split())
    assert "migrations/v.sql: is a migration of its own" not in " ".join(said.split())
    validated = shop.terminal("deploy", "config", "app", "--validate", code=78)
    assert "would run twice" in validated.text
    patterns = ["migrations/*.sql", "!migrations/003_once.sql"]
    shop.config({**MIGRATIONS, "executor": "auto", "file_patterns": patterns})
    shop.run()
    assert shop.pg.query("SELECT count(*) FROM orders WHERE id = 7") == [(1,)]


def test_group_goes_on_when_the_file_of_psql_fails_and_is_mended(shop: Shop) -> None:
    shop.migration("003_bad.sql", "\\unset x\nSELECT nope;\n")
    shop.config({**MIGRATIONS, "executor": "auto"})
    shop.run(code=12)
    shop.migration("003_bad.sql", "SELECT 1;\n")
    shop.run()


@pytest.mark.parametrize(
    "hides", ["SELECT 'COMMIT' \\gexec\n", "\\i parts/commits.sql\n"], ids=["gexec", "included"]
)
def test_migration_is_in_doubt_when_psql_fails_after_a_commit_that_the_file_hides(
    shop: Shop, hides: str
) -> None:
    """Its row is committed with the first half: that is no proof of the second one."""
    shop.config({**MIGRATIONS, "executor": "psql"})
    shop.terminal.file("app/parts/commits.sql", "COMMIT;\nBEGIN;\n")
    first, later = "CREATE TABLE one (id int);\n", "CREATE TABLE two (id int);\n"
    shop.migration("003_hidden.sql", f"{first}{hides}SELECT nope;\n{later}")
    said = shop.run(code=13)
    assert "had committed before it reached its end" in said.text
    assert "templedb migration resolve migrations/003_hidden.sql --applied" in said.text
    assert {"one", "two"} & {*shop.pg.tables()} == {"one"}
    query = "SELECT state FROM templedb.migration WHERE key = 'migrations/003_hidden.sql'"
    assert shop.pg.query(query) == [("in_doubt",)]
    shop.run(code=13)
    words = ("--applied", "--reason", "wrote the second table by hand")
    shop.terminal("migration", "resolve", "app", "migrations/003_hidden.sql", *words)
    assert "no migration was pending" in shop.run().out
