"""A database that moved to a server of another major version, base and all."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.app.migrations.test_drift import EVERYTHING
from tests.app.migrations.test_drift_base import by_hand, check
from tests.conftest import HARD_PASSWORD, Database, Shop

FOLDERS = postgres.with_client()


def running(folder: Path) -> Iterator[postgres.Server]:
    with (
        tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as place,
        postgres.started(folder, Path(place)) as it,
    ):
        yield it


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """Yield the oldest server that brings its own pg_dump."""
    yield from running(FOLDERS[0])


@pytest.fixture(scope="session")
def newer() -> Iterator[postgres.Server]:
    """Yield the newest one."""
    yield from running(FOLDERS[-1])


def moved(old: Database, newer: postgres.Server) -> Database:
    """Take a database to another server, with its owner, by PostgreSQL's own programs."""
    new = Database(server=newer, name=old.name, role=old.role)
    with psycopg.connect(newer.admin, autocommit=True) as admin:
        literal = psycopg.sql.Literal(HARD_PASSWORD).as_string()
        admin.execute(f"CREATE ROLE {new.role} LOGIN PASSWORD {literal}".encode())
        admin.execute(f"CREATE DATABASE {new.name} OWNER {new.role}".encode())
    dump = [FOLDERS[-1] / "pg_dump", "-d", old.server.database(old.name)]
    dumped = subprocess.run(dump, capture_output=True, check=True).stdout
    fill = [FOLDERS[-1] / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    where = ["-d", newer.database(new.name)]
    filled = subprocess.run([*fill, *where], input=dumped, check=False, capture_output=True)
    assert filled.returncode == 0, filled.stderr
    return new


def test_drift_check_tells_and_adopts_other_wording_when_the_target_moves_to_a_newer_server(
    shop: Shop, newer: postgres.Server
) -> None:
    shop.migration("003_everything.sql", EVERYTHING + "GRANT ALL ON store.users TO pg_monitor;")
    shop.run()
    by_hand(shop, "CREATE TABLE theirs ()")
    old, shop.pg = shop.pg, moved(shop.pg, newer)
    terminal = shop.terminal
    terminal("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging")
    terminal("target", "update", "app", "staging", "--drift", "block")
    terminal("target", "rebind", "app", "staging", "--reason", "a newer server")
    said = check(terminal).out
    versions = [old.server.bin, newer.bin]
    before, now = (postgres.version(each).split(".")[0] for each in versions if each)
    assert f"the base is of PostgreSQL {before}, and this is PostgreSQL {now}" in said
    assert "+ table public.theirs  added" in said
    assert "1 object changed outside of templedb" in said
    assert "? view store.rich  reads differently" in said
    assert "table store.users" not in said  # an owner has MAINTAIN there
    assert "table store.orders" not in said
    shop.migration("004.sql", "CREATE TABLE ours ();")
    assert "public.theirs was added outside of templedb" in shop.run(code=78).err
    by_hand(shop, "DROP TABLE theirs")
    shop.run()
    assert "as the last run left it" in check(terminal).out
    ((detail,),) = shop.pg.query("SELECT detail FROM templedb.event WHERE what = 'rebase-drift'")
    assert "view store.rich" in detail["objects"]
    by_hand(shop, "CREATE OR REPLACE VIEW store.rich AS SELECT * FROM store.orders WHERE total > 9")
    assert "~ view store.rich  changed" in check(terminal).out


def test_drift_diff_shows_only_views_when_the_servers_are_of_different_versions(
    shop: Shop, newer: postgres.Server
) -> None:
    """What differs between the servers is views, and no more."""
    shop.migration("003_everything.sql", EVERYTHING)
    shop.run()
    old, new = shop.pg, moved(shop.pg, newer)
    for name, pg in (("old", old), ("new", new)):
        shop.terminal("target", "add", "app", name)
        shop.terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", name)
    words = ["drift", "diff", "app", "--target", "old", "--against", "new", "--json"]
    rows = shop.terminal(*words).json[-1]["rows"]
    kinds = {row["change"]["name"].rsplit(" ", 1)[0] for row in rows}
    assert kinds <= {"view", "materialized view", "schema"}  # of public, pg_dump says little
