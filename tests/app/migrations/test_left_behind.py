"""A migration that stands in part, or is in doubt, and whose file is gone or has another name."""

from __future__ import annotations

import pytest

from tests.app.recovery.test_lost_after_death import WHY, dies, killed_and_wiped, users
from tests.conftest import Shop

STEPS = """INSERT INTO orders VALUES (7);
VACUUM orders;
INSERT INTO {table} VALUES (8);
VACUUM orders;
"""


def orders(shop: Shop) -> list[tuple[object, ...]]:
    return shop.pg.query("SELECT id FROM orders WHERE id > 1 ORDER BY id")


def renamed(shop: Shop, text: str = "") -> None:
    """Give 003.sql another name, as somebody does whose number a colleague took."""
    old = shop.terminal.home / "app" / "migrations" / "003.sql"
    shop.migration("004.sql", text or old.read_text())
    old.unlink()


def refused(shop: Shop, told: str) -> None:
    said = shop.run(code=None)
    assert said.code in {13, 78}, said.text
    assert told in said.text


def test_migration_goes_on_under_its_new_name_when_it_was_partly_applied(shop: Shop) -> None:
    shop.run()
    shop.migration("003.sql", STEPS.format(table="orders"))
    dies(shop, "stepwise.committed")
    renamed(shop)
    refused(shop, "1 of 4 steps took effect, as migrations/003.sql")
    refused(shop, "templedb migration rename migrations/003.sql migrations/004.sql")
    shop.terminal("migration", "rename", "app", "003.sql", "004.sql", *WHY)
    shop.run()
    assert orders(shop) == [(7,), (8,)]


def test_migration_does_not_repeat_its_first_steps_when_mended_and_renamed_after_a_failure(
    shop: Shop,
) -> None:
    shop.run()
    shop.migration("003.sql", STEPS.format(table="orderz"))
    shop.run(code=12)
    renamed(shop, STEPS.format(table="orders"))
    refused(shop, "2 of 4 steps took effect, and no group of the release has its file")
    shop.terminal("migration", "rename", "app", "003.sql", "004.sql", *WHY)
    shop.run()
    assert orders(shop) == [(7,), (8,)]


def test_migration_is_in_nobodys_way_when_it_was_partly_applied_and_rolled_back_by_hand(
    shop: Shop,
) -> None:
    shop.run()
    shop.migration("003.sql", STEPS.format(table="orderz"))
    shop.run(code=12)
    renamed(shop, "INSERT INTO orders VALUES (9);\n")
    refused(shop, "templedb migration mark-reverted migrations/003.sql --reason WHY")
    shop.pg.query("DELETE FROM orders WHERE id = 7")
    shop.terminal("migration", "mark-reverted", "app", "003.sql", *WHY)
    shop.run()
    assert orders(shop) == [(9,)]


def test_release_without_the_partly_applied_file_runs_when_nothing_else_is_pending(
    shop: Shop,
) -> None:
    shop.run()
    shop.migration("003.sql", STEPS.format(table="orderz"))
    shop.run(code=12)
    (shop.terminal.home / "app" / "migrations" / "003.sql").unlink()
    said = shop.run().text
    assert "warning  migrations/003.sql: 2 of 4 steps took effect" in said
    assert "no migration was pending" in said


def test_failed_migration_may_be_dropped_when_it_left_nothing(shop: Shop) -> None:
    shop.run()
    shop.migration("003.sql", "INSERT INTO orderz VALUES (7);\n")
    shop.run(code=10)
    renamed(shop, "INSERT INTO orders VALUES (7);\n")
    shop.run()
    assert orders(shop) == [(7,)]


@pytest.mark.parametrize("verb", ["--applied", "--not-applied"])
def test_migration_in_doubt_is_settled_when_its_file_is_gone(shop: Shop, verb: str) -> None:
    killed_and_wiped(shop, "committed", "schema")
    shop.run(code=78)
    shop.terminal("migration", "restore-ledger", "app", *WHY)
    renamed(shop)
    refused(shop, "all of it is applied, or nothing")
    assert users(shop) == [(7,)]
    if verb == "--not-applied":
        shop.pg.query("DELETE FROM users")
    shop.terminal("migration", "resolve", "app", "003.sql", verb, *WHY)
    if verb == "--applied":
        refused(shop, "templedb migration rename migrations/003.sql migrations/004.sql")
        shop.terminal("migration", "rename", "app", "003.sql", "004.sql", *WHY)
    shop.run()
    assert users(shop) == [(7,)]


def test_migration_in_doubt_is_renamed_when_not_settled_yet(shop: Shop) -> None:
    killed_and_wiped(shop, "committed", "schema")
    shop.run(code=78)
    shop.terminal("migration", "restore-ledger", "app", *WHY)
    renamed(shop)
    shop.terminal("migration", "rename", "app", "003.sql", "004.sql", *WHY)
    shop.run(code=13)
    shop.terminal("migration", "resolve", "app", "004.sql", "--applied", *WHY)
    shop.run()
    assert users(shop) == [(7,)]
