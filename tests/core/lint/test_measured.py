"""What is told of statements is never less than what servers did, by the record of tests/effects."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.effects.record import PATH, Judged, Record, Row, Verdict, figures
from tests.effects.statements import cases

Outcome = tuple[Row, str, Judged]


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return list(Record.read().verdicts())


def test_record_has_every_statement_that_is_generated_and_six_servers() -> None:
    record = Record.read()
    assert {(kind, sql) for kind, sql, _ in cases()} <= set(record.outcomes)
    assert list(record.servers) == ["13", "14", "15", "16", "17", "18"]
    assert PATH.stat().st_size < 1 << 20


def test_page_has_the_figures_of_the_record() -> None:
    page = Path(__file__).parents[3] / "docs" / "lint.md"
    assert figures(Record.read()) in page.read_text()


def test_nothing_told_is_less_than_measured(outcomes: list[Outcome]) -> None:
    less = [(r.kind, r.sql, s, j.why) for r, s, j in outcomes if j.verdict is Verdict.LESS]
    assert less == []


@pytest.mark.parametrize(("held_back", "most"), [(False, 0.03), (True, 0.08)])
def test_few_statements_are_told_as_unknown(
    *, held_back: bool, most: float, outcomes: list[Outcome]
) -> None:
    told = Counter(j.verdict for r, _, j in outcomes if r.held_back is held_back)
    ran = told.total() - told[Verdict.REFUSED]
    assert ran > 5000
    assert told[Verdict.UNKNOWN] <= most * ran


TOLD = [
    ("partition", "DROP TABLE t", 13),
    ("default partition", "DROP TABLE u1", 13),
    ("referencing", "ALTER TABLE t DROP r", 13),
    ("referencing", "ALTER TABLE t ALTER r TYPE bigint", 13),
    ("referencing", "ALTER TABLE far ALTER id TYPE bigint", 13),
    ("default partition", "ALTER TABLE up ATTACH PARTITION other FOR VALUES IN (7)", 13),
    ("partitions", "ALTER TABLE t ATTACH PARTITION free FOR VALUES IN (5)", 13),
    ("partition", "ALTER TABLE up DETACH PARTITION t", 14),
    ("partitions", "CREATE TABLE x PARTITION OF t FOR VALUES IN (5)", 13),
    ("referencing", "ALTER TABLE t ALTER CONSTRAINT fk NOT ENFORCED", 18),
    ("partitioned referencing", "ALTER TABLE t ALTER CONSTRAINT fk DEFERRABLE", 13),
    ("plain", "ALTER TABLE t ADD x positive", 13),
    ("plain", "ALTER TABLE t ADD x int GENERATED ALWAYS AS (id * 2) VIRTUAL NOT NULL", 18),
    ("plain", "ALTER TABLE t ADD CONSTRAINT x CHECK (n > 0) NOT ENFORCED", 18),
    ("plain", "ALTER TABLE t ADD CONSTRAINT x CHECK (n > 0) ENFORCED", 18),
    ("virtual", "ALTER TABLE bare ALTER v SET EXPRESSION AS (id + 2)", 18),
    ("plain", "ALTER TABLE t SET LOGGED", 13),
    ("plain", "ALTER INDEX t_b DEPENDS ON EXTENSION plpgsql", 13),
    ("plain", "ALTER TRIGGER tr ON t DEPENDS ON EXTENSION plpgsql", 13),
    ("materialised view", "ALTER MATERIALIZED VIEW mv SET (fillfactor = 70)", 13),
    ("sequence", "SELECT setval('loose', 9)", 13),
    ("partitioned", "REINDEX TABLE CONCURRENTLY t", 14),
    ("plain", "DROP INDEX CONCURRENTLY t_b", 13),
    ("partitions, referenced by no row", "ALTER TABLE t DETACH PARTITION t1", 13),
    (
        "partitions, referenced by no row, no default",
        "ALTER TABLE t DETACH PARTITION t1 CONCURRENTLY",
        14,
    ),
]
"""What was told wrongly before it was measured, and since which server it runs."""


@pytest.mark.parametrize(("kind", "sql", "since"), TOLD)
def test_statement_is_told_exactly_as_it_was_measured(
    kind: str, sql: str, since: int, outcomes: list[Outcome]
) -> None:
    own = {int(s): j for r, s, j in outcomes if (r.kind, r.sql) == (kind, sql)}
    assert own
    assert {s: j for s, j in own.items() if s >= since and j.verdict is not Verdict.EXACT} == {}
    assert all(own[s].verdict is not Verdict.LESS for s in own)
