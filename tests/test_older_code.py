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


def test_plan_says_after_which_migration_older_code_fails_and_why(noted: Shop) -> None:
    noted.migration("003_drop.sql", DROPS)
    noted.migration("004_new.sql", "CREATE TABLE t (id int);\nALTER TABLE t ADD a int NOT NULL;\n")
    noted.migration("005_fill.sql", "UPDATE users SET id = id + 1;\n")
    said = noted.run("--dry-run").out
    lines = said[said.index("older code, after each migration") :].splitlines()
    assert lines[1].split() == ["migrations/003_drop.sql", "contract:", "line", "3:", "DROP", "COLUMN", "note:", "old", "code", "that", "uses", "it", "fails"]  # fmt: skip
    assert lines[2].strip() == "expand: 1 migration; data: 1 migration"
    steps = [line.split() for line in said.splitlines() if line.strip().startswith("apply")]
    assert [words[-1] for words in steps] == ["contract", "expand", "data"]


def test_plan_without_anything_to_say_of_older_code_says_nothing(noted: Shop) -> None:
    noted.migration("003_new.sql", "CREATE TABLE t (id int);\n")
    assert "older code" not in noted.run("--dry-run").out


def test_plan_shows_what_the_file_states_and_what_its_statements_say(noted: Shop) -> None:
    noted.migration("003_drop.sql", f"-- templedb:compat expand  no code reads it\n{DROPS}")
    said = noted.run("--dry-run").out
    assert (
        "expand (stated): no code reads it; its statements: contract, line 4: DROP COLUMN note"
    ) in said


def test_secret_in_a_stated_reason_is_not_shown(noted: Shop) -> None:
    sql = f"-- templedb:compat contract password=hunter22 then {HARD_PASSWORD} .\n{DROPS}"
    noted.migration("003_drop.sql", sql)
    noted.config(MIGRATIONS, CODE)
    said = noted.run("--dry-run").all
    assert "contract (stated): password=*** then ***[DATABASE_URL] ." in said
    shown = noted.terminal("migration", "show", "app", "003_drop").out
    assert "hunter22" not in said + shown
    (found,) = findings(noted)
    assert "stated on line 1" in found["message"]


def test_unknown_word_forbids_the_plan_and_is_told_with_its_line(noted: Shop) -> None:
    noted.migration("003_drop.sql", f"\n-- templedb:compat contrct\n{DROPS}")
    said = noted.run("--dry-run", code=78).all
    assert "003_drop.sql:2" in said
    assert "did you mean contract?" in said


def test_json_of_a_plan_has_it_and_its_content_has_not(noted: Shop) -> None:
    noted.migration("003_drop.sql", DROPS)
    plain = noted.terminal("deploy", "plan", "app", "--json").json[-1]
    (script,) = plain["draft"]["scripts"]
    assert script["compatibility"]["word"] == "contract"
    assert script["compatibility"]["line"] == 3
    assert "contract" not in json.dumps(plain["draft"]["plan"])


def test_summary_of_a_job_has_it(noted: Shop) -> None:
    noted.migration("003_drop.sql", DROPS)
    path = noted.terminal.home / "summary.md"
    noted.terminal("deploy", "plan", "app", "--summary", str(path))
    assert "drop.sql: contract: line 3: DROP COLUMN note" in path.read_text()


def test_status_and_show_have_it(noted: Shop) -> None:
    noted.migration("003_drop.sql", DROPS)
    rows = noted.terminal("migration", "status", "app", "--show-applied", "--json").json[-1]["rows"]
    found = [each["compatibility"] and each["compatibility"]["word"] for each in rows]
    assert found == [None, None, "contract"]
    shown = noted.terminal("migration", "show", "app", "003_drop").out
    assert "compat    contract: line 3: DROP COLUMN note: old code that uses it fails" in shown
    applied = noted.terminal("migration", "show", "app", "002_orders", "--json").json[-1]
    assert applied["compatibility"]["word"] == "expand"


def test_contract_beside_a_deployment_of_code_is_a_warning_that_says_how_to_split(
    noted: Shop,
) -> None:
    noted.migration("003_drop.sql", DROPS)
    assert findings(noted) == []
    noted.config(MIGRATIONS, CODE)
    (found,) = findings(noted)
    assert found["severity"] == "warning"
    assert found["where"] == "migrations/003_drop.sql:3"
    assert "DROP COLUMN note" in found["message"]
    assert "older code runs on until this plan has deployed newer code" in found["message"]
    assert found["mend"].startswith("split it: a release that only expands")


def test_contract_after_the_deployment_of_code_bars_the_way_back(noted: Shop) -> None:
    noted.migration("003_drop.sql", DROPS)
    noted.config({**CODE, "order": 1}, MIGRATIONS)
    (found,) = findings(noted)
    assert "nobody can go back to older code than this plan deploys" in found["message"]


@pytest.mark.parametrize(
    "group",
    [
        {"name": "code", "kind": "commands", "order": 50, "build_command": "true"},
        {"name": "code", "kind": "commands", "order": 50, "test_command": "true"},
        {**CODE, "mutates": False},
    ],
)
def test_step_that_deploys_no_code_is_no_reason(noted: Shop, group: dict[str, object]) -> None:
    noted.migration("003_drop.sql", DROPS)
    noted.config(MIGRATIONS, group)
    assert findings(noted) == []


def test_expanding_migration_beside_code_is_no_reason(noted: Shop) -> None:
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
def test_what_is_meant_is_not_told(noted: Shop, sql: str) -> None:
    noted.migration("003_drop.sql", sql)
    noted.config(MIGRATIONS, CODE)
    assert findings(noted) == []


def test_level_of_the_target_holds_for_it(noted: Shop) -> None:
    noted.migration("003_drop.sql", DROPS)
    noted.config(MIGRATIONS, CODE)
    noted.terminal("target", "update", "app", "staging", "--lint", "block")
    (found,) = findings(noted)
    assert found["severity"] == "error"
    noted.terminal("target", "update", "app", "staging", "--lint", "off", "--reason", "alone here")
    assert findings(noted) == []


def test_deploy_script_of_the_project_deploys_code(noted: Shop) -> None:
    noted.migration("003_drop.sql", DROPS)
    noted.terminal.file("app/deploy.sh", "#!/bin/sh\ntrue\n")
    noted.config(MIGRATIONS, {**CODE, "deploy_command": "./deploy.sh"})
    assert len(findings(noted)) == 1
