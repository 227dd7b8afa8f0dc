"""A ledger of which tables are gone and no row is known to be lost; rows that no run of ours made."""

from __future__ import annotations

import time

import pytest

from tests.app.recovery.test_restore_ledger import ENTRIES, restore
from tests.conftest import MIGRATIONS, Shop

TABLES = ("migration", "run", "migration, templedb.event", "meta")


def dies_before_anything(shop: Shop) -> None:
    shop.terminal.set(TEMPLEDB_FAILPOINT="run.begun:kill9")
    shop.terminal.process("deploy", "run", "app").communicate(timeout=60)
    shop.terminal.unset("TEMPLEDB_FAILPOINT")


@pytest.mark.parametrize("gone", TABLES)
def test_ledger_tables_are_made_again_when_the_ledger_has_no_rows(shop: Shop, gone: str) -> None:
    """A run died before its first step: no row is missed, and yet nothing could go on."""
    dies_before_anything(shop)
    shop.pg.query(f"DROP TABLE templedb.{gone}")
    said = shop.run(code=None)
    assert said.code, said.text
    assert "templedb migration restore-ledger" in said.text
    told = restore(shop)
    assert "make the missing tables of the ledger again" in told
    assert "where else you deploy from" in told
    events = shop.pg.query("SELECT what, detail->>'reason' FROM templedb.event")
    assert ("restore-ledger", "somebody wiped it") in events
    assert "2 migrations applied" in shop.run().out
    assert "has every row" in restore(shop, code=64)


@pytest.mark.parametrize("gone", ["migration", "migration, templedb.run"])
def test_ledger_tables_are_made_again_when_no_run_has_read_the_ledger(
    shop: Shop, gone: str
) -> None:
    """They went between the first run's lock and its first look: no state has a copy of them."""
    shop.terminal.set(TEMPLEDB_FAILPOINT="run.locked:sleep=5")
    process = shop.terminal.process("deploy", "run", "app")
    shop.terminal.unset("TEMPLEDB_FAILPOINT")
    end = time.monotonic() + 60
    while shop.pg.query("SELECT to_regclass('templedb.lock')") == [(None,)]:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
    shop.pg.query(f"DROP TABLE templedb.{gone}")
    process.communicate(timeout=60)
    assert process.returncode
    assert "templedb migration restore-ledger" in shop.run(code=None).text
    assert "make the missing tables of the ledger again" in restore(shop)
    assert "2 migrations applied" in shop.run().out


def test_ledger_tables_are_not_made_again_when_the_approval_is_missing(shop: Shop) -> None:
    dies_before_anything(shop)
    shop.terminal("target", "update", "app", "staging", "--protected")
    shop.pg.query("DROP TABLE templedb.migration")
    restore(shop, code=20)
    assert shop.pg.query("SELECT to_regclass('templedb.migration')") == [(None,)]
    plan = shop.terminal("sql", "SELECT id FROM plans ORDER BY made_at DESC", "--json")
    shop.approve(plan.json[-1]["rows"][0][0])
    restore(shop)
    assert shop.pg.query("SELECT count(*) FROM templedb.migration") == [(0,)]


def another_state(shop: Shop) -> None:
    shop.terminal.set(TEMPLEDB_STATE=str(shop.terminal.home / "other" / "state.duckdb"))
    shop.terminal("project", "import", "app")
    shop.config(MIGRATIONS)
    shop.terminal("target", "add", "app", "staging")
    shop.terminal("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging")


def test_restore_is_refused_when_the_state_never_ran_on_the_target(shop: Shop) -> None:
    shop.run()
    shop.pg.query("DROP TABLE templedb.migration")
    another_state(shop)
    assert "templedb migration restore-ledger" in shop.run(code=None).text
    refused = restore(shop, code=64)
    assert "this state does not know what ran there" in refused
    words = ("migration", "baseline", "app", "--through", "002_orders.sql")
    assert "templedb migration baseline --through FILE" in refused
    shop.terminal(*words, "--reason", "both are there")
    assert "no migration was pending" in shop.run().out


@pytest.mark.parametrize("word", ["baseline", "mark-applied"])
def test_object_is_not_missed_in_the_catalog_when_its_migration_was_recorded_without_a_run(
    shop: Shop, word: str
) -> None:
    """That its objects are not there tells nothing: perhaps they never were."""
    shop.run()
    shop.migration("003.sql", "CREATE TABLE IF NOT EXISTS three (id int);")
    named = ("--through", "003.sql") if word == "baseline" else ("003.sql",)
    shop.terminal("migration", word, "app", *named, "--reason", "made by hand")
    before = shop.pg.query(ENTRIES)
    shop.pg.query("TRUNCATE templedb.migration, templedb.run, templedb.event, templedb.meta")
    said = shop.run(code=78).text
    assert "003.sql: its row is gone; it was recorded without a run, and is not there" in said
    assert "templedb migration restore-ledger --target staging" in said
    assert "3 of the ledger's rows restored" in restore(shop)
    assert shop.pg.query(ENTRIES) == before
    assert "no migration was pending" in shop.run().out


def test_database_is_not_confirmed_as_the_same_when_rows_were_recorded_without_a_run(
    shop: Shop,
) -> None:
    shop.terminal("migration", "baseline", "app", "--through", "002_orders.sql", "--reason", "x")
    shop.pg.query("DROP SCHEMA templedb CASCADE")
    said = shop.run(code=78).text
    assert "templedb target rebind" in said
    assert "the database does not confirm it" in restore(shop, code=64)
    assert "2 of the ledger's rows restored" in restore(shop, "001_users.sql", "002_orders.sql")
