"""A way back is proven by a pg_dump that is not of the server's version, or that is said."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.app.migrations.test_drift import EVERYTHING
from tests.conftest import Shop

OLDEST, NEWEST = postgres.with_client()[0], postgres.with_client()[-1]
FILE = "CREATE TABLE more (id int);\n-- templedb:down\nDROP TABLE more;\n"
TRICKY = r"""
CREATE FUNCTION tricky() RETURNS text LANGUAGE sql AS $$
SELECT 'a
SET transaction_timeout = 0;
\unrestrict me
\! touch here'
$$;
"""


@pytest.fixture(scope="session", params=postgres.every(), ids=postgres.version)
def server(request: pytest.FixtureRequest) -> Iterator[postgres.Server]:
    with (
        tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as place,
        postgres.started(request.param, Path(place)) as it,
    ):
        yield it


@pytest.fixture
def deployed(shop: Shop) -> Shop:
    shop.pg.query(f"ALTER ROLE {shop.pg.role} CREATEDB")
    shop.migration("003_everything.sql", EVERYTHING + TRICKY)
    shop.migration("004_more.sql", FILE)
    shop.run()
    return shop


def major(folder: Path) -> int:
    return int(postgres.version(folder).split(".")[0])


def proven(shop: Shop, pg_dump: Path | str, code: int | None = 0) -> str:
    shop.terminal.set(TEMPLEDB_PG_DUMP=str(pg_dump))
    said = shop.terminal("migration", "down", "app", "004_more", "--check", code=code)
    copies = shop.pg.query("SELECT count(*) FROM pg_database WHERE datname LIKE 'templedb_check%'")
    assert copies == [(0,)]
    return said.text


def test_pg_dump_reads_the_server_when_the_program_is_newer(deployed: Shop) -> None:
    assert deployed.pg.server.bin is not None
    assert "holds" in proven(deployed, NEWEST / "pg_dump")


def test_pg_dump_is_refused_with_both_versions_and_a_way_out_when_the_program_is_older(
    deployed: Shop,
) -> None:
    folder = deployed.pg.server.bin
    assert folder is not None
    if major(OLDEST) >= major(folder):
        assert "holds" in proven(deployed, OLDEST / "pg_dump")
        return
    said = proven(deployed, OLDEST / "pg_dump", code=78)
    assert f"{OLDEST}/pg_dump is of PostgreSQL {postgres.version(OLDEST)}" in said
    assert f"the server of {postgres.version(folder)}" in said
    assert f"export TEMPLEDB_PG_DUMP=/usr/lib/postgresql/{major(folder)}/bin/pg_dump" in said


def test_pg_dump_program_is_named_when_it_is_missing_or_cannot_be_used(deployed: Shop) -> None:
    assert "/nowhere/pg_dump, which TEMPLEDB_PG_DUMP names" in proven(
        deployed, "/nowhere/pg_dump", code=78
    )
    strange = deployed.terminal.file("strange", "#!/bin/sh\necho hello\n")
    strange.chmod(0o700)
    assert f"{strange} --version says no version" in proven(deployed, strange, code=78)
    broken = deployed.terminal.file("broken", "#!/nowhere/sh\n")
    broken.chmod(0o700)
    assert f"{broken} cannot be run" in proven(deployed, broken, code=78)


def test_pg_dump_message_is_shown_when_the_program_fails(deployed: Shop) -> None:
    real = NEWEST / "pg_dump"
    program = deployed.terminal.file(
        "narrow",
        f'#!/bin/sh\n[ "$1" = --version ] && exec {real} "$@"\nexec {real} --table nope "$@"\n',
    )
    program.chmod(0o700)
    assert "no matching tables were found" in proven(deployed, program, code=None)
