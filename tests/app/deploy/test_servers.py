"""The promise on every server that this machine offers: the wheel's, apt's, one's own."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.conftest import Shop

STEPWISE = (
    "CREATE TABLE items (id int);\n"
    "INSERT INTO items SELECT generate_series(1, 100);\n"
    "CREATE INDEX CONCURRENTLY items_id ON items (id);\n"
    "ALTER TABLE items ADD note text;\n"
)
COLOUR = "CREATE TYPE colour AS ENUM ('red');\nALTER TYPE colour ADD VALUE 'blue';\n"


@pytest.fixture(scope="session", params=postgres.every(), ids=postgres.version)
def server(request: pytest.FixtureRequest) -> Iterator[postgres.Server]:
    with (
        tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as place,
        postgres.started(request.param, Path(place)) as it,
    ):
        yield it


def valid(shop: Shop) -> list[tuple[str, bool]]:
    return shop.pg.query(
        "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE c.relname LIKE 'items%'"
    )


def test_project_is_deployed_and_rolled_back_when_the_server_is_of_any_version(shop: Shop) -> None:
    shop.migration(
        "003_more.sql", "CREATE TABLE more (id int);\n-- templedb:down\nDROP TABLE more;\n"
    )
    shop.migration("004_items.sql", STEPWISE)
    shop.migration("005_colour.sql", COLOUR)
    assert "5 migrations applied" in shop.run().out
    assert "nothing applied" in shop.run().out
    assert valid(shop) == [("items_id", True)]
    assert "1 migration rolled back" in shop.terminal("migration", "down", "app", "003_more").out
    assert "PostgreSQL" in shop.terminal("target", "test", "app", "staging").out


def test_migration_leaves_nothing_and_names_the_place_when_it_fails(shop: Shop) -> None:
    shop.migration("003_bad.sql", "CREATE TABLE bad (id int);\nSELECT nope;\n")
    said = shop.run(code=12).text
    assert "003_bad.sql:2:8" in said
    assert "bad" not in shop.pg.tables()


@pytest.mark.parametrize(
    "place",
    ["apply.begun", "apply.commit-sent", "apply.committed", "stepwise.commit-sent", "alone.sent"],
)
def test_run_is_finished_by_the_next_run_when_killed(shop: Shop, place: str) -> None:
    shop.migration("003_items.sql", STEPWISE)
    shop.terminal.set(TEMPLEDB_FAILPOINT=f"{place}:kill9")
    process = shop.terminal.process("deploy", "run", "app")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    shop.terminal.unset("TEMPLEDB_FAILPOINT")
    shop.run("--lock-wait", "60s")
    assert shop.pg.applied() == [
        f"migrations/{n}.sql" for n in ("001_users", "002_orders", "003_items")
    ]
    assert shop.pg.query("SELECT count(*) FROM orders") == [(1,)]
    assert shop.pg.query("SELECT count(*) FROM items") == [(100,)]
    assert valid(shop) == [("items_id", True)]


def test_role_is_told_what_to_do_when_it_may_not_create_the_ledger(shop: Shop) -> None:
    shop.pg.query(f"ALTER DATABASE {shop.pg.name} OWNER TO CURRENT_USER")
    said = shop.run(code=69).text
    assert "may not create the ledger" in said
    assert "target ledger-sql" in said
