"""What migrations mean for older code: on plans, in listings, and beside a deployment of code."""

from __future__ import annotations

import json

import pytest

from tests.conftest import HARD_PASSWORD, MIGRATIONS, Shop

DROPS = "-- users have none\n\nALTER TABLE users DROP COLUMN note;\n"
RULE = "contract-with-deploy"
CODE = {"name": "code", "kind": "commands", "order": 50, "deploy_command": "true"}


@pytest.fixture
def noted(shop: Shop) -> Shop:
    """Return a shop whose table has a column that only older code uses."""
    shop.migration("001_users.sql", "CREATE TABLE users (id int PRIMARY KEY, note text);\n")
    shop.run()
    return shop


def findings(shop: Shop, *words: str) -> list[dict[str, str]]:
    said = shop.terminal("deploy", "plan", "app", "--json", *words, code=None)
    found = said.json[-1]["draft"]["findings"]
    return [each for each in found if RULE in each["message"]]


def test_plan_says_the_migration_and_the_reason_when_older_code_fails_after_it(noted: Shop) -> None:
    noted.migration("003_drop.sql", DROPS)
    noted.migration("004_new.sql", "CREATE TABLE t (id int);\nALTER TABLE t ADD a int NOT NULL;\n")
    noted.migration("005_fill.sql", "UPDATE users SET id = id + 1;\n")
    said = noted.run("--dry-run").out
    lines = said[said.index("older code, after each migration") :].splitlines()
    assert lines[1].split() == ["migrations/003_drop.sql", "contract:", "line", "3:", "DROP", "COLUMN", "note:", "old", "code", "that", "uses", "it", "fails"]  # fmt: skip
    assert lines[2].strip() == "expand: 1 migration; data: 1 migration"
    steps = [line.split() for line in said.splitlines() if line.strip().startswith("apply")]
    assert [words[-1] for words in steps] == ["contract", "expand", "data"]


def test_plan_says_nothing_of_older_code_when_there_is_nothing_to_say(noted: Shop) -> None:
    noted.migration("003_new.sql", "CREATE TABLE t (id int);\n")
    assert "older code" not in noted.run("--dry-run").out


def test_plan_shows_the_stated_word_and_its_statements_when_a_file_states_compatibility(
    noted: Shop,
) -> None:
    noted.migration("003_drop.sql", f"-- templedb:compat expand  no code reads it\n{DROPS}")
    said = noted.run("--dry-run").out
    assert (
        "expand (stated): no code reads it; its statements: contract, line 4: DROP COLUMN note"
    ) in said


def test_secret_is_not_shown_when_a_stated_reason_holds_it(noted: Shop) -> None:
    sql = f"-- templedb:compat contract password=hunter22 then {HARD_PASSWORD} .\n{DROPS}"
    noted.migration("003_drop.sql", sql)
    noted.config(MIGRATIONS, CODE)
    said = noted.run("--dry-run").all
    assert "contract (stated): password=*** then ***[DATABASE_URL] ." in said
    shown = noted.terminal("migration", "show", "app", "003_drop").out
    assert "hunter22" not in said + shown
    (found,) = findings(noted)
    assert "stated on line 1" in found["message"]


def test_plan_is_refused_with_the_line_when_the_stated_word_is_unknown(noted: Shop) -> None:
    noted.migration("003_drop.sql", f"\n-- templedb:compat contrct\n{DROPS}")
    said = noted.run("--dry-run", code=78).all
    assert "003_drop.sql:2" in said
    assert "did you mean contract?" in said


def test_plan_json_has_the_compatibility_outside_its_content_when_a_migration_is_contract(
    noted: Shop,
) -> None:
    noted.migration("003_drop.sql", DROPS)
    plain = noted.terminal("deploy", "plan", "app", "--json").json[-1]
    (script,) = plain["draft"]["scripts"]
    assert script["compatibility"]["word"] == "contract"
    assert script["compatibility"]["line"] == 3
    assert "contract" not in json.dumps(plain["draft"]["plan"])


def test_summary_of_a_job_has_the_compatibility_when_a_migration_is_contract(noted: Shop) -> None:
    noted.migration("003_drop.sql", DROPS)
    path = noted.terminal.home / "summary.md"
    noted.terminal("deploy", "plan", "app", "--summary", str(path))
    assert "drop.sql: contract: line 3: DROP COLUMN note" in path.read_text()


def test_status_and_show_have_the_compatibility_when_a_migration_is_contract(noted: Shop) -> None:
    noted.migration("003_drop.sql", DROPS)
    rows = noted.terminal("migration", "status", "app", "--show-applied", "--json").json[-1]["rows"]
    found = [each["compatibility"] and each["compatibility"]["word"] for each in rows]
    assert found == [None, None, "contract"]
    shown = noted.terminal("migration", "show", "app", "003_drop").out
    assert "compat    contract: line 3: DROP COLUMN note: old code that uses it fails" in shown
    applied = noted.terminal("migration", "show", "app", "002_orders", "--json").json[-1]
    assert applied["compatibility"]["word"] == "expand"


def test_contract_is_a_warning_that_says_how_to_split_when_code_is_deployed_beside_it(
    noted: Shop,
) -> None:
    noted.migration("003_drop.sql", DROPS)
    assert findings(noted) == []
    noted.config(MIGRATIONS, CODE)
    (found,) = findings(noted)
    assert found["severity"] == "warning"
    assert found["where"] == "migrations/003_drop.sql:3"
    assert "DROP COLUMN note" in found["message"]
    assert "older code keeps running until this plan has deployed newer code" in found["message"]
    assert found["mend"].startswith("split it: a release that only expands")


def test_contract_warns_that_older_code_cannot_come_back_when_it_follows_the_deployment(
    noted: Shop,
) -> None:
    noted.migration("003_drop.sql", DROPS)
    noted.config({**CODE, "order": 1}, MIGRATIONS)
    (found,) = findings(noted)
    assert "code older than this plan's can no longer be deployed" in found["message"]


@pytest.mark.parametrize(
    "group",
    [
        {"name": "code", "kind": "commands", "order": 50, "build_command": "true"},
        {"name": "code", "kind": "commands", "order": 50, "test_command": "true"},
        {**CODE, "mutates": False},
    ],
)
def test_contract_is_not_warned_of_when_no_step_beside_it_deploys_code(
    noted: Shop, group: dict[str, object]
) -> None:
    noted.migration("003_drop.sql", DROPS)
    noted.config(MIGRATIONS, group)
    assert findings(noted) == []


def test_migration_is_not_warned_of_when_it_expands_beside_a_deployment_of_code(
    noted: Shop,
) -> None:
    noted.migration("003_add.sql", "ALTER TABLE users ADD COLUMN more text;\n")
    noted.config(MIGRATIONS, CODE)
    assert findings(noted) == []


@pytest.mark.parametrize(
    "sql",
    [
        f"-- templedb:nolint {RULE}\n{DROPS}",
        f"SELECT 1;\n-- templedb:nolint {RULE}, drop-column\n{DROPS}",
        f"-- templedb:compat expand  it is gone from the code\n{DROPS}",
    ],
)
def test_contract_is_not_warned_of_when_the_file_says_it_is_meant(noted: Shop, sql: str) -> None:
    noted.migration("003_drop.sql", sql)
    noted.config(MIGRATIONS, CODE)
    assert findings(noted) == []


def test_contract_finding_has_the_lint_level_when_the_target_sets_one(noted: Shop) -> None:
    noted.migration("003_drop.sql", DROPS)
    noted.config(MIGRATIONS, CODE)
    noted.terminal("target", "update", "app", "staging", "--lint", "block")
    (found,) = findings(noted)
    assert found["severity"] == "error"
    noted.terminal("target", "update", "app", "staging", "--lint", "off", "--reason", "alone here")
    assert findings(noted) == []


def test_contract_is_warned_of_when_the_deploy_script_of_the_project_deploys_code(
    noted: Shop,
) -> None:
    noted.migration("003_drop.sql", DROPS)
    noted.terminal.file("app/deploy.sh", "#!/bin/sh\ntrue\n")
    noted.config(MIGRATIONS, {**CODE, "deploy_command": "./deploy.sh"})
    assert len(findings(noted)) == 1


def test_plan_says_nothing_of_older_code_when_the_database_is_empty(shop: Shop) -> None:
    sql = (
        "DROP FUNCTION IF EXISTS gone(int);\nDROP TABLE IF EXISTS lost;\n"
        "DROP SCHEMA IF EXISTS away CASCADE;\nDROP TYPE IF EXISTS mood;\n"
    )
    shop.migration("003_fresh.sql", sql)
    shop.config(MIGRATIONS, CODE)
    assert "contract" not in shop.run("--dry-run").out
    shop.pg.query("CREATE FUNCTION gone(int) RETURNS int LANGUAGE sql AS 'SELECT $1'")
    assert "DROP FUNCTION gone: old code that calls it fails" in shop.run("--dry-run").out


def test_plan_tells_of_each_changeset_by_itself_when_a_file_has_several(noted: Shop) -> None:
    noted.terminal.file(
        "app/changes/1.sql",
        "--liquibase formatted sql\n\n--changeset a:drop\nALTER TABLE users DROP COLUMN note;\n\n"
        "--changeset a:two\nCREATE TABLE a (id int);\nCREATE TABLE b (id int);\n\n"
        "--changeset a:none\n",
    )
    noted.config({"name": "changes", "file_patterns": ["changes/*.sql"]})
    said = noted.run("--dry-run").out
    steps = [each.split() for each in said.splitlines() if each.strip().startswith("apply")]
    assert [words[-3:] for words in steps] == [
        ["1", "statement", "contract"],
        ["2", "statements", "expand"],
        ["0", "statements", "expand"],
    ]
