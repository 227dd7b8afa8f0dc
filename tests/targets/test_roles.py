"""A role that deploys and does not own the ledger: what it can do, and what it cannot roll back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from templedb_nb.model.target import Policy
from templedb_nb.targets.postgres.ledger.snapshot import ddl, grants
from tests.conftest import MIGRATIONS, Shop

FORMER = """
GRANT USAGE ON SCHEMA templedb TO :role;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA templedb TO :role;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA templedb TO :role;
"""
"""What earlier versions of templedb printed."""


@pytest.fixture
def poor(shop: Shop) -> Shop:
    """Somebody else owns the database and made the ledger, and gave the role what it needs."""
    pg = shop.pg
    pg.query(
        f"ALTER DATABASE {pg.name} OWNER TO CURRENT_USER; GRANT CREATE ON SCHEMA public TO {pg.role}"
    )
    pg.query(shop.terminal("target", "ledger-sql", "--role", pg.role).out)
    return shop


@pytest.fixture
def guarded(poor: Shop) -> Shop:
    """The target is protected, its ledger knows, and a first deployment is there."""
    poor.terminal("target", "update", "app", "staging", "--protected", "--approvers", "emil,ana")
    approved(poor, "deploy", "run", "app")
    return poor


def approved(shop: Shop, *words: str, by: str = "emil") -> None:
    plan = shop.terminal(*words, code=20).err.split("templedb approve ")[1].split()[0]
    shop.approve(plan, by=by)
    shop.terminal(*words)


@contextmanager
def as_deployer(shop: Shop) -> Iterator[psycopg.Connection]:
    with psycopg.connect(shop.pg.dsn, autocommit=True) as connection:
        yield connection


def policy_row(shop: Shop) -> str:
    ((found,),) = shop.pg.query("SELECT v FROM templedb.meta WHERE k = 'policy/app'")
    return str(found)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("freeze/app", "{}"),
        ("freeze/other", "[1]"),
        ("policy/other", "nothing"),
        ("policy/other", '{"approvals": "9"}'),
        ("policy/other", '{"signed": null}'),
        ("rollback/app", "{}"),
        ("objects", "{}"),
    ],
)
def test_fact_is_named_when_somebody_wrote_it_by_hand(poor: Shop, key: str, value: str) -> None:
    poor.run()
    with as_deployer(poor) as deployer:
        deployer.execute(
            "INSERT INTO templedb.meta (k, v) VALUES (%s, %s)"
            " ON CONFLICT (k, scope) DO UPDATE SET v = excluded.v",
            [key, value],
        )
    poor.migration("003.sql", "CREATE TABLE three (id int);")
    said = poor.run(code=69)
    assert f"the fact {key.partition('/')[0]}" in said.err
    assert "correct or delete that row of table templedb.meta" in said.err
    poor.pg.query(f"DELETE FROM templedb.meta WHERE k = '{key}'")
    poor.run()


@pytest.mark.parametrize("table", ["event", "approval", "run", "command", "migration", "meta"])
def test_ledger_table_keeps_its_rows_when_a_deployer_tries_to_empty_it(
    guarded: Shop, table: str
) -> None:
    before = guarded.pg.query(f"SELECT count(*) FROM templedb.{table}")
    with as_deployer(guarded) as deployer:
        for sql in ("DELETE FROM templedb.{}", "TRUNCATE templedb.{}", "DROP TABLE templedb.{}"):
            try:
                deployer.execute(sql.format(table).encode())
            except psycopg.errors.InsufficientPrivilege:
                continue
    assert guarded.pg.query(f"SELECT count(*) FROM templedb.{table}") == before


def test_event_is_not_changed_when_a_deployer_tries_to_update_it(guarded: Shop) -> None:
    with as_deployer(guarded) as deployer, pytest.raises(psycopg.errors.InsufficientPrivilege):
        deployer.execute("UPDATE templedb.event SET detail = '{}'")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM templedb.meta WHERE k = 'policy/app'",
        "UPDATE templedb.meta SET k = 'other' WHERE k = 'policy/app'",
        "UPDATE templedb.meta SET v = '{}' WHERE k = 'policy/app'",
        "UPDATE templedb.meta SET v = jsonb_set(v::jsonb, '{protected}', 'false') WHERE k = 'policy/app'",
        "UPDATE templedb.meta SET v = jsonb_set(v::jsonb, '{approvals}', '0') WHERE k = 'policy/app'",
        "UPDATE templedb.meta SET v = jsonb_set(v::jsonb, '{approvers}', '[]') WHERE k = 'policy/app'",
        "UPDATE templedb.meta SET v = jsonb_set(v::jsonb, '{approvers}', '[\"me\"]') WHERE k = 'policy/app'",
        "UPDATE templedb.meta SET v = jsonb_set(v::jsonb, '{self_approval}', 'true') WHERE k = 'policy/app'",
        "UPDATE templedb.meta SET v = jsonb_set(v::jsonb, '{order_policy}', '\"non-linear\"') WHERE k = 'policy/app'",
        "UPDATE templedb.meta SET v = jsonb_set(v::jsonb, '{lint}', '\"off\"') WHERE k = 'policy/app'",
        "UPDATE templedb.meta SET v = (v::jsonb - 'protected')::text WHERE k = 'policy/app'",
        "INSERT INTO templedb.meta VALUES ('policy/app', '{}') ON CONFLICT (k, scope) DO UPDATE SET v = excluded.v",
        "INSERT INTO templedb.meta VALUES ('exempt/reports', '{}')",
        "INSERT INTO templedb.meta VALUES ('windows/app', '{}')",
        "UPDATE templedb.approval SET used_by = ''",
        "UPDATE templedb.approval SET given_by = 'ana' WHERE used_by <> ''",
        "DELETE FROM templedb.approval",
        "ALTER TABLE templedb.meta DISABLE ROW LEVEL SECURITY",
        "DROP POLICY change ON templedb.meta",
        "DROP SCHEMA templedb CASCADE",
    ],
)  # fmt: skip
def test_policy_and_approvals_stay_when_a_deployer_tries_to_lower_them_by_hand(
    guarded: Shop, sql: str
) -> None:
    meta = guarded.pg.query("SELECT k, v FROM templedb.meta ORDER BY k")
    words = guarded.pg.query("SELECT * FROM templedb.approval ORDER BY id")
    with as_deployer(guarded) as deployer:
        try:
            done = deployer.execute(sql.encode()).rowcount
        except psycopg.errors.InsufficientPrivilege:
            done = 0
    assert done == 0
    assert guarded.pg.query("SELECT k, v FROM templedb.meta ORDER BY k") == meta
    assert guarded.pg.query("SELECT * FROM templedb.approval ORDER BY id") == words


@pytest.mark.parametrize(
    ("by", "change"),
    [
        ("the deployer", "used_by = 'x'"),
        ("the deployer", "used_by = 'x', verdict = 'approved'"),
        ("the owner", "used_by = 'x'"),
    ],
)
def test_rejection_still_forbids_the_run_when_somebody_marks_it_as_used(
    guarded: Shop, by: str, change: str
) -> None:
    guarded.migration("003.sql", "CREATE TABLE three (id int);")
    made = guarded.run(code=20).err.split("templedb approve ")[1].split()[0]
    guarded.judge("reject", made, "ana", "the index is missing")
    guarded.approve(made)
    mark = f"UPDATE templedb.approval SET {change} WHERE verdict = 'rejected'"
    if by == "the owner":
        guarded.pg.query(mark)
    else:
        with as_deployer(guarded) as deployer:
            assert deployer.execute(mark.encode()).rowcount == 0
    assert "was rejected by ana: the index is missing" in guarded.run(code=21).err
    guarded.approve(made, by="ana", reason="it is in the next one")
    guarded.run()


def test_stricter_policy_is_accepted_when_a_deployer_has_a_type_named_as_one_of_the_catalog(
    guarded: Shop,
) -> None:
    """What compares policies does not look for types in the deployer's temporary schema."""
    with as_deployer(guarded) as deployer:
        deployer.execute("CREATE TYPE pg_temp.jsonb AS (x text)")
        done = deployer.execute(
            "UPDATE templedb.meta SET v = pg_catalog.jsonb_set(v::pg_catalog.jsonb, '{approvals}', '2')"
            " WHERE k = 'policy/app'"
        )
        assert done.rowcount == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            deployer.execute(
                "UPDATE templedb.meta SET v = pg_catalog.jsonb_set(v::pg_catalog.jsonb, '{approvals}', '1')"
                " WHERE k = 'policy/app'"
            )


def test_policy_stays_when_a_deployer_tries_to_lower_it_by_templedb(guarded: Shop) -> None:
    count = "SELECT count(*) FROM templedb.event WHERE what = 'policy'"
    before, told = policy_row(guarded), guarded.pg.query(count)
    for field in ("--no-protected", "--self-approval"):
        words = ("target", "update", "app", "staging", field, "--reason", "I am alone")
        said = guarded.terminal(*words, code=69).err
        assert "may not lower the policy of project app" in said
        assert "the owner of the ledger may" in said
    assert policy_row(guarded) == before
    assert guarded.pg.query(count) == told


def test_exemption_is_refused_when_a_deployer_asks_for_its_own(guarded: Shop) -> None:
    guarded.terminal.file("reports/migrations/001.sql", "CREATE TABLE rows (id int);")
    guarded.terminal("project", "import", "reports")
    guarded.terminal.config(MIGRATIONS, project="reports")
    guarded.terminal("target", "add", "reports", "live")
    guarded.terminal("env", "set", "reports", "DATABASE_URL", guarded.pg.dsn, "--target", "live")
    words = ("target", "exempt", "reports", "live", "--reason", "x")
    plan = guarded.terminal(*words, code=20).err.split("templedb approve ")[1].split()[0]
    guarded.approve(plan)
    assert "may not lower the policy" in guarded.terminal(*words, code=None).all
    guarded.terminal("deploy", "run", "reports", code=20)
    owner = guarded.pg.server.database(guarded.pg.name)
    guarded.terminal("env", "set", "reports", "DATABASE_URL", owner, "--target", "live")
    guarded.terminal(*words)
    guarded.terminal("env", "set", "reports", "DATABASE_URL", guarded.pg.dsn, "--target", "live")
    guarded.terminal("deploy", "run", "reports")


def test_deployer_still_does_what_runs_need_when_its_grants_are_narrow(guarded: Shop) -> None:
    terminal = guarded.terminal
    guarded.migration(
        "003.sql", "CREATE TABLE more (id int);\n-- templedb:down\nDROP TABLE more;\n"
    )
    guarded.migration("004.sql", "CREATE INDEX CONCURRENTLY n ON users (id);")
    guarded.config(MIGRATIONS, {"name": "x", "deploy_command": "true"})
    approved(guarded, "deploy", "run", "app")
    guarded.migration("005.sql", "SELECT nope;")
    plan = guarded.run(code=20).err.split("templedb approve ")[1].split()[0]
    guarded.approve(plan)
    guarded.run(code=10)
    guarded.migration("005.sql", "SELECT 1;")
    approved(guarded, "migration", "mark-applied", "app", "005", "--reason", "by hand")
    approved(guarded, "migration", "down", "app", "003", "--reason", "a drill")
    terminal("lock", "acquire", "app", "--target", "staging", "--reason", "an audit")
    guarded.run(code=23)
    terminal("lock", "release", "app", "--target", "staging", "--reason", "done")
    terminal("drift", "accept", "app", "--reason", "a look")
    terminal("drift", "check", "app")
    terminal("target", "update", "app", "staging", "--approvals", "2", "--approvers", "emil,ana")
    assert '"approvals": 2' in policy_row(guarded)
    terminal("target", "update", "app", "staging", "--lint", "block", "--expires", "4h")
    assert '"lint": "block"' in policy_row(guarded)


def test_reader_sees_the_ledger_as_before_when_the_grants_of_the_deployer_are_narrow(
    guarded: Shop,
) -> None:
    pg = guarded.pg
    pg.query(f"CREATE ROLE reader_{pg.name}; GRANT USAGE ON SCHEMA templedb TO reader_{pg.name};"
             f" GRANT SELECT ON ALL TABLES IN SCHEMA templedb TO reader_{pg.name}")  # fmt: skip
    with psycopg.connect(pg.server.database(pg.name), autocommit=True) as connection:
        connection.execute(f"SET ROLE reader_{pg.name}".encode())
        rows = connection.execute("SELECT k FROM templedb.meta WHERE k = 'policy/app'").fetchall()
        words = connection.execute("SELECT count(*) FROM templedb.approval").fetchall()
    pg.query(f"DROP OWNED BY reader_{pg.name}; DROP ROLE reader_{pg.name}")
    assert rows == [("policy/app",)]
    assert words == [(1,)]


def test_grants_are_narrowed_when_an_earlier_templedb_gave_them(shop: Shop) -> None:
    pg = shop.pg
    pg.query(
        f"ALTER DATABASE {pg.name} OWNER TO CURRENT_USER; GRANT CREATE ON SCHEMA public TO {pg.role}"
    )
    pg.query(ddl() + FORMER.replace(":role", pg.role))
    shop.run()
    with as_deployer(shop) as deployer:
        assert deployer.execute("DELETE FROM templedb.event").rowcount == 2
    narrowed = shop.terminal("target", "ledger-sql", "--upgrade", "--role", pg.role).out
    for _ in range(2):
        pg.query(narrowed)
    with as_deployer(shop) as deployer, pytest.raises(psycopg.errors.InsufficientPrivilege):
        deployer.execute("DELETE FROM templedb.event")
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    shop.run()


def test_policy_is_written_under_the_narrow_grants_when_it_is_as_strict_or_stricter(
    guarded: Shop,
) -> None:
    with as_deployer(guarded) as deployer:
        same = deployer.execute(
            "INSERT INTO templedb.meta (k, v) SELECT k, v FROM templedb.meta WHERE k = 'policy/app'"
            " ON CONFLICT (k, scope) DO UPDATE SET v = excluded.v"
        )
        assert same.rowcount == 1
        stricter = deployer.execute(
            "INSERT INTO templedb.meta (k, v) SELECT k, jsonb_set(v::jsonb, '{approvals}', '3')"
            " FROM templedb.meta WHERE k = 'policy/app'"
            " ON CONFLICT (k, scope) DO UPDATE SET v = excluded.v"
        )
        assert stricter.rowcount == 1


def test_grants_know_every_field_of_a_policy() -> None:
    for name in Policy.__dataclass_fields__:
        assert f"'{name}'" in grants() or f"'{name}/%'" in grants()


def test_windows_hold_here_and_not_in_the_ledger_when_a_deployer_sets_them(
    poor: Shop,
) -> None:
    rule = "nightly: deny * * * * * for 1h in UTC because the batch runs"
    poor.run()
    changed = poor.terminal("target", "update", "app", "staging", "--window", rule)
    assert "its ledger was not changed" in changed.out
    assert "nor change its windows: only the owner of the ledger may" in changed.out
    poor.migration("003_more.sql", "CREATE TABLE more (id int);\n")
    plan = poor.terminal("deploy", "plan", "app")
    assert "does not have these windows yet: other states ignore them" in plan.out
    poor.run(code=23)
    poor.run("--override-window", "nightly", "--reason", "the shop is down")
    assert poor.pg.query("SELECT k FROM templedb.meta WHERE k LIKE 'windows/%'") == []
    ((detail,),) = poor.pg.query("SELECT detail FROM templedb.event WHERE what = 'window'")
    assert detail["reason"] == "the shop is down"


def test_windows_hold_for_a_deployer_when_the_owner_set_them(poor: Shop) -> None:
    poor.run()
    windows = (
        '{"denies": [{"effect": "deny", "cron": "* * * * *", "duration_s": 3600, "zone": "UTC",'
        ' "reason": "the batch runs", "name": "nightly"}], "allows": []}'
    )
    poor.pg.query("INSERT INTO templedb.meta VALUES ('windows/app', %s)", windows)
    poor.migration("003_more.sql", "CREATE TABLE more (id int);\n")
    poor.run(code=23)
    lifted = ("target", "update", "app", "staging", "--no-windows")
    poor.terminal(*lifted, code=64)
    poor.terminal(*lifted, "--reason", "x", code=69)
    poor.run("--override-window", "nightly", "--reason", "the shop is down")
