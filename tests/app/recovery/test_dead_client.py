"""How long the statement of a client that died holds the lock, on servers that notice and on 13."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.app.deploy.test_locks import run_of, until
from tests.app.migrations.test_drift_base import PATIENT, waiting
from tests.conftest import Shop

NOTICES = 14
"""The first version with client_connection_check_interval."""


def some() -> list[Path]:
    """Return the oldest server and the newest one."""
    found = sorted(postgres.every(), key=lambda each: int(postgres.version(each).split(".")[0]))
    return list(dict.fromkeys([found[0], found[-1]]))


@pytest.fixture(scope="session", params=some(), ids=postgres.version)
def server(request: pytest.FixtureRequest) -> Iterator[postgres.Server]:
    with (
        tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as place,
        postgres.started(request.param, Path(place)) as it,
    ):
        yield it


def version(shop: Shop) -> int:
    with psycopg.connect(shop.pg.dsn) as connection:
        return connection.info.server_version // 10_000


def sessions(shop: Shop) -> list[tuple[object, ...]]:
    return shop.pg.query(
        "SELECT pid FROM pg_stat_activity WHERE usename = %s AND state = 'active'", shop.pg.role
    )


def test_statement_is_ended_or_goes_on_as_the_server_version_says_when_its_client_died(
    shop: Shop,
) -> None:
    shop.run()
    text = f"{PATIENT}CREATE TABLE ours (id int);"
    shop.migration("003.sql", text)
    with waiting(shop) as process:
        process.kill()
        process.communicate()
        if version(shop) >= NOTICES:
            until(lambda: sessions(shop) == [])
        else:
            assert "is locked by rosa" in shop.run("--lock-wait", "3s", code=24).err
            assert len(sessions(shop)) == 1
    until(lambda: sessions(shop) == [])
    assert "ours" not in shop.pg.tables()
    shop.run("--lock-wait", "30s")
    assert "ours" in shop.pg.tables()


def test_session_can_be_ended_by_name_when_its_client_died_and_the_statement_goes_on(
    shop: Shop,
) -> None:
    shop.run()
    shop.migration("003.sql", PATIENT)
    with waiting(shop) as process:
        process.kill()
        process.communicate()
        if version(shop) >= NOTICES:
            until(lambda: sessions(shop) == [])
            return
        shop.pg.query("UPDATE templedb.lock SET heartbeat = heartbeat - interval '1 hour'")
        shop.terminal(
            "lock", "steal", "app", "--expect", run_of(shop), "--reason", "died", "--terminate"
        )
        until(lambda: sessions(shop) == [])
