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
