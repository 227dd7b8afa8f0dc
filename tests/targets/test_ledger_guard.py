"""The ledger is guarded: what empties, drops or edits it does not count as a success."""

from __future__ import annotations

import pytest

from tests.conftest import MIGRATIONS, Said, Shop

LOOP = """
DO $$ DECLARE r record; BEGIN
  FOR r IN SELECT schemaname, tablename FROM pg_tables
           WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
  LOOP EXECUTE format({each}); END LOOP;
END $$;
"""
TRUNCATED = LOOP.format(each="'TRUNCATE %I.%I CASCADE', r.schemaname, r.tablename")
CHANGES = {
    "truncate all": TRUNCATED,
    "delete": "DELETE FROM templedb.migration;",
    "delete one": "DELETE FROM templedb.migration WHERE key LIKE '%001%';",
    "edit a checksum": "UPDATE templedb.migration SET checksum = 'x' WHERE key LIKE '%001%';",
    "edit its own row": "UPDATE templedb.migration SET state = 'failed';",
    "delete its own row": "DELETE FROM templedb.migration WHERE key LIKE '%003%';",
    "truncate one": "TRUNCATE templedb.run;",
    "delete the lock": "DELETE FROM templedb.lock;",
    "delete runs": "DELETE FROM templedb.run;",
    "edit meta": "UPDATE templedb.meta SET v = 'x' WHERE k = 'target_uuid';",
    "approve itself": "INSERT INTO templedb.approval SELECT 'x', '', '', '', '', 'me', now(), '', '';",
    "drop the schema": "DROP SCHEMA templedb CASCADE;",
    "drop owned": "DROP OWNED BY current_user CASCADE;",
    "drop all tables": LOOP.format(each="'DROP TABLE %I.%I CASCADE', r.schemaname, r.tablename"),
    "rename": "ALTER TABLE templedb.migration RENAME TO old_migration;",
    "rename the schema": "ALTER SCHEMA templedb RENAME TO old_templedb;",
    "move": "CREATE SCHEMA attic; ALTER TABLE templedb.event SET SCHEMA attic;",
    "drop a column": "ALTER TABLE templedb.run DROP COLUMN target;",
    "add a column": "ALTER TABLE templedb.run ADD COLUMN more text;",
    "drop a default": "ALTER TABLE templedb.run ALTER COLUMN message DROP DEFAULT;",
    "drop a key": "ALTER TABLE templedb.migration DROP CONSTRAINT migration_pkey;",
    "add a trigger": "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN RETURN NULL; END'; CREATE TRIGGER quiet BEFORE INSERT ON templedb.migration"
    " FOR EACH ROW EXECUTE FUNCTION quiet();",
    "add a rule": "CREATE RULE quiet AS ON INSERT TO templedb.event DO INSTEAD NOTHING;",
    "hide rows": "ALTER TABLE templedb.migration ENABLE ROW LEVEL SECURITY,"
    " FORCE ROW LEVEL SECURITY;",
    "revoke": "DO $$ BEGIN EXECUTE format('REVOKE ALL ON templedb.migration FROM %I',"
    " current_user); END $$;",
    "drop and make anew": "DROP TABLE templedb.object; CREATE TABLE templedb.object"
    " (name text PRIMARY KEY, digest text NOT NULL, definition text NOT NULL);",
    "copy out and in": "CREATE TEMP TABLE kept AS TABLE templedb.migration;"
    " TRUNCATE templedb.migration; INSERT INTO templedb.migration TABLE kept;",
    "a deferred trigger": "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN DELETE FROM templedb.migration; RETURN NULL; END';"
    " CREATE CONSTRAINT TRIGGER late AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION late(); INSERT INTO orders VALUES (8);",
    "a search path": "SET search_path = templedb; DELETE FROM migration;",
    "reset sequences": "SELECT setval(('templedb.' || s)::regclass, 1, false)"
    " FROM unnest(ARRAY['migration_seq', 'event_id_seq']) s;",
    "restart a sequence": "ALTER SEQUENCE templedb.migration_seq RESTART;",
    "a savepoint": "SAVEPOINT templedb_guard; DELETE FROM templedb.migration;",
}


@pytest.fixture
def kept(shop: Shop) -> Shop:
    """Two migrations are applied, and a customer has a row."""
    shop.run()
    shop.pg.query("INSERT INTO users VALUES (1)")
    return shop


def stands(shop: Shop) -> None:
    """The ledger, and what customers wrote, are as they were."""
    assert shop.pg.applied() == ["migrations/001_users.sql", "migrations/002_orders.sql"]
    assert shop.pg.query("SELECT count(*) FROM users")[0][0]


@pytest.mark.parametrize("change", CHANGES)
def test_transaction_is_rolled_back_when_it_touches_the_ledger(kept: Shop, change: str) -> None:
    kept.migration("003.sql", f"CREATE TABLE plans (name text);\n{CHANGES[change]}\n")
    said = kept.run(code=10)
    assert "failed: migrations/003.sql touched templedb's own ledger" in said.text
    assert "schemaname <> 'templedb'" in said.text
    assert "plans" not in kept.pg.tables()
    stands(kept)
    kept.migration("003.sql", "CREATE TABLE plans (name text);")
    assert "1 migration applied" in kept.run().out


HARMLESS = {
    "grants": "GRANT SELECT ON ALL TABLES IN SCHEMA templedb TO PUBLIC;"
    " GRANT USAGE ON SCHEMA templedb TO PUBLIC;",
    "defaults": "ALTER DEFAULT PRIVILEGES IN SCHEMA templedb GRANT SELECT ON TABLES TO PUBLIC;",
    "an object beside it": "CREATE TABLE templedb.mine AS SELECT 1 AS a; DELETE FROM templedb.mine;"
    " CREATE VIEW templedb.seen AS SELECT * FROM templedb.migration;",
    "a comment": "COMMENT ON TABLE templedb.run IS 'ours';",
    "a look": "SELECT * FROM templedb.migration FOR UPDATE; ANALYZE templedb.migration;",
    "rolled back": "DO $$ BEGIN BEGIN DELETE FROM templedb.run; DELETE FROM templedb.migration;"
    " RAISE EXCEPTION 'no'; EXCEPTION WHEN raise_exception THEN NULL; END; END $$;",
    "rolled back to": "SAVEPOINT a; TRUNCATE templedb.migration; ROLLBACK TO a;",
    "nothing deleted": "DELETE FROM templedb.migration WHERE false;",
    "statistics": "ALTER TABLE templedb.run SET (autovacuum_enabled = on);",
    "a role": "SET ROLE pg_monitor;",
}


@pytest.mark.parametrize("change", HARMLESS)
def test_migration_is_applied_when_it_leaves_the_ledger_as_it_is(kept: Shop, change: str) -> None:
    kept.pg.query(f"GRANT pg_monitor TO {kept.pg.role}")
    kept.migration("003.sql", f"CREATE TABLE plans (name text);\n{HARMLESS[change]}\n")
    assert "1 migration applied" in kept.run().out
    assert kept.pg.applied()[-1] == "migrations/003.sql"


def test_guard_still_finds_a_touched_ledger_when_the_counters_are_off(kept: Shop) -> None:
    kept.pg.query(f"ALTER ROLE {kept.pg.role} SET track_counts = off")
    kept.migration("003.sql", "CREATE TABLE three (id int);")
    assert "1 migration applied" in kept.run().out
    kept.migration("004.sql", "DELETE FROM templedb.migration WHERE key LIKE '%001%';")
    assert "touched templedb's own ledger" in kept.run(code=10).text


def test_migration_is_applied_when_it_gives_all_objects_of_the_role_a_new_owner(kept: Shop) -> None:
    owner = f"owner_{kept.pg.role}"
    kept.pg.query(f"CREATE ROLE {owner}")
    kept.pg.query(f"GRANT {owner} TO {kept.pg.role}")
    kept.pg.query(f"GRANT CREATE ON DATABASE {kept.pg.name} TO {owner}")
    kept.migration("003.sql", f"REASSIGN OWNED BY CURRENT_USER TO {owner};")
    try:
        assert "1 migration applied" in kept.run().out
        kept.migration("004.sql", "CREATE TABLE four (id int);")
        assert "1 migration applied" in kept.run().out
    finally:
        kept.pg.query(f"REASSIGN OWNED BY {owner} TO {kept.pg.role}; DROP OWNED BY {owner}")
        kept.pg.query(f"DROP ROLE {owner}")


def test_row_of_the_same_run_is_guarded_when_a_later_migration_deletes_it(shop: Shop) -> None:
    """Nothing was there when the run began."""
    shop.migration("003.sql", "DELETE FROM templedb.migration WHERE key LIKE '%001%';")
    said = shop.run(code=12)
    assert "migrations/003.sql touched templedb's own ledger" in said.text
    assert shop.pg.applied() == ["migrations/001_users.sql", "migrations/002_orders.sql"]


def test_row_of_another_project_is_guarded_when_a_migration_deletes_it(kept: Shop) -> None:
    kept.pg.query(
        "CREATE TEMP TABLE t AS TABLE templedb.migration; UPDATE t SET project = 'other';"
        " INSERT INTO templedb.migration TABLE t"
    )
    kept.migration("003.sql", "DELETE FROM templedb.migration WHERE project = 'other';")
    assert "touched templedb's own ledger" in kept.run(code=10).text
    assert kept.pg.query("SELECT count(*) FROM templedb.migration WHERE state = 'applied'") == [
        (4,)
    ]


@pytest.mark.parametrize("change", CHANGES)
def test_psql_rolls_a_file_back_when_it_touches_the_ledger(kept: Shop, change: str) -> None:
    kept.config(MIGRATIONS | {"executor": "psql"})
    kept.migration("003.sql", f"CREATE TABLE plans (name text);\n{CHANGES[change]}\n")
    said = kept.run(code=10)
    assert "migrations/003.sql touched templedb's own ledger" in said.text
    assert "plans" not in kept.pg.tables()
    stands(kept)
    kept.migration("003.sql", "CREATE TABLE plans (name text);")
    assert "1 migration applied" in kept.run().out


@pytest.mark.parametrize("change", ["grants", "a look", "rolled back", "a role"])
def test_psql_commits_a_file_when_it_leaves_the_ledger_as_it_is(kept: Shop, change: str) -> None:
    kept.pg.query(f"GRANT pg_monitor TO {kept.pg.role}")
    kept.config(MIGRATIONS | {"executor": "psql"})
    kept.migration("003.sql", f"CREATE TABLE plans (name text);\n{HARMLESS[change]}\n")
    assert "1 migration applied" in kept.run().out


@pytest.mark.parametrize(
    "games",
    [
        "\\set ON_ERROR_STOP off\nDELETE FROM templedb.migration;\n",
        "\\o /dev/null\nDELETE FROM templedb.migration;\n",
        "DELETE FROM templedb.migration;\n\\q\n",
        "DELETE FROM templedb.migration;\n\\if false\n",
    ],
)
def test_ledger_is_guarded_when_a_psql_file_uses_psql_commands_to_hide_its_edit(
    kept: Shop, games: str
) -> None:
    kept.config(MIGRATIONS | {"executor": "psql"})
    kept.migration("003.sql", f"CREATE TABLE plans (name text);\n{games}")
    kept.run(code=10)
    assert "plans" not in kept.pg.tables()
    stands(kept)


STEPWISE = "-- templedb:no-transaction\nCREATE INDEX CONCURRENTLY one ON orders (id);\n"


@pytest.mark.parametrize("change", ["truncate all", "edit a checksum", "drop the schema"])
def test_step_is_rolled_back_when_it_touches_the_ledger_in_its_own_transaction(
    kept: Shop, change: str
) -> None:
    kept.migration("003.sql", f"{STEPWISE}{CHANGES[change]}\nCREATE TABLE plans (name text);\n")
    said = kept.run(code=12)
    assert "migrations/003.sql touched templedb's own ledger" in said.text
    assert "1 of 3 steps took effect" in said.text
    assert "plans" not in kept.pg.tables()
    stands(kept)
    kept.migration("003.sql", f"{STEPWISE}CREATE TABLE plans (name text);\n")
    assert "1 migration applied" in kept.run().out


WIPE = "TRUNCATE templedb.migration, templedb.run, templedb.command"
PROCEDURE = f"CREATE PROCEDURE wipe() LANGUAGE plpgsql AS 'BEGIN {WIPE}; COMMIT; END';\n"


def damaged(shop: Shop, said: Said, what: str) -> None:
    """The run stopped with what it damaged, and no later run applies anything again."""
    assert f"{what} touched templedb's own ledger" in said.text
    assert "templedb migration restore-ledger" in said.text
    assert "Traceback" not in said.text
    assert "later" not in shop.pg.tables()
    again = shop.run(code=78)
    assert "restore-ledger" in again.text
    assert "later" not in shop.pg.tables()
    assert shop.pg.query("SELECT count(*) FROM users")[0][0]


def test_run_ends_when_a_procedure_commits_a_wiped_ledger(kept: Shop) -> None:
    kept.migration("003.sql", f"{STEPWISE}{PROCEDURE}CALL wipe();\nCREATE TABLE later (id int);\n")
    kept.migration("004.sql", "CREATE TABLE later (id int);")
    damaged(kept, kept.run(code=13), "migrations/003.sql, line 4,")


def test_run_ends_when_a_psql_file_with_its_own_commit_wipes_the_ledger(kept: Shop) -> None:
    kept.config(MIGRATIONS | {"executor": "psql"})
    kept.migration("003.sql", "CREATE TABLE three (id int);\n\\i parts/wipe.sql\n")
    kept.terminal.file("app/parts/wipe.sql", f"COMMIT;\n{WIPE};\nCOMMIT;\n")
    kept.migration("004.sql", "CREATE TABLE later (id int);")
    damaged(kept, kept.run(code=13), "migrations/003.sql")


COMMAND = f'psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -qc "{WIPE}"'
GROUP = {"name": "first", "kind": "commands", "order": 1, "deploy_command": "true"}


@pytest.mark.parametrize(
    "key", ["pre_deploy", "build_command", "test_command", "deploy_command", "post_deploy"]
)
def test_run_ends_when_a_command_wipes_the_ledger(kept: Shop, key: str) -> None:
    own = {key: COMMAND} if key.endswith("command") else {key: [COMMAND]}
    kept.config(GROUP | own, MIGRATIONS | {"order": 2})
    kept.migration("003.sql", "CREATE TABLE later (id int);")
    damaged(kept, kept.run(code=13), COMMAND)


HOOKS = {
    "wipes": WIPE,
    "drops": "DROP SCHEMA templedb CASCADE",
    "edits": "UPDATE templedb.migration SET checksum = 'x' WHERE key LIKE '%001%'",
    "deletes runs": "DELETE FROM templedb.run",
}


@pytest.mark.parametrize("does", HOOKS)
@pytest.mark.parametrize("fails", ["exit 0", "exit 7"])
def test_run_ends_with_both_errors_when_a_failure_hook_damages_the_ledger(
    kept: Shop, does: str, fails: str
) -> None:
    hook = f'psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -qc "{HOOKS[does]}"; {fails}'
    first = GROUP | {"deploy_command": "exit 3", "on_failure": [hook, "touch $HOME/second"]}
    kept.config(first | {"continue_on_failure": True}, MIGRATIONS | {"order": 2})
    kept.migration("003.sql", "CREATE TABLE later (id int);")
    said = kept.run(code=13)
    assert "exit 3 exited with 3" in said.text
    assert "touched templedb's own ledger" in said.text
    assert "templedb migration restore-ledger" in said.text
    assert "later" not in kept.pg.tables()
    assert not (kept.terminal.home / "second").exists()


def test_first_error_keeps_its_exit_code_when_a_failure_hook_leaves_the_ledger_alone(
    kept: Shop,
) -> None:
    kept.config(GROUP | {"deploy_command": "exit 3", "on_failure": ["exit 7"]})
    kept.run(code=12)


@pytest.mark.parametrize(
    "change",
    ["DROP SCHEMA templedb CASCADE", "DELETE FROM templedb.migration WHERE key LIKE '%001%'",
     "UPDATE templedb.migration SET checksum = 'x' WHERE key LIKE '%001%'"],
)  # fmt: skip
def test_run_ends_when_a_script_damages_the_ledger(kept: Shop, change: str) -> None:
    kept.terminal.file("app/wipe.sh", f'psql "$DATABASE_URL" -qc "{change}"\nexit 3\n')
    kept.config(GROUP | {"deploy_command": "bash wipe.sh"}, MIGRATIONS | {"order": 2})
    kept.migration("003.sql", "CREATE TABLE later (id int);")
    damaged(kept, kept.run(code=13), "bash wipe.sh")


def test_run_exits_with_13_when_deploy_sh_wipes_the_ledger(kept: Shop) -> None:
    kept.config()
    kept.terminal.file("app/deploy.sh", f"{COMMAND}\n")
    said = kept.run(code=13)
    assert "touched templedb's own ledger" in said.text
    assert "restore-ledger" in said.text


def test_run_succeeds_when_a_command_only_grants_on_and_reads_the_ledger(kept: Shop) -> None:
    text = "GRANT SELECT ON ALL TABLES IN SCHEMA templedb TO PUBLIC; TABLE templedb.migration"
    command = f'psql "$DATABASE_URL" -qc "{text}"'
    kept.config(GROUP | {"deploy_command": command}, MIGRATIONS | {"order": 2})
    kept.migration("003.sql", "CREATE TABLE later (id int);")
    assert "1 migration applied" in kept.run().out


@pytest.mark.parametrize("place", ["apply.ran", "guard.looked"])
def test_ledger_stays_whole_when_a_run_dies_while_the_guard_looks(kept: Shop, place: str) -> None:
    kept.migration("003.sql", f"CREATE TABLE plans (name text);\n{TRUNCATED}\n")
    kept.terminal.set(TEMPLEDB_FAILPOINT=f"{place}:kill9")
    process = kept.terminal.process("deploy", "run", "app")
    process.communicate(timeout=60)
    assert process.returncode == -9
    kept.terminal.unset("TEMPLEDB_FAILPOINT")
    stands(kept)
    assert "touched templedb's own ledger" in kept.run(code=10).text
    stands(kept)


def test_edit_of_the_ledger_is_found_at_the_end_of_the_run_when_it_hid_from_the_counters(
    kept: Shop,
) -> None:
    """A superuser may turn the counters off and on again around an edit."""
    kept.terminal("env", "set", "app", "DATABASE_URL", kept.pg.server.database(kept.pg.name),
                  "--target", "staging")  # fmt: skip
    kept.migration(
        "003.sql", "SET track_counts = off; DELETE FROM templedb.migration; SET track_counts = on;"
    )
    assert "touched templedb's own ledger" in kept.run(code=None).text
    assert kept.pg.query("SELECT count(*) FROM users") == [(1,)]


def test_edit_of_the_ledger_is_found_after_the_step_when_another_session_made_it(
    kept: Shop,
) -> None:
    kept.pg.query("CREATE EXTENSION dblink; GRANT pg_execute_server_program TO CURRENT_USER")
    text = f"SELECT dblink_exec('{kept.pg.dsn}', 'DELETE FROM templedb.migration');"
    kept.migration("003.sql", f"{text}\n".replace("%", "%"))
    kept.migration("004.sql", "CREATE TABLE later (id int);")
    damaged(kept, kept.run(code=13), "migrations/003.sql")


def test_down_part_is_rolled_back_when_it_touches_the_ledger(kept: Shop) -> None:
    kept.migration("003.sql", f"CREATE TABLE three (id int);\n-- templedb:down\n{TRUNCATED}")
    kept.run()
    said = kept.terminal("migration", "down", "app", "003", "--reason", "why", code=10)
    assert "migrations/003.sql touched templedb's own ledger" in said.text
    assert kept.pg.applied()[-1] == "migrations/003.sql"
    assert "three" in kept.pg.tables()
