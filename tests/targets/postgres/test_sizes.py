"""How large relations are told to be: partitioned tables by their leaves, rewrites with long values."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from templedb_nb.core.lint.rules import BIG_BYTES, rows_told
from templedb_nb.model.lint import Size
from templedb_nb.targets.postgres.connection.connect import catalog_rows
from templedb_nb.targets.postgres.sizes import sizes
from tests.conftest import Database

PARTS = """
CREATE TABLE whole (id int, note text) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF whole FOR VALUES FROM (0) TO (1000) PARTITION BY RANGE (id);
CREATE TABLE lowest PARTITION OF low FOR VALUES FROM (0) TO (500);
CREATE TABLE lower PARTITION OF low FOR VALUES FROM (500) TO (1000);
CREATE TABLE high PARTITION OF whole FOR VALUES FROM (1000) TO (3000);
CREATE TABLE later PARTITION OF whole FOR VALUES FROM (3000) TO (4000);
CREATE INDEX whole_id ON whole (id);
INSERT INTO whole SELECT i, 'x' FROM generate_series(0, 2999) i;
"""


def told(pg: Database, *names: str) -> dict[str, Size]:
    with psycopg.connect(pg.server.database(pg.name), autocommit=True) as connection:
        return {name: size for (_, name), size in sizes(connection, names).items()}


@pytest.mark.parametrize(
    "analyse",
    ["ANALYZE lowest, lower, high", "ANALYZE lowest, lower, high, later", "ANALYZE whole"],
)
def test_partitioned_table_has_the_rows_of_its_leaves_whatever_was_analysed(
    analyse: str, pg: Database
) -> None:
    pg.query(PARTS)
    pg.query(analyse)
    found = told(pg, "whole", "low", "whole_id")
    assert {name: size.rows for name, size in found.items()} == {
        "whole": 3000,
        "low": 1000,
        "whole_id": 3000,
    }
    assert found["whole"].bytes > found["low"].bytes > 0


def test_rows_are_unknown_when_a_leaf_with_rows_was_never_counted(pg: Database) -> None:
    pg.query(PARTS)
    pg.query("ANALYZE lowest")
    rows = told(pg, "whole")["whole"].rows
    ((version,),) = pg.query("SHOW server_version_num")
    assert rows == (500 if int(version) < 140_000 else None)  # 13 has no word for "never"


def test_long_values_count_beside_the_rows_when_they_are_stored_apart(pg: Database) -> None:
    pg.query(
        "CREATE TABLE long (id int, body text); ALTER TABLE long ALTER body SET STORAGE EXTERNAL"
    )
    pg.query("INSERT INTO long SELECT i, repeat('x', 100000) FROM generate_series(1, 30) i")
    found = told(pg, "long")["long"]
    assert found.bytes < 100_000
    assert found.toast > 3_000_000


def test_size_is_known_when_another_session_holds_the_table(pg: Database) -> None:
    pg.query(PARTS)
    pg.query("ANALYZE whole")
    dsn = pg.server.database(pg.name)
    with psycopg.connect(dsn) as holder, psycopg.connect(dsn, autocommit=True) as connection:
        holder.execute("LOCK whole")
        connection.execute("SET lock_timeout = '100ms'")
        ((_, found),) = sizes(connection, ["whole"]).items()
    assert found.rows == 3000
    assert found.bytes > 0


def test_rewrite_of_long_values_is_told_with_their_size() -> None:
    size = Size(rows=10, bytes=8192, toast=BIG_BYTES)
    assert rows_told(size) == "about 10 rows, 64 MiB with long values"


def test_catalog_query_is_not_compiled_and_later_ones_may_be(pg: Database) -> None:
    with psycopg.connect(pg.server.database(pg.name), autocommit=True) as connection:
        connection.execute("SET jit = on")
        query = "SELECT pg_catalog.current_setting('jit'), '100%%', %(name)s"
        assert catalog_rows(connection, query, {"name": "é"}) == [("off", "100%", "é")]
        assert connection.execute("SHOW jit").fetchall() == [("on",)]
        assert connection.info.transaction_status == TransactionStatus.IDLE
