"""How far a run is and how long it will take, as its live card says it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from templedb_nb.model.estimate import Expected
from templedb_nb.model.event import StepLabel
from templedb_nb.model.result import Result
from templedb_nb.model.step_result import StepResult, StepState
from templedb_nb.views.html.live import ended_bundle, live_bundle


def step(title: str, state: StepState, started_ms: int | None = None) -> StepResult:
    label = StepLabel(kind="apply", group="db", phase="apply", key=title, title=title)
    return StepResult(label=label, state=state, started_ms=started_ms)


def card(elapsed_ms: int, expected: Expected) -> str:
    """Return the card of a run whose first step is done, and whose second one began at 2 s."""
    steps = (
        step("001.sql", StepState.DONE, 0),
        step("002.sql", StepState.RUNNING, 2_000),
        step("003.sql", StepState.PENDING),
    )
    result = Result(run="01a209fa", slug="shop", target="t", elapsed_ms=elapsed_ms, steps=steps)
    return str(live_bundle(result, [], (), expected)["text/html"])


def test_card_says_of_when_it_is_and_how_to_ask_again_when_its_run_goes_on() -> None:
    began = datetime(2026, 7, 1, 12, 50, 40, tzinfo=UTC)
    result = Result(
        run="01a209fa-d68c-7000", slug="shop", target="t", elapsed_ms=4_200, started_at=began
    )
    told = live_bundle(result, ["    | built"])
    said = "as of 12:50:44Z; %templedb deploy show 01a209fa-d68c shows its state now"
    assert said in told["text/html"]
    assert told["text/plain"] == f"    | built\n{said}"


def bar(html: str) -> float:
    found = re.search(r'<progress [^>]*value="([\d.]+)"', html)
    assert found is not None
    return float(found[1])


KNOWN = Expected(steps=(2_000, 6_000, 2_000), runs=3)


@pytest.mark.parametrize(
    ("elapsed_ms", "share"), [(2_000, 0.2), (5_000, 0.5), (8_000, 0.77), (60_000, 0.77)]
)
def test_bar_follows_the_expected_time_and_stops_short_when_a_step_takes_longer(
    elapsed_ms: int, share: float
) -> None:
    assert bar(card(elapsed_ms, KNOWN)) == pytest.approx(share)


def test_bar_counts_steps_when_their_time_is_not_known() -> None:
    html = card(5_000, Expected(steps=(2_000, None, None)))
    assert bar(html) == pytest.approx(1 / 3, abs=0.001)
    assert "about" not in html
    assert bar(card(5_000, Expected(steps=(2_000,), runs=1))) == pytest.approx(1 / 3, abs=0.001)


def test_running_step_names_its_usual_time_when_it_has_a_history_of_its_own() -> None:
    usual = card(5_000, KNOWN)
    assert "usually about 6.00 s" in usual
    assert "3.00&nbsp;s" in usual
    longer = card(9_320, KNOWN)
    assert "longer than the usual 6.00 s" in longer
    assert "7.32&nbsp;s" in longer
    assert "usually" not in longer


def test_running_migration_says_that_others_took_so_long_when_only_their_times_are_known() -> None:
    known = Expected(steps=(4_010, 4_010, 4_010), runs=3, others=(12, 12, 12))
    html = card(9_320, known)
    assert "about 4.01 s is the median of 12 other migrations" in html
    assert "of about 12.0 s, by 3 former runs (a migration: the median of 12 others)" in html


def test_log_keeps_its_height_when_nothing_is_written() -> None:
    assert 'class="tdb-log"' in card(5_000, KNOWN)


def test_ended_run_folds_its_last_lines_in_and_says_where_all_are() -> None:
    lines = [f"    | line {n} <b>" for n in range(200)]
    told = ended_bundle("run 01a209fa has ended: succeeded", "01a209fa-d68c-7000", lines, 5_000)
    assert told["text/plain"] == "run 01a209fa has ended: succeeded"
    html = told["text/html"]
    assert "<summary>Output: the last 200 of 5000 lines</summary>" in html
    assert "line 199 &lt;b&gt;" in html
    assert "%templedb deploy logs 01a209fa-d68c" in html


def test_ended_run_leaves_a_line_when_it_wrote_next_to_nothing() -> None:
    assert "text/html" not in ended_bundle("over", "01a209fa-d68c", ["a", "b"], 2)


def test_ended_run_keeps_few_of_very_long_lines() -> None:
    html = ended_bundle("over", "01a209fa-d68c", ["x" * 100_000] * 200, 200)["text/html"]
    assert len(html) < 20_000
