"""`deploy config --validate` finds what the config and the files alone make wrong."""

from __future__ import annotations

import pytest

from tests.conftest import Shop


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        (
            {"m/10_a.sql": "SELECT 1;", "m/9_b.sql": "SELECT 1;"},
            "by letters, but after it by number",
        ),
        ({"m/1_a.up.sql": "SELECT 1;", "m/01_b.up.sql": "SELECT 1;"}, "has the key 1"),
        ({"m/V1__a.sql": "SELECT 1;", "m/002_b.sql": "SELECT 1;"}, "more than one convention"),
        ({"m/1_a.sql": "SELECT '{{ x }}', {{ y }};"}, "m/1_a.sql:1"),
        ({"m/1_a.sql": "\\i other.sql\n"}, "m/1_a.sql:1"),
        ({"m/1_a.sql": "SELECT 1;", "m/1_a.sqlite.sql": "SELECT 1;"}, "is for sqlite"),
        ({"m/1_a.sql": "-- templedb:requires 0_x.sql\nSELECT 1;"}, "requires 0_x.sql"),
        ({"m/1_a.sql": "-- templedb:requires 2_b\nSELECT 1;", "m/2_b.sql": "SELECT 1;"}, "before"),
    ],
)
def test_config_is_not_valid_when_a_run_would_be_refused_for_its_files(
    files: dict[str, str], shown: str, shop: Shop
) -> None:
    for path, text in files.items():
        shop.terminal.file(f"app/{path}", text)
    shop.config({"name": "migrations", "file_patterns": ["m/*.sql"]})
    said = shop.terminal("deploy", "config", "app", "--validate", code=78).out
    assert shown in said
    assert shown in shop.run(code=78).err


def test_config_is_valid_when_what_was_deployed_stays_as_it_is(shop: Shop) -> None:
    shop.run()
    assert ": valid" in shop.terminal("deploy", "config", "app", "--validate").out
    shop.terminal.file("app/migrations/001_users.sql", "CREATE TABLE other (id int);")
    said = shop.terminal("deploy", "config", "app", "--validate", code=78).out
    assert "was edited after it was applied" in said


def test_config_is_not_valid_when_the_target_demands_more_of_files(shop: Shop) -> None:
    shop.terminal("target", "update", "app", "staging", "--protected")
    shop.migration("003_empty.sql", "-- nothing\n")
    said = shop.terminal("deploy", "config", "app", "--validate", code=78).out
    assert "003_empty.sql: has no statement" in said


def test_config_is_not_valid_when_a_group_is_linear_and_a_file_comes_late(shop: Shop) -> None:
    shop.config(
        {"name": "migrations", "file_patterns": ["migrations/*.sql"], "order_policy": "linear"}
    )
    shop.run()
    shop.migration("000_late.sql", "SELECT 1;")
    said = shop.terminal("deploy", "config", "app", "--validate", code=78).out
    assert "000_late.sql: is out of order" in said


def test_variable_is_not_missing_when_the_only_target_has_it(shop: Shop) -> None:
    assert "has no value" not in shop.terminal("deploy", "config", "app", "--validate").out


def test_variable_is_a_note_for_one_target_when_only_another_has_it(shop: Shop) -> None:
    shop.terminal("target", "add", "app", "production")
    said = shop.terminal("deploy", "config", "app", "--validate").out
    assert "has no value (target production)" in said or "production" in said
    alone = shop.terminal("deploy", "config", "app", "--validate", "--target", "staging").out
    assert "has no value" not in alone


def test_document_is_not_valid_when_a_run_would_be_refused_for_its_files(shop: Shop) -> None:
    shop.migration("003_late.sql", "-- templedb:requires 9_x.sql\nSELECT 1;")
    place = shop.terminal.file(
        "other.yaml", "groups:\n- name: migrations\n  file_patterns: [migrations/*.sql]\n"
    )
    words = "deploy", "config", "app", "--validate", "--file", str(place)
    assert "requires 9_x.sql" in shop.terminal(*words, code=78).out


def test_link_is_a_warning_when_the_config_is_validated(shop: Shop) -> None:
    (shop.terminal.home / "app/migrations/004_link.sql").symlink_to("001_users.sql")
    said = shop.terminal("deploy", "config", "app", "--validate").out
    assert "migrations/004_link.sql: is a symbolic link" in said


def test_config_is_not_valid_when_lint_refuses_what_no_table_excuses(shop: Shop) -> None:
    shop.migration("003_vacuum.sql", "SET lock_timeout = 0;\nALTER TABLE users ADD a int;\n")
    shop.run("--dry-run")
    assert ": valid" in shop.terminal("deploy", "config", "app", "--validate").out
    shop.terminal("target", "update", "app", "staging", "--lint", "block")
    said = shop.terminal("deploy", "config", "app", "--validate", code=78).out
    assert "003_vacuum.sql:1: " in said
    assert "[lock-timeout-off]" in said
    assert "[lock-timeout-off]" in shop.run(code=78).err


def test_config_stays_valid_when_lint_depends_on_what_the_database_has(shop: Shop) -> None:
    shop.terminal("target", "update", "app", "staging", "--lint", "block")
    shop.migration("003_drop.sql", "DROP TABLE IF EXISTS lost;\nDROP FUNCTION IF EXISTS gone();\n")
    assert ": valid" in shop.terminal("deploy", "config", "app", "--validate").out
    shop.run()


def test_config_is_not_valid_when_duckdb_cannot_run_a_file(shop: Shop) -> None:
    shop.migration("003_alone.sql", "-- templedb:no-transaction\nCREATE TABLE t (id int);\n")
    assert ": valid" in shop.terminal("deploy", "config", "app", "--validate").out
    shop.terminal(
        "env", "set", "app", "DATABASE_URL", "duckdb:app.duckdb", "--target", "staging", "--plain"
    )
    said = shop.terminal("deploy", "config", "app", "--validate", code=78).out
    assert "but DuckDB runs each migration in one transaction" in said
