"""Plans that travel, approvals that bind to their content, and targets that moved."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from tests.conftest import MIGRATIONS, Database, Said, Shop, Terminal


@pytest.fixture
def guarded(shop: Shop) -> Shop:
    shop.terminal("target", "update", "app", "staging", "--protected")
    return shop


def plan_id(said: Said) -> str:
    return str(said.json[-1]["plan_id"])


def plan(shop: Shop, *words: str) -> str:
    return plan_id(shop.terminal("deploy", "plan", "app", "--json", *words))


def approve(shop: Shop, plan: str) -> None:
    shop.terminal("approve", plan[:12], "--reason", "read it")


def test_a_protected_target_runs_only_what_was_approved(guarded: Shop) -> None:
    said = guarded.run(code=20)
    assert "has no approval" in said.err
    assert guarded.pg.tables() == []
    named = said.err.split("templedb approve ")[1].split()[0]
    guarded.terminal("approve", named, "--reason", "read it")
    assert "2 migrations applied" in guarded.run().out


def test_an_approval_needs_a_reason(guarded: Shop) -> None:
    made = plan(guarded)
    guarded.terminal("approve", made, code=64)
    guarded.terminal("approve", made, "--reason", " ", code=64)


def test_an_approval_is_used_up_by_the_run_that_succeeds_under_it(guarded: Shop) -> None:
    guarded.config({"name": "x", "deploy_command": "echo deployed"})
    approve(guarded, plan(guarded))
    assert "| deployed" in guarded.run().out
    guarded.run(code=20)
    assert guarded.pg.query("SELECT used_by <> '' FROM templedb.approval") in ([], [(True,)])


def test_any_change_of_what_runs_voids_the_approval(guarded: Shop) -> None:
    approve(guarded, plan(guarded))
    guarded.migration("002_orders.sql", "CREATE TABLE orders (id int, more int);")
    guarded.run(code=20)


def test_a_readme_does_not_void_an_approval_of_pure_sql(guarded: Shop) -> None:
    approve(guarded, plan(guarded))
    guarded.terminal.file("app/README.md", "words")
    guarded.run()


def test_a_file_that_a_command_may_see_voids_an_approval(guarded: Shop) -> None:
    guarded.config({"name": "x", "deploy_command": "true"})
    approve(guarded, plan(guarded))
    guarded.terminal.file("app/README.md", "words")
    guarded.run(code=20)


def test_an_approval_in_the_ledger_counts_for_another_state_file(
    guarded: Shop, tmp_path: Path
) -> None:
    approve(guarded, plan(guarded))
    guarded.run()
    guarded.migration("003.sql", "CREATE TABLE more (id int);")
    made = plan(guarded)
    approve(guarded, made)
    elsewhere = guarded.terminal
    elsewhere.set(TEMPLEDB_STATE=str(tmp_path / "ci" / "state.duckdb"))
    elsewhere("project", "import", "app")
    guarded.config(MIGRATIONS)
    elsewhere("target", "add", "app", "staging")
    elsewhere("env", "set", "app", "DATABASE_URL", guarded.pg.dsn, "--target", "staging")
    assert "1 migration applied" in guarded.run().out


def test_a_fresh_state_cannot_lower_the_policy_by_not_knowing_it(
    guarded: Shop, tmp_path: Path
) -> None:
    approve(guarded, plan(guarded))
    guarded.run()
    guarded.migration("003.sql", "CREATE TABLE more (id int);")
    fresh = guarded.terminal
    fresh.set(TEMPLEDB_STATE=str(tmp_path / "ci" / "state.duckdb"))
    fresh("project", "import", "app")
    guarded.config(MIGRATIONS)
    fresh("target", "add", "app", "staging")
    fresh("env", "set", "app", "DATABASE_URL", guarded.pg.dsn, "--target", "staging")
    guarded.run(code=20)
    assert "more" not in guarded.pg.tables()


def test_lowering_the_policy_needs_a_reason_that_the_ledger_keeps(guarded: Shop) -> None:
    approve(guarded, plan(guarded))
    guarded.run()
    guarded.terminal("target", "update", "app", "staging", "--no-protected", code=64)
    guarded.terminal("target", "update", "app", "staging", "--no-protected", "--reason", "a drill")
    ((detail,),) = guarded.pg.query("SELECT detail FROM templedb.event WHERE what = 'policy'")
    assert detail["reason"] == "a drill"
    guarded.run()


def test_words_of_a_person_need_an_approval_on_a_protected_target(guarded: Shop) -> None:
    said = guarded.terminal(
        "migration", "mark-applied", "001_users", "--reason", "by hand", code=20
    )
    guarded.terminal(
        "approve", said.err.split("templedb approve ")[1].split()[0], "--reason", "so it is"
    )
    guarded.terminal("migration", "mark-applied", "001_users", "--reason", "by hand")
    assert guarded.pg.applied() == ["migrations/001_users.sql"]


def test_a_plan_runs_as_it_was_made(shop: Shop) -> None:
    made = plan(shop)
    shop.migration("002_orders.sql", "CREATE TABLE changed_meanwhile (id int);")
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    assert "2 migrations applied" in shop.terminal("deploy", "run", "--plan", made[:12]).out
    assert shop.pg.tables() == ["orders", "users"]


def test_a_plan_succeeds_once(shop: Shop) -> None:
    made = plan(shop)
    shop.terminal("deploy", "run", "--plan", made)
    assert "succeeded already" in shop.terminal("deploy", "run", "--plan", made, code=22).err


def test_a_plan_is_stale_once_the_target_moves_with_every_difference(shop: Shop) -> None:
    made = plan(shop)
    shop.terminal("migration", "mark-applied", "001_users")
    said = shop.terminal("deploy", "run", "--plan", made, code=22)
    assert "no longer to do: migrations: migration migrations/001_users.sql" in said.err
    assert shop.pg.tables() == []


def test_a_plan_whose_target_moved_without_touching_it_still_runs(shop: Shop) -> None:
    shop.config(MIGRATIONS, {"name": "x", "build_command": "true"})
    made = plan(shop, "--skip-group", "x")
    shop.terminal("deploy", "run", "app", "--skip-group", "migrations")
    assert "2 migrations applied" in shop.terminal("deploy", "run", "--plan", made).out


def test_a_plan_that_broke_off_goes_on_where_it_was_under_the_same_approval(guarded: Shop) -> None:
    guarded.migration("003_needs.sql", "INSERT INTO by_hand VALUES (1);")
    made = plan(guarded)
    approve(guarded, made)
    guarded.terminal("deploy", "run", "--plan", made, code=12)
    guarded.pg.query(f"CREATE TABLE by_hand (id int); GRANT ALL ON by_hand TO {guarded.pg.role}")
    said = guarded.terminal("deploy", "run", "--plan", made)
    assert said.out.count("an earlier run of this plan applied it") == 2
    assert "1 migration applied" in said.out
    assert guarded.pg.query("SELECT count(*) FROM orders") == [(1,)]


def test_a_bundle_carries_a_plan_to_a_state_that_knows_nothing(
    shop: Shop, tmp_path: Path, pg: Database
) -> None:
    shop.config(MIGRATIONS, {"name": "x", "deploy_command": "cat migrations/001_users.sql"})
    shop.terminal("deploy", "plan", "app", "--out", "plan.templedb")
    body = (tmp_path / "plan.templedb").read_bytes()
    assert pg.dsn.encode() not in body
    ci = shop.terminal
    ci.set(TEMPLEDB_STATE=str(tmp_path / "ci" / "state.duckdb"), DATABASE_URL=pg.dsn)
    said = ci("deploy", "run", "--plan", "plan.templedb").out
    assert "2 migrations applied" in said
    assert "| CREATE TABLE users" in said


def test_equal_plans_give_equal_bundles(shop: Shop, tmp_path: Path) -> None:
    shop.terminal("deploy", "plan", "app", "--out", "one.templedb")
    shop.terminal("deploy", "plan", "app", "--out", "two.templedb")
    with (
        zipfile.ZipFile(tmp_path / "one.templedb") as one,
        zipfile.ZipFile(tmp_path / "two.templedb") as two,
    ):
        first, second = (json.loads(each.read("bundle.json")) for each in (one, two))
        assert first["id"] == second["id"]
        assert one.namelist() == two.namelist()


@pytest.mark.parametrize("what", ["blob", "plan"])
def test_a_bundle_that_was_changed_is_refused(shop: Shop, tmp_path: Path, what: str) -> None:
    shop.terminal("deploy", "plan", "app", "--out", "plan.templedb")
    path = tmp_path / "plan.templedb"
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    if what == "blob":
        name = next(name for name in parts if name.startswith("blobs/") and b"users" in parts[name])
        parts[name] = b"DROP TABLE users;"
    else:
        bundle = json.loads(parts["bundle.json"])
        bundle["preview"]["draft"]["plan"]["policy"]["protected"] = True
        parts["bundle.json"] = json.dumps(bundle).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in parts.items():
            archive.writestr(name, body)
    said = shop.terminal("deploy", "run", "--plan", str(path), code=22)
    assert "was changed after it was made" in said.err
    assert shop.pg.tables() == []


def test_a_bundle_of_a_newer_templedb_is_told(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "plan.templedb"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bundle.json", json.dumps({"format": 2, "brand_new": True}))
    said = shop.terminal("deploy", "run", "--plan", str(path), code=78)
    assert "a newer templedb wrote" in said.err
    assert "--upgrade" in said.err


def test_detailed_exit_codes_tell_whether_there_is_something_to_do(shop: Shop) -> None:
    shop.terminal("deploy", "plan", "app", "--detailed-exitcode", code=2)
    shop.run()
    shop.terminal("deploy", "plan", "app", "--detailed-exitcode", code=0)


def test_an_unknown_plan_is_told(shop: Shop) -> None:
    assert "no plan begins with" in shop.terminal("deploy", "run", "--plan", "abcdef", code=64).err
    assert "no plan begins with" in shop.terminal("approve", "abcdef", "--reason", "x", code=64).err


def test_a_plan_that_does_nothing_needs_no_approval(guarded: Shop) -> None:
    approve(guarded, plan(guarded))
    guarded.run()
    assert "nothing applied" in guarded.run().out


def test_approvals_say_who_and_why(guarded: Shop, terminal: Terminal) -> None:
    terminal.set(TEMPLEDB_USER="emil")
    made = plan(guarded)
    approve(guarded, made)
    said = guarded.run("--dry-run").out
    assert "approved by emil" in said
    assert "read it" in said
