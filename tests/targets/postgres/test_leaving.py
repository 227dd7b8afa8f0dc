"""Files that leave nothing in a database, or less than they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from templedb_nb.core.migrations.script import read_script
from templedb_nb.model.layout import Layout, Reading
from tests.conftest import MIGRATIONS, Database, Shop, databases
from tests.postgres import Server

ROLLED = "CREATE TABLE gone (id int);"


def told(text: str, reading: Reading | None = None) -> tuple[str, bool] | None:
    left = read_script(text.encode(), reading).left
    return (left.rule, left.nothing) if left else None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\ufeff",
        ";\n;;",
        "-- later\n/* and later */\n",
        "-- templedb:lock-timeout 1s\n",
        "-- templedb:verify SELECT true\n",
        "BEGIN;\nCOMMIT;\n",
        "BEGIN; ROLLBACK;",
        "START TRANSACTION;;END;",
        "SET lock_timeout = '1s';\nRESET ROLE;\n",
        "BEGIN; SET LOCAL search_path = app; COMMIT;",
        "\\set ON_ERROR_STOP on\n",
        "-- templedb:down\nDROP TABLE t;\n",
        "SAVEPOINT a; RELEASE a;",
        "CREATE TEMP TABLE t (id int);",
        "CREATE OR REPLACE LOCAL TEMPORARY VIEW v AS SELECT 1; RESET ALL;",
    ],
)
def test_file_is_reported_as_empty_when_no_statement_of_the_file_lasts(text: str) -> None:
    assert told(text) == ("empty-file", True)


@pytest.mark.parametrize(
    "text",
    [
        f"BEGIN;\n{ROLLED}\nROLLBACK;\n",
        f"START TRANSACTION ISOLATION LEVEL SERIALIZABLE; {ROLLED} ROLLBACK WORK;",
        f"BEGIN; {ROLLED} ABORT;",
        f"BEGIN; {ROLLED} ROLLBACK AND NO CHAIN;",
        f"BEGIN; BEGIN; {ROLLED} ABORT TRANSACTION; COMMIT;",
        f"SAVEPOINT a; {ROLLED} ROLLBACK TO a;",
        f"BEGIN; SAVEPOINT a; SAVEPOINT b; {ROLLED} ROLLBACK WORK TO SAVEPOINT A; COMMIT;",
        f'SAVEPOINT "A b"; {ROLLED} ROLLBACK TO "A b"; RELEASE "A b";',
        f"BEGIN; {ROLLED} ROLLBACK; BEGIN; INSERT INTO t VALUES (1); ROLLBACK;",
        "BEGIN; COPY t FROM stdin;\n1\n\\.\nROLLBACK;",
        "BEGIN; SELECT count(*) FROM t; ROLLBACK;",
    ],
)
def test_file_is_reported_as_rolled_back_when_all_of_it_is_taken_back(text: str) -> None:
    assert told(text) == ("rolled-back", True)


@pytest.mark.parametrize(
    "text",
    [
        f"CREATE TABLE t (id int); BEGIN; {ROLLED} ROLLBACK;",
        f"BEGIN; {ROLLED} ROLLBACK; CREATE TABLE t (id int);",
        f"BEGIN; CREATE TABLE t (id int); COMMIT; START TRANSACTION; {ROLLED} ABORT;",
        f"SAVEPOINT a; {ROLLED} ROLLBACK TO a; CREATE TABLE t (id int);",
        f"{ROLLED} ROLLBACK;",
        f"BEGIN; {ROLLED} COMMIT; ROLLBACK;",
    ],
)
def test_file_is_reported_as_rolled_back_when_a_part_of_it_is_or_seems_taken_back(
    text: str,
) -> None:
    assert told(text) == ("rolled-back", False)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (id int);",
        "BEGIN; CREATE TABLE t (id int); COMMIT;",
        "SET search_path = app; CREATE TABLE t (id int);",
        "SAVEPOINT a; CREATE TABLE t (id int); RELEASE a;",
        "SELECT setval('s', 9);",
        "DO $$ BEGIN ROLLBACK; END $$;",
        "CREATE TABLE t (id int); BEGIN; SELECT 1; ROLLBACK;",
        "INSERT INTO t VALUES ('BEGIN; ROLLBACK;');",
        "\\i other.sql\n",
        "CREATE TABLE temp (id int);",
        "CREATE TEMP TABLE t (id int); INSERT INTO kept SELECT id FROM t;",
    ],
)
def test_file_is_not_reported_when_it_is_ordinary(text: str) -> None:
    assert told(text) is None


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        (Layout.GOOSE, "-- +goose Up\n\n-- +goose Down\nDROP TABLE t;\n"),
        (Layout.GOOSE, "-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementEnd\n"),
        (Layout.DBMATE, "-- migrate:up\n\n-- migrate:down\nDROP TABLE t;\n"),
        (Layout.TERN, "\n---- create above / drop below ----\n\ndrop table t;\n"),
        (Layout.FLYWAY, "-- nothing yet\n"),
        (Layout.SQITCH, "BEGIN;\n\n-- XXX Add DDLs here.\n\nCOMMIT;\n"),
    ],
)
def test_file_is_reported_as_empty_when_its_section_of_another_layout_is_empty(
    layout: Layout, text: str
) -> None:
    assert told(text, Reading(layout=layout)) == ("empty-file", True)


def test_abort_and_chain_is_refused_as_rollback_and_chain_is() -> None:
    """What follows them stands in another transaction, which the file may end in either way."""
    for words in ("ABORT AND CHAIN", "ROLLBACK AND CHAIN", "ABORT WORK AND CHAIN"):
        found = read_script(f"BEGIN; {ROLLED} {words}; SELECT 1; ROLLBACK;".encode()).problems
        assert "no ledger can record" in found[0].message


# --- on a plan ----------------------------------------------------------------------------------


def findings(shop: Shop, target: str = "staging") -> list[tuple[str, str]]:
    said = shop.terminal("deploy", "plan", "app", "--target", target, "--json", code=None)
    (preview,) = [each for each in said.json if "draft" in each]
    return [
        (each["severity"], each["message"].rpartition("[")[2].rstrip("]"))
        for each in preview["draft"]["findings"]
        if each["message"].endswith(("[empty-file]", "[rolled-back]"))
    ]


def protect(shop: Shop) -> None:
    shop.terminal("target", "update", "app", "staging", "--protected")


def test_empty_file_is_a_warning_and_becomes_an_error_when_the_target_is_protected(
    shop: Shop,
) -> None:
    shop.migration("003_later.sql", "-- later\n")
    shop.migration("004_tried.sql", f"BEGIN;\n{ROLLED}\nROLLBACK;\n")
    assert findings(shop) == [("warning", "empty-file"), ("warning", "rolled-back")]
    said = shop.run()
    assert "003_later.sql: has no statement: it will count as applied" in said.all
    assert (
        "004_tried.sql:3: ROLLBACK on line 3 rolls back everything that the file does" in said.all
    )
    assert shop.pg.tables() == ["orders", "users"]
    shop.migration("005_later.sql", "BEGIN; COMMIT;\n")
    protect(shop)
    assert findings(shop) == [("error", "empty-file")]
    refused = shop.run(code=78)
    assert "if intended, write at the top of the file: -- templedb:nolint empty-file" in refused.all


@pytest.mark.parametrize("words", ["", " empty-file", " rolled-back, empty-file"])
def test_empty_file_is_not_reported_when_nolint_says_that_it_is_meant(
    shop: Shop, words: str
) -> None:
    shop.migration("003_later.sql", f"-- kept for its number\n-- templedb:nolint{words}\n")
    protect(shop)
    assert findings(shop) == []
    report = shop.terminal("migration", "lint", "app", "--offline", "--strict", code=None)
    assert "empty-file" not in report.out


def test_empty_file_is_reported_when_nolint_names_another_rule(shop: Shop) -> None:
    shop.migration("003_later.sql", "-- templedb:nolint drop-table\n")
    assert findings(shop) == [("warning", "empty-file")]


def test_nolint_is_an_error_when_it_names_no_rule_in_a_file_that_is_not_empty() -> None:
    found = read_script(b"-- templedb:nolint\nDROP TABLE t;").problems
    assert [each.message for each in found] == ["templedb:nolint names no rule"]


@pytest.fixture
def other(server: Server) -> Database:
    yield from databases(server)  # type: ignore[misc]


def second(shop: Shop, other: Database) -> None:
    shop.terminal("target", "add", "app", "production", "--protected")
    shop.terminal("env", "set", "app", "DATABASE_URL", other.dsn, "--target", "production")


def test_empty_file_runs_on_a_protected_target_when_applied_unchanged_elsewhere(
    shop: Shop, other: Database
) -> None:
    shop.migration("003_later.sql", "-- later\n")
    second(shop, other)
    assert findings(shop, "production") == [("error", "empty-file")]
    shop.run("--target", "staging")
    assert findings(shop, "production") == [("warning", "empty-file")]
    shop.migration("003_later.sql", "-- later still\n")
    assert findings(shop, "production") == [("warning", "empty-file")], "the same, but for comments"
    shop.migration("003_later.sql", f"BEGIN; {ROLLED} ROLLBACK;\n")
    assert findings(shop, "production") == [("error", "rolled-back")], "another text"


def test_empty_file_is_not_an_error_when_it_comes_from_an_imported_history(
    shop: Shop, other: Database
) -> None:
    shop.terminal.file("app/db/V1__a.sql", "")
    shop.terminal.file("app/db/V2__b.sql", "CREATE TABLE b (id int);\n")
    shop.config({"name": "db", "kind": "migrations", "file_patterns": ["db/*.sql"]})
    second(shop, other)
    for pg in (shop.pg,):
        pg.query(
            "CREATE TABLE public.flyway_schema_history (installed_rank int PRIMARY KEY, version text,"
            " description text, type text, script text, checksum int, installed_by text,"
            " installed_on timestamp DEFAULT now(), execution_time int, success bool)"
        )
        pg.query(f"ALTER TABLE flyway_schema_history OWNER TO {pg.role}")
        pg.query(
            "INSERT INTO flyway_schema_history VALUES"
            " (1, '1', 'a', 'SQL', 'V1__a.sql', 0, 'x', now(), 1, true)"
        )
    words = ("migration", "import", "app", "--target", "staging", "--from", "flyway")
    shop.terminal(*words, "--reason", "we move over")
    assert findings(shop, "staging") == []
    assert findings(shop, "production") == [("warning", "empty-file")]


def test_down_part_is_refused_when_it_takes_itself_back(shop: Shop) -> None:
    down = "-- templedb:down\nSAVEPOINT a; DROP TABLE t; ROLLBACK TO a;\n"
    shop.migration("003_t.sql", f"CREATE TABLE t (id int);\n{down}")
    shop.run()
    said = shop.terminal(
        "migration", "down", "app", "003_t", "--target", "staging", "--reason", "x", code=78
    )
    assert "its down part" in said.all
    assert "mark-reverted" in said.all
    assert "t" in shop.pg.tables()


# --- no advice that would make the ledger lie ---------------------------------------------------


@pytest.mark.parametrize(
    "before",
    [
        "",
        "-- later\n",
        "BEGIN;\nCOMMIT;\n",
        "SET lock_timeout = 0;\n",
        f"BEGIN; {ROLLED} ROLLBACK;\n",
    ],
)
def test_edit_is_not_accepted_when_the_applied_file_ran_nothing(shop: Shop, before: str) -> None:
    file = shop.migration("003_later.sql", before)
    shop.run()
    shop.migration("003_later.sql", "CREATE TABLE invoices (id int);\n")
    refused = shop.run(code=78)
    assert "its statements never ran" in refused.all
    assert "accept-checksum" not in refused.all
    assert "accept-checksum" not in shop.terminal("migration", "list", "app").all
    words = ("migration", "accept-checksum", "app", file, "--target", "staging")
    said = shop.terminal(*words, "--reason", "a typo", code=64)
    assert "its statements never ran" in said.all
    undo = ("migration", "mark-reverted", "app", file, "--target", "staging")
    assert "mark-reverted" in said.all
    shop.terminal(*undo, "--reason", "it was empty")
    shop.run()
    assert "invoices" in shop.pg.tables()


def test_edit_is_not_accepted_when_an_empty_file_was_marked_as_applied(shop: Shop) -> None:
    file = shop.migration("003_later.sql", "-- later\n")
    words = ("app", file, "--target", "staging", "--reason", "x")
    shop.terminal("migration", "mark-applied", *words)
    shop.migration("003_later.sql", "CREATE TABLE invoices (id int);\n")
    assert "never ran" in shop.terminal("migration", "accept-checksum", *words, code=64).all


def test_edit_is_accepted_when_it_changes_comments_only(shop: Shop) -> None:
    file = shop.migration("003_later.sql", "-- later\n")
    marked = shop.migration("004_marked.sql", "CREATE TABLE marked (id int);\n")
    words = ("--target", "staging", "--reason", "x")
    shop.terminal("migration", "mark-applied", "app", marked, *words)
    shop.run()
    shop.migration("003_later.sql", "-- much later\n")
    shop.migration("004_marked.sql", "CREATE TABLE marked (id bigint);\n")
    shop.terminal("migration", "accept-checksum", "app", file, *words)
    shop.terminal("migration", "accept-checksum", "app", marked, *words)
    assert "nothing applied" in shop.run().out


def test_empty_file_is_applied_when_another_empty_file_was_applied_before(shop: Shop) -> None:
    """All of them have one checksum: that a file of that text is applied proves nothing."""
    shop.migration("003_later.sql", "")
    shop.run()
    (shop.terminal.home / "app/migrations/003_later.sql").unlink()
    shop.migration("004_other.sql", "")
    shop.run()
    assert "migrations/004_other.sql" in shop.pg.applied()


def test_run_is_not_stopped_when_another_project_applied_an_empty_file(shop: Shop) -> None:
    shop.migration("003_later.sql", "")
    shop.run()
    shop.terminal.file("two/migrations/901_nothing.sql", "")
    shop.terminal.file("two/migrations/902_two.sql", "CREATE TABLE two (id int);\n")
    shop.terminal("project", "import", "two")
    shop.terminal.config(MIGRATIONS, project="two")
    shop.terminal("target", "add", "two", "staging")
    shop.terminal("env", "set", "two", "DATABASE_URL", shop.pg.dsn, "--target", "staging")
    shop.terminal("deploy", "run", "two")
    assert "two" in shop.pg.tables()


def test_empty_file_is_a_warning_and_its_edit_is_refused_when_the_target_is_duckdb(
    shop: Shop, tmp_path: Path
) -> None:
    shop.terminal(
        "env", "set", "app", "DATABASE_URL", f"duckdb://{tmp_path}/t.duckdb", "--target", "staging"
    )
    shop.migration("003_later.sql", "-- later\n")
    assert findings(shop) == [("warning", "empty-file")]
    file = shop.migration("003_later.sql", "-- later\n")
    shop.run()
    shop.migration("003_later.sql", "CREATE TABLE invoices (id int);\n")
    words = ("app", file, "--target", "staging", "--reason", "x")
    assert "never ran" in shop.terminal("migration", "accept-checksum", *words, code=64).all


def test_lint_reports_empty_and_rolled_back_files_with_rule_and_line(shop: Shop) -> None:
    shop.migration("003_later.sql", "-- later\n")
    shop.migration("004_tried.sql", f"BEGIN;\n{ROLLED}\nROLLBACK;\n")
    report = shop.terminal("migration", "lint", "app", "--offline", "--json")
    rows = report.json[-1]["rows"]
    found = [(row["rule"], row["line"]) for row in rows if row["source"] == "templedb"]
    assert found == [("empty-file", 1), ("rolled-back", 3)]
