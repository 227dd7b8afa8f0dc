"""Plans that travel, approvals that bind to their content, and targets that moved."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path

import pytest

from templedb_nb.model.target import NOBODY, FindingLevel, Policy
from templedb_nb.store.duckdb.state_file import StateFile
from tests.conftest import MIGRATIONS, Database, Said, Shop


@pytest.fixture
def guarded(shop: Shop) -> Shop:
    shop.terminal("target", "update", "app", "staging", "--protected")
    return shop


def plan_id(said: Said) -> str:
    return str(said.json[-1]["plan_id"])


def plan(shop: Shop, *words: str) -> str:
    return plan_id(shop.terminal("deploy", "plan", "app", "--json", *words))


def approve(shop: Shop, plan: str) -> None:
    shop.approve(plan[:12])


def test_run_is_refused_when_a_protected_target_has_no_approved_plan(guarded: Shop) -> None:
    said = guarded.run(code=20)
    assert "has no approval" in said.err
    assert guarded.pg.tables() == []
    named = said.err.split("templedb approve ")[1].split()[0]
    guarded.approve(named)
    assert "2 migrations applied" in guarded.run().out


def test_approval_is_refused_when_the_reason_is_missing_or_blank(guarded: Shop) -> None:
    made = plan(guarded)
    guarded.terminal("approve", made, code=64)
    guarded.terminal("approve", made, "--reason", " ", code=64)


def test_approval_is_used_up_when_a_run_succeeds_under_it(guarded: Shop) -> None:
    guarded.config({"name": "x", "deploy_command": "echo deployed"})
    approve(guarded, plan(guarded))
    assert "| deployed" in guarded.run().out
    guarded.run(code=20)
    assert guarded.pg.query("SELECT used_by <> '' FROM templedb.approval") in ([], [(True,)])


@pytest.mark.parametrize("database", [True, False], ids=["with a ledger", "state alone"])
def test_approval_is_used_up_when_the_run_dies_right_behind_its_end(
    shop: Shop, *, database: bool
) -> None:
    shop.config({"name": "x", "deploy_command": "echo deployed"})
    if not database:
        shop.terminal("env", "unset", "app", "DATABASE_URL", "--target", "staging")
    made = wants(shop, "--approvals", "1")
    shop.approve(made)
    shop.terminal.set(TEMPLEDB_FAILPOINT="run.told:kill9")
    process = shop.terminal.process("deploy", "run", "app")
    said = process.communicate(timeout=60)
    shop.terminal.set(TEMPLEDB_FAILPOINT="")
    assert process.returncode == -9, said
    shop.run(code=20)
    used = shop.terminal("sql", "SELECT used_by FROM approvals", "--json").json[-1]["rows"]
    (run,) = shop.terminal("sql", "SELECT run FROM runs", "--json").json[-1]["rows"]
    assert used == [run]


def test_approval_is_void_when_a_migration_changes(guarded: Shop) -> None:
    approve(guarded, plan(guarded))
    guarded.migration("002_orders.sql", "CREATE TABLE orders (id int, more int);")
    guarded.run(code=20)


def test_approval_stays_valid_when_a_readme_is_added_to_a_project_of_pure_sql(
    guarded: Shop,
) -> None:
    approve(guarded, plan(guarded))
    guarded.terminal.file("app/README.md", "words")
    guarded.run()


def test_approval_is_void_when_a_file_changes_that_a_command_may_see(guarded: Shop) -> None:
    guarded.config({"name": "x", "deploy_command": "true"})
    approve(guarded, plan(guarded))
    guarded.terminal.file("app/README.md", "words")
    guarded.run(code=20)


def test_approval_in_the_ledger_counts_when_another_state_file_runs_the_plan(
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


def test_ledger_keeps_the_approval_when_a_first_run_was_decided_by_it(guarded: Shop) -> None:
    made = plan(guarded)
    approve(guarded, made)
    guarded.run()
    kept = guarded.pg.query("SELECT given_by, reason, used_by <> '' FROM templedb.approval")
    assert kept == [("emil", "read it", True)]


def test_policy_is_not_lowered_when_a_fresh_state_does_not_know_it(
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


def test_policy_change_needs_a_reason_that_the_ledger_keeps_when_protection_is_lowered(
    guarded: Shop,
) -> None:
    approve(guarded, plan(guarded))
    guarded.run()
    guarded.terminal("target", "update", "app", "staging", "--no-protected", code=64)
    guarded.terminal("target", "update", "app", "staging", "--no-protected", "--reason", "a drill")
    ((detail,),) = guarded.pg.query("SELECT detail FROM templedb.event WHERE what = 'policy'")
    assert detail["reason"] == "a drill"
    guarded.run()


def test_mark_applied_needs_an_approval_when_the_target_is_protected(guarded: Shop) -> None:
    said = guarded.terminal(
        "migration", "mark-applied", "001_users", "--reason", "by hand", code=20
    )
    guarded.approve(said.err.split("templedb approve ")[1].split()[0])
    guarded.terminal("migration", "mark-applied", "001_users", "--reason", "by hand")
    assert guarded.pg.applied() == ["migrations/001_users.sql"]


def test_plan_runs_as_it_was_made_when_the_files_change_afterwards(shop: Shop) -> None:
    made = plan(shop)
    shop.migration("002_orders.sql", "CREATE TABLE changed_meanwhile (id int);")
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    assert "2 migrations applied" in shop.terminal("deploy", "run", "--plan", made[:12]).out
    assert shop.pg.tables() == ["orders", "users"]


def test_plan_is_refused_when_it_has_succeeded_already(shop: Shop) -> None:
    made = plan(shop)
    shop.terminal("deploy", "run", "--plan", made)
    assert "succeeded already" in shop.terminal("deploy", "run", "--plan", made, code=22).err


def test_plan_is_stale_and_names_every_difference_when_the_target_has_moved(shop: Shop) -> None:
    made = plan(shop)
    shop.terminal("migration", "mark-applied", "001_users")
    said = shop.terminal("deploy", "run", "--plan", made, code=22)
    assert "no longer to do: migrations: migration migrations/001_users.sql" in said.err
    assert shop.pg.tables() == []


def test_plan_still_runs_when_the_target_moved_without_touching_its_steps(shop: Shop) -> None:
    shop.config(MIGRATIONS, {"name": "x", "build_command": "true"})
    made = plan(shop, "--skip-group", "x")
    shop.terminal("deploy", "run", "app", "--skip-group", "migrations")
    assert "2 migrations applied" in shop.terminal("deploy", "run", "--plan", made).out


def test_plan_goes_on_under_the_same_approval_when_an_earlier_run_broke_off(guarded: Shop) -> None:
    guarded.migration("003_needs.sql", "INSERT INTO by_hand VALUES (1);")
    made = plan(guarded)
    approve(guarded, made)
    guarded.terminal("deploy", "run", "--plan", made, code=12)
    guarded.pg.query(f"CREATE TABLE by_hand (id int); GRANT ALL ON by_hand TO {guarded.pg.role}")
    said = guarded.terminal("deploy", "run", "--plan", made)
    assert said.out.count("an earlier run of this plan applied it") == 2
    assert "1 migration applied" in said.out
    assert guarded.pg.query("SELECT count(*) FROM orders") == [(1,)]


def test_bundle_runs_its_plan_when_the_state_knows_nothing_of_the_project(
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


def test_bundles_are_equal_when_their_plans_are_equal(shop: Shop, tmp_path: Path) -> None:
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
def test_bundle_is_refused_when_it_was_changed_after_it_was_made(
    shop: Shop, tmp_path: Path, what: str
) -> None:
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


def test_bundle_is_refused_with_an_upgrade_hint_when_a_newer_templedb_wrote_it(
    shop: Shop, tmp_path: Path
) -> None:
    path = tmp_path / "plan.templedb"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bundle.json", json.dumps({"format": 2, "brand_new": True}))
    said = shop.terminal("deploy", "run", "--plan", str(path), code=78)
    assert "a newer templedb wrote" in said.err
    assert "--upgrade" in said.err


def test_plan_exits_with_2_when_detailed_exit_code_is_asked_and_there_is_something_to_do(
    shop: Shop,
) -> None:
    shop.terminal("deploy", "plan", "app", "--detailed-exitcode", code=2)
    shop.run()
    shop.terminal("deploy", "plan", "app", "--detailed-exitcode", code=0)


def test_plan_id_is_refused_when_no_plan_begins_with_it(shop: Shop) -> None:
    assert "no plan begins with" in shop.terminal("deploy", "run", "--plan", "abcdef", code=64).err
    assert "no plan begins with" in shop.terminal("approve", "abcdef", "--reason", "x", code=64).err


def test_plan_needs_no_approval_when_it_does_nothing(guarded: Shop) -> None:
    approve(guarded, plan(guarded))
    guarded.run()
    assert "nothing applied" in guarded.run().out


def test_dry_run_says_who_approved_and_why_when_the_plan_is_approved(guarded: Shop) -> None:
    made = plan(guarded)
    approve(guarded, made)
    said = guarded.run("--dry-run").out
    assert "approved by emil" in said
    assert "read it" in said


# --- how many, by whom, for how long --------------------------------------------------------------


def wants(shop: Shop, *words: str) -> str:
    """Say what the target demands, and return a plan that waits."""
    shop.terminal("target", "update", "app", "staging", *words)
    return plan(shop)[:12]


def test_approval_does_not_count_when_the_author_of_the_plan_gives_it_on_a_protected_target(
    guarded: Shop,
) -> None:
    made = plan(guarded)[:12]
    guarded.approve(made, by="rosa")
    said = guarded.run(code=20).err
    assert "the approval of rosa does not count: they made the plan" in said
    assert "1 approval, not by the author of the plan" in said
    guarded.terminal(
        "target", "update", "app", "staging", "--self-approval", "--reason", "alone here"
    )
    guarded.approve(plan(guarded)[:12], by="rosa")
    guarded.run()


def test_approve_says_that_the_approval_does_not_count_when_the_author_gives_it(
    guarded: Shop,
) -> None:
    made = plan(guarded)[:12]
    said = guarded.approve(made, by="rosa").out
    assert "it does not count: they made the plan (--self-approval allows that)" in said
    listed = guarded.terminal("approvals", made)
    assert "the approval of rosa does not count: they made the plan" in listed.out
    assert "does not count" not in guarded.approve(made, by="emil").out
    assert "does not count" not in guarded.judge("reject", made, "rosa", "no").out


def test_python_approve_warns_when_the_approval_will_not_count(guarded: Shop) -> None:
    from templedb_nb.api import Temple

    made = plan(guarded)
    with pytest.warns(UserWarning, match="does not count: they made the plan"):
        given = Temple.open().approve(made, "mine")
    assert given.given_by == "rosa"


def test_approve_says_that_the_approval_does_not_count_when_the_person_is_not_an_approver(
    shop: Shop,
) -> None:
    made = wants(shop, "--approvals", "1", "--approvers", "ana")
    assert "it does not count: only these may approve: ana" in shop.approve(made, by="emil").out


OTHER_SPELLINGS = [
    "Rosa",
    " rosa ",
    "ROSA\t",
    "ro\u200bsa",
    "\u00a0rosa",
    "\uff32\uff4f\uff53\uff41",
]


@pytest.mark.parametrize("name", OTHER_SPELLINGS)
def test_author_of_the_plan_is_recognised_when_the_name_is_spelled_differently(
    guarded: Shop, name: str
) -> None:
    made = plan(guarded)[:12]
    assert "they made the plan" in guarded.approve(made, by=name).out
    assert "they made the plan" in guarded.run(code=20).err


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("emil", "Emil"),
        ("emil@example.com", " EMIL@Example.com "),
        ("Jos\u00e9", "jose\u0301"),
        ("Gro\u00df", "GROSS"),
        ("Ana  Maria", "ana maria"),
    ],
)
def test_approvals_count_as_one_person_when_two_spellings_name_the_same_person(
    shop: Shop, one: str, other: str
) -> None:
    made = wants(shop, "--approvals", "2")
    shop.approve(made, by=one)
    shop.approve(made, by=other)
    assert "has 1 of 2 approvals" in shop.run(code=20).err
    shop.approve(made, by="ana")
    shop.run()


def test_approver_counts_and_lifts_their_own_rejection_when_the_name_is_spelled_differently(
    shop: Shop,
) -> None:
    made = wants(shop, "--approvals", "1", "--approvers", "Ana@Example.com, zoe")
    shop.judge("reject", made, "ana@example.com", "not yet")
    assert "was rejected by ana@example.com" in shop.run(code=21).err
    shop.approve(made, by="ANA@example.com ")
    assert "2 migrations applied" in shop.run().out


def test_used_approval_names_its_run_when_another_run_wants_it(guarded: Shop) -> None:
    guarded.config({"name": "x", "deploy_command": "true"})
    made = plan(guarded)
    approve(guarded, made)
    run = guarded.run("--json").json[-1]["run"]
    said = guarded.run(code=20).err
    assert f"the approval of emil does not count: run {run[:13]} has used it up" in said
    assert run[:13] in guarded.terminal("approvals", made).out
    approve(guarded, made)
    guarded.run()


def test_reviewer_does_not_count_as_the_author_when_they_only_dry_run_the_plan(
    guarded: Shop,
) -> None:
    made = plan(guarded)[:12]
    guarded.terminal.set(TEMPLEDB_USER="emil")
    guarded.run("--dry-run")
    guarded.terminal("approve", made, "--reason", "read it")
    assert "2 migrations applied" in guarded.run().out


def test_approvals_count_once_per_person_when_the_same_person_approves_twice(shop: Shop) -> None:
    made = wants(shop, "--approvals", "2")
    shop.approve(made, by="emil")
    shop.approve(made, by="emil", reason="and again")
    said = shop.run(code=20).err
    assert "has 1 of 2 approvals" in said
    shop.approve(made, by="ana")
    assert "2 migrations applied" in shop.run().out


def test_approval_does_not_count_when_the_person_is_not_named_as_an_approver(shop: Shop) -> None:
    made = wants(shop, "--approvals", "1", "--approvers", "ana, zoe")
    shop.approve(made, by="emil")
    assert (
        "the approval of emil does not count: only these may approve: ana, zoe"
        in shop.run(code=20).err
    )
    shop.approve(made, by="zoe")
    shop.run()


def test_approval_does_not_count_when_it_has_expired(shop: Shop) -> None:
    made = wants(shop, "--approvals", "1", "--expires", "1h")
    shop.approve(made)
    old = "UPDATE approvals SET given_at = given_at - INTERVAL 2 HOUR"
    with StateFile(shop.terminal.state).session() as session:
        session.execute(old)
    said = shop.run(code=20).err
    assert "the approval of emil does not count: it expired after 1:00:00" in said
    shop.approve(made)
    shop.run()


def test_run_is_forbidden_when_the_plan_is_rejected_and_somebody_else_approves(shop: Shop) -> None:
    made = wants(shop, "--approvals", "1")
    shop.judge("reject", made, "ana", "the index is missing")
    shop.approve(made, by="emil")
    said = shop.run(code=21).err
    assert "was rejected by ana: the index is missing" in said
    assert shop.pg.tables() == []
    assert "REJECTED by ana" in shop.run("--dry-run").out
    shop.approve(made, by="ana", reason="it is in the next one")
    shop.run()


def test_rejection_forbids_the_run_when_no_approval_is_required(shop: Shop) -> None:
    made = plan(shop)[:12]
    shop.judge("reject", made, "ana", "the index is missing")
    assert "REJECTED by ana" in shop.run("--dry-run").out
    assert "was rejected by ana: the index is missing" in shop.run(code=21).err
    assert shop.pg.tables() == []
    shop.approve(made, by="ana", reason="it is in the next one")
    shop.run()


def test_withdrawn_rejection_stays_withdrawn_when_a_run_used_up_the_approval(shop: Shop) -> None:
    """The same content again: what withdrew the rejection is used up, and it still withdrew it."""
    made = wants(shop, "--approvals", "1")
    shop.judge("reject", made, "ana", "the index is missing")
    shop.approve(made, by="ana", reason="it is in the next one")
    shop.run()
    shop.pg.query("DROP TABLE users, orders; DROP SCHEMA templedb CASCADE")
    shop.terminal("target", "rebind", "app", "staging", "--reason", "restored", code=None)
    said = shop.run(code=20).err
    assert "rejected" not in said


def test_rejection_forbids_nothing_when_the_person_is_not_an_approver(shop: Shop) -> None:
    made = wants(shop, "--approvers", "zoe")
    shop.judge("reject", made, "ana", "no")
    assert "REJECTED" not in shop.run("--dry-run").out
    shop.run()


def test_run_succeeds_when_a_plan_that_does_nothing_is_rejected(shop: Shop) -> None:
    shop.run()
    shop.judge("reject", plan(shop)[:12], "ana", "no")
    assert "nothing applied" in shop.run().out


def test_rejection_in_a_duckdb_ledger_counts_when_another_state_file_runs_the_plan(
    shop: Shop, tmp_path: Path
) -> None:
    address = f"duckdb://{tmp_path}/shop.duckdb"
    shop.terminal("env", "set", "app", "DATABASE_URL", address, "--target", "staging", "--plain")
    shop.run()
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    shop.terminal("deploy", "plan", "app", "--out", "plan.templedb")
    shop.judge("reject", "plan.templedb", "ana", "not yet")
    ci = shop.terminal
    ci.set(TEMPLEDB_STATE=str(tmp_path / "ci" / "state.duckdb"), DATABASE_URL=address)
    said = ci("deploy", "run", "--plan", "plan.templedb", code=21).err
    assert "was rejected by ana: not yet" in said


@pytest.mark.parametrize("approvals", ["1", None])
def test_rejection_counts_when_given_just_before_the_run_starts(
    shop: Shop, approvals: str | None
) -> None:
    """The count and the start of the run are decided in one transaction of the ledger."""
    shop.run()
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    if approvals:
        made = wants(shop, "--approvals", approvals)
        shop.approve(made)
    else:
        made = plan(shop)[:12]
    shop.terminal.set(TEMPLEDB_FAILPOINT="run.locked:sleep=3")
    process = shop.terminal.process("deploy", "run", "app")
    end = time.monotonic() + 40
    while shop.pg.query("SELECT count(*) FROM templedb.lock") != [(1,)]:
        assert time.monotonic() < end
    shop.terminal.unset("TEMPLEDB_FAILPOINT")
    shop.judge("reject", made, "ana", "stop")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 21, err
    assert "more" not in shop.pg.tables()


def test_approvals_list_who_gave_them_as_unverified_when_nobody_checked(shop: Shop) -> None:
    made = wants(shop, "--approvals", "2")
    assert "no plan was approved or rejected yet" in shop.terminal("approvals").out
    shop.approve(made, by="emil")
    shop.judge("reject", made, "ana", "no index")
    for said in (shop.terminal("approvals").out, shop.terminal("approvals", made).out):
        assert "emil (unverified)" in said
        assert said.index("rejected") < said.index("approved")
        assert "no index" in said
    rows = shop.terminal("sql", "SELECT verdict FROM approvals ORDER BY given_at", "--json").json[
        -1
    ]
    assert rows["rows"] == [["approved"], ["rejected"]]


def test_approvals_say_so_when_the_ledger_cannot_be_read(shop: Shop) -> None:
    made = wants(shop, "--approvals", "2")
    shop.approve(made)
    assert "could not be read" not in shop.terminal("approvals", made).out
    gone = shop.pg.dsn.replace(f"/{shop.pg.name}", "/gone")
    shop.terminal("env", "set", "app", "DATABASE_URL", gone, "--target", "staging")
    said = shop.terminal("approvals", made).out
    assert "emil (unverified)" in said
    assert "the ledger of staging could not be read" in said
    note = shop.terminal("approvals", made, "--json").json[-1]["note"]
    assert "could not be read" in note
    assert "gone" in note
    shop.terminal("env", "unset", "app", "DATABASE_URL", "--target", "staging")
    assert "DATABASE_URL has no value" in shop.terminal("approvals", made).out


def test_plan_of_an_older_release_is_not_approved_when_a_newer_plan_replaces_it(
    guarded: Shop,
) -> None:
    old = plan(guarded)[:12]
    guarded.migration("003.sql", "CREATE TABLE more (id int);")
    new = plan(guarded)[:12]
    said = guarded.approve(old, code=22).err
    assert f"plan {new} of a newer one replaces it" in said
    guarded.approve(new)
    guarded.run()


def test_plan_of_an_older_release_is_approved_when_planned_again_on_purpose(guarded: Shop) -> None:
    old = plan(guarded)[:12]
    guarded.migration("003.sql", "CREATE TABLE more (id int);")
    plan(guarded)
    assert plan(guarded, "--release", "1")[:12] == old
    guarded.approve(old)
    said = guarded.terminal("deploy", "run", "--plan", old)
    assert "2 migrations applied" in said.out


def test_plan_keeps_its_first_author_when_somebody_else_makes_the_same_plan(guarded: Shop) -> None:
    old = plan(guarded)[:12]
    guarded.terminal.set(TEMPLEDB_USER="emil")
    assert plan(guarded)[:12] == old
    guarded.approve(old, by="rosa")
    assert "the approval of rosa does not count: they made the plan" in guarded.run(code=20).err


def test_plan_is_not_replaced_when_ledger_marks_and_rollbacks_are_planned(guarded: Shop) -> None:
    old = plan(guarded)[:12]
    guarded.terminal.file("app/README.md", "another release")
    words = ("migration", "mark-applied", "001_users", "--reason", "by hand")
    marked = guarded.terminal(*words, code=20).err.split("templedb approve ")[1].split()[0]
    guarded.approve(old)
    guarded.migration("003.sql", "CREATE TABLE more (id int);")
    plan(guarded)
    guarded.approve(marked)


def test_run_goes_on_when_its_approval_comes_during_the_wait(guarded: Shop) -> None:
    process = guarded.terminal.process("deploy", "run", "app", "--wait-approval", "1m")
    end = time.monotonic() + 40
    while not (
        rows := guarded.terminal("sql", "SELECT id FROM main.plans", "--json").json[-1]["rows"]
    ):
        assert time.monotonic() < end
    guarded.approve(rows[0][0])
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert "2 migrations applied" in out
    assert "waiting: plan" in err


def test_wait_for_approval_ends_when_the_plan_is_rejected_or_the_time_is_over(
    guarded: Shop,
) -> None:
    assert "has no approval" in guarded.run("--wait-approval", "1s", code=20).err
    guarded.judge("reject", plan(guarded)[:12], "ana", "not today")
    assert "not today" in guarded.run("--wait-approval", "1m", code=21).err


def test_target_takes_its_approval_policy_when_a_checked_in_file_states_the_policy(
    shop: Shop,
) -> None:
    shop.terminal.file(
        "app/templedb.yaml",
        'groups: [{name: migrations, file_patterns: ["migrations/*.sql"]}]\n'
        "targets:\n  live:\n    approvals: 2\n    approvers: [ana, emil]\n"
        "    self_approval: false\n    approval_expires_s: 4h\n",
    )
    shop.terminal("project", "sync", "app")
    said = shop.terminal("target", "show", "app", "live").out
    assert "2 approvals by ana, emil, not by the author of the plan, no older than 4:00:00" in said


def test_lint_and_drift_policy_is_kept_and_needs_a_reason_when_lowered(shop: Shop) -> None:
    terminal = shop.terminal
    terminal("target", "update", "app", "staging", "--lint", "block", "--drift", "block")
    said = terminal("target", "show", "app", "staging").out
    assert [line.split()[-1] for line in said.splitlines() if "block" in line] == ["block"] * 2
    refused = terminal("target", "update", "app", "staging", "--lint", "off", code=64).err
    assert "lowers" in refused
    terminal("target", "update", "app", "staging", "--lint", "off", "--reason", "a quiet night")
    assert "off" in terminal("target", "show", "app", "staging").out


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Policy(approvals=1), Policy(approvals=2), Policy(approvals=2)),
        (Policy(approvers=("a",)), Policy(), Policy(approvers=("a",))),
        (Policy(approvers=("a", "b")), Policy(approvers=("b", "c")), Policy(approvers=("b",))),
        (Policy(approvers=("a",)), Policy(approvers=("b",)), Policy(approvers=NOBODY)),
        (Policy(approvers=("Ana",)), Policy(approvers=("ana ", "b")), Policy(approvers=("Ana",))),
        (Policy(self_approval=False), Policy(), Policy(self_approval=False)),
        (Policy(approval_expires_s=60), Policy(), Policy(approval_expires_s=60)),
        (Policy(approval_expires_s=60), Policy(approval_expires_s=9), Policy(approval_expires_s=9)),
        (
            Policy(lint=FindingLevel.OFF),
            Policy(lint=FindingLevel.BLOCK),
            Policy(lint=FindingLevel.BLOCK),
        ),
        (Policy(drift=FindingLevel.OFF), Policy(), Policy(drift=FindingLevel.WARN)),
    ],
)
def test_stricter_policy_satisfies_both_when_two_policies_are_combined(
    one: Policy, other: Policy, both: Policy
) -> None:
    assert one.stricter(other) == other.stricter(one) == both
    assert both.stricter(one) == both
