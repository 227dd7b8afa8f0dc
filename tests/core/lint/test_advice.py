"""What lint advises works on the server, and is not complained of again."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from templedb_nb.core.lint.linter import Pending, lint
from templedb_nb.core.migrations.script import read_script
from templedb_nb.model.lint import NullCheck, Size
from templedb_nb.targets.postgres.sizes import sizes
from tests.conftest import Database

BIG = Size(rows=5_000_000, bytes=1 << 30)
CHECK = "ALTER TABLE big ADD CONSTRAINT filled CHECK (note IS NOT NULL) NOT VALID;"
VALIDATE = "ALTER TABLE big VALIDATE CONSTRAINT filled;"
SET = "ALTER TABLE big ALTER COLUMN note SET NOT NULL;"


def told(sizes: dict[tuple[str, str], Size] | None, *files: str) -> list[tuple[str, str]]:
    pending = [
        Pending(file=f"{n}.sql", database="D", script=read_script(text.encode()))
        for n, text in enumerate(files)
    ]
    return [(each.rule, each.mend) for each in lint(pending, {"D": sizes}).complaints]


def of(check: NullCheck | None = None) -> dict[tuple[str, str], Size]:
    checks = (check,) if check else ()
    return {("public", "big"): Size(rows=5_000_000, bytes=1 << 30, checks=checks)}


@pytest.mark.parametrize(
    "files",
    [
        (CHECK, VALIDATE, SET),
        (CHECK, VALIDATE + SET),
        (CHECK.replace(" NOT VALID", ""), SET),
        (CHECK, VALIDATE, "ALTER TABLE public.big ALTER note SET NOT NULL;"),
    ],
)
def test_set_not_null_is_left_alone_when_the_plan_has_proved_it(files: tuple[str, ...]) -> None:
    assert "set-not-null" not in [rule for rule, _ in told(of(), *files)]
    assert "set-not-null" not in [rule for rule, _ in told(None, *files)]


@pytest.mark.parametrize(
    "files",
    [
        (SET,),
        (CHECK, SET),
        (CHECK, VALIDATE, "ALTER TABLE big DROP CONSTRAINT filled;", SET),
        (CHECK, VALIDATE, "ALTER TABLE big ALTER other SET NOT NULL;"),
        (CHECK, VALIDATE, "ALTER TABLE big ALTER note SET NOT NULL, ALTER id SET NOT NULL;"),
        (CHECK.replace("NOT NULL)", "NOT NULL OR id > 0)"), VALIDATE, SET),
        (CHECK.replace("NOT VALID", "NOT ENFORCED"), SET),
    ],
)
def test_set_not_null_is_complained_of_when_nothing_proves_it(files: tuple[str, ...]) -> None:
    assert "set-not-null" in [rule for rule, _ in told(of(), *files)]


def test_set_not_null_knows_the_checks_of_the_server() -> None:
    valid, waiting = (
        NullCheck("filled", "note", valid=True),
        NullCheck("filled", "note", valid=False),
    )
    assert told(of(valid), SET) == []
    assert [rule for rule, _ in told(of(waiting), SET)] == ["set-not-null"]
    assert told(of(waiting), VALIDATE, SET) == []


PARTS = """
CREATE TABLE far (id int PRIMARY KEY);
CREATE TABLE whole (id int, note text, far int) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF whole FOR VALUES FROM (0) TO (100000);
CREATE TABLE high PARTITION OF whole FOR VALUES FROM (100000) TO (300000);
CREATE INDEX old ON whole (note);
INSERT INTO far SELECT generate_series(1, 9);
INSERT INTO whole SELECT i, 'x', 1 FROM generate_series(0, 200000) i;
ANALYZE;
"""


@pytest.fixture
def parts(pg: Database) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(pg.server.database(pg.name), autocommit=True) as connection:
        connection.execute(PARTS.encode())
        yield connection


def test_advice_for_partitioned_tables_runs_there_and_is_not_complained_of(
    parts: psycopg.Connection[tuple[object, ...]],
) -> None:
    known = sizes(parts, ["whole", "low", "high", "old", "far"])
    assert known["public", "whole"].partitioned
    assert not known["public", "low"].partitioned
    advised = {
        "CREATE INDEX i ON whole (id)": [
            "CREATE INDEX i ON ONLY whole (id)",
            "CREATE INDEX CONCURRENTLY i_low ON low (id)",
            "CREATE INDEX CONCURRENTLY i_high ON high (id)",
            "ALTER INDEX i ATTACH PARTITION i_low",
            "ALTER INDEX i ATTACH PARTITION i_high",
        ],
        "ALTER TABLE whole ADD CONSTRAINT u UNIQUE (id)": [
            "CREATE UNIQUE INDEX u ON ONLY whole (id)",
            "CREATE UNIQUE INDEX CONCURRENTLY u_low ON low (id)",
            "CREATE UNIQUE INDEX CONCURRENTLY u_high ON high (id)",
            "ALTER INDEX u ATTACH PARTITION u_low",
            "ALTER INDEX u ATTACH PARTITION u_high",
        ],
    }
    for risky, steps in advised.items():
        ((_, mend),) = told(known, f"{risky};")
        assert "ON ONLY the table; CREATE INDEX CONCURRENTLY on each partition" in mend
        for step in steps:
            parts.execute(step.encode())
            assert told(known, f"{step};") == [], step
    valid = "SELECT bool_and(indisvalid) FROM pg_index WHERE indexrelid IN ('i'::regclass, 'u'::regclass)"
    assert parts.execute(valid.encode()).fetchone() == (True,)


def test_foreign_keys_of_partitions_are_taken_over_without_reading_rows(
    parts: psycopg.Connection[tuple[object, ...]],
) -> None:
    known = sizes(parts, ["whole", "low", "high", "far"])
    key = "ALTER TABLE {} ADD CONSTRAINT k FOREIGN KEY (far) REFERENCES far"
    ((rule, mend),) = told(known, f"{key.format('whole')};")
    assert rule == "constraint-not-valid"
    assert "to each partition as NOT VALID, and validate it there" in mend
    for part in ("low", "high"):
        parts.execute(f"{key.format(part)} NOT VALID".encode())
        parts.execute(f"ALTER TABLE {part} VALIDATE CONSTRAINT k".encode())
    asked = "SELECT sum(pg_stat_get_xact_tuples_returned(oid)) FROM pg_class WHERE relname IN ('low', 'high')"
    with parts.transaction():
        before = parts.execute(asked.encode()).fetchone()
        parts.execute(key.format("whole").encode())
        assert parts.execute(asked.encode()).fetchone() == before


def test_checks_of_the_server_are_read_when_they_prove_a_column(
    parts: psycopg.Connection[tuple[object, ...]],
) -> None:
    parts.execute('ALTER TABLE far ADD "Odd %s" int, ADD b int')
    parts.execute('ALTER TABLE far ADD CONSTRAINT odd CHECK ("Odd %s" IS NOT NULL) NOT VALID')
    parts.execute("ALTER TABLE far ADD CONSTRAINT other CHECK (b IS NULL OR b > 0)")
    parts.execute("ALTER TABLE far ADD CONSTRAINT filled CHECK (id IS NOT NULL)")
    found = sizes(parts, ["far"])["public", "far"].checks
    assert set(found) == {
        NullCheck("odd", "Odd %s", valid=False),
        NullCheck("filled", "id", valid=True),
    }


def test_drop_of_a_partitioned_index_is_not_told_to_be_concurrent() -> None:
    size = {("public", "big_i"): Size(rows=5_000_000, bytes=1 << 30, partitioned=True)}
    ((rule, mend),) = told(size, "DROP INDEX big_i;")
    assert rule == "drop-index-not-concurrent"
    assert "has no CONCURRENTLY" in mend
    ((_, plain),) = told({("public", "big_i"): BIG}, "DROP INDEX big_i;")
    assert plain == "DROP INDEX CONCURRENTLY"


@pytest.mark.parametrize(
    "constraint",
    [
        "EXCLUDE USING btree (id WITH =)",
        "EXCLUDE (id WITH =)",
        "UNIQUE (id, during WITHOUT OVERLAPS)",
    ],
)
def test_no_index_is_advised_before_a_constraint_that_cannot_use_one(constraint: str) -> None:
    sql = f"ALTER TABLE big ADD CONSTRAINT apart {constraint};"
    ((rule, mend),) = told({("public", "big"): BIG}, sql)
    assert rule == "unique-without-index"
    assert "USING INDEX" not in mend
    assert "when few sessions use the table" in mend


def test_constraints_without_an_index_of_their_own_are_refused_by_the_server(
    parts: psycopg.Connection[tuple[object, ...]],
) -> None:
    parts.execute("CREATE UNIQUE INDEX far_again ON far (id)")
    with pytest.raises(psycopg.errors.SyntaxError):
        parts.execute("ALTER TABLE far ADD CONSTRAINT x EXCLUDE USING INDEX far_again")
    parts.execute("ALTER TABLE far ADD CONSTRAINT x UNIQUE USING INDEX far_again")
