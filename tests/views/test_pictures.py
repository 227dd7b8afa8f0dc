"""History to look at: the same runs as a picture and in letters."""

from __future__ import annotations

import io
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

from templedb_nb.model.charts import ChartPeriod, Durations, Frequency, Timeline
from templedb_nb.model.event import Outcome
from templedb_nb.model.history import RunRow, StatsRow
from templedb_nb.model.project import Slug
from templedb_nb.model.target import TargetName
from templedb_nb.views import plots
from templedb_nb.views.html import bundle
from templedb_nb.views.text import text
from tests.conftest import Shop
from tests.notebook.test_notebook import Kernel, kernel

__all__ = ["kernel"]
ARTEFACTS = Path(__file__).parents[2] / "artefacts" / "charts"
OUTCOMES = [*Outcome, None]


def runs(count: int, *targets: str, hours: float = 7.0) -> tuple[RunRow, ...]:
    began = datetime(2026, 9, 1, 8, tzinfo=UTC)
    return tuple(
        RunRow(
            run=f"{n:04}", slug=Slug("shop"), target=TargetName(targets[n % len(targets)]),
            plan="", release=n // 4 + 1, started_at=began + timedelta(hours=hours * n),
            finished_at=None, elapsed_ms=700 + 4000 * (n * 7 % 11),
            outcome=OUTCOMES[(n * n + n) % 13 % 6] if n % 5 == 0 else Outcome.SUCCEEDED,
            exit_code=0, steps=1, done=1, applied=1, started_by="rosa@example.com", message="",
        )
        for n in range(count)
    )  # fmt: skip


def counted(*succeeded: int) -> tuple[StatsRow, ...]:
    return tuple(
        StatsRow(
            target=TargetName("staging"), span=f"2026-W{n:02}", runs=good + n % 3, succeeded=good,
            failed=n % 3, cancelled=0, timed_out=0, unknown=0, applied=1, median_ms=1, p90_ms=2,
        )
        for n, good in enumerate(succeeded, start=1)
    )  # fmt: skip


VALUES: dict[str, Timeline | Durations | Frequency] = {
    "one": Timeline(slug=Slug("shop"), rows=runs(1, "local")),
    "few": Timeline(slug=Slug("shop"), rows=runs(9, "staging", "production")),
    "many": Timeline(slug=Slug("shop"), rows=runs(200, *(f"t{n}" for n in range(7)))),
    "long": Timeline(slug=Slug("shop"), rows=runs(12, "a-rather-long-name-of-a-target-in-europe", "b")),
    "crowded": Timeline(
        slug=Slug("shop"),
        rows=(
            *runs(36, "customer-database-eu-west-production", "customer-database-eu-west-staging", hours=0.4),
            *(replace(r, started_at=r.started_at + timedelta(days=30)) for r in runs(30, "customer-database-eu-west-production")),
        ),
    ),
    "durations": Durations(slug=Slug("shop"), rows=runs(60, "staging", "production")),
    "frequency": Frequency(slug=Slug("shop"), by=ChartPeriod.WEEK, rows=counted(3, 5, 0, 9, 2, 4)),
    "many weeks": Frequency(slug=Slug("shop"), by=ChartPeriod.WEEK, rows=counted(*range(1, 52))),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_picture_is_a_png_with_a_text_twin_when_a_value_is_bundled(name: str) -> None:
    pictures = bundle(VALUES[name])
    assert pictures is not None
    drawn = b64decode(pictures["image/png"])
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    (ARTEFACTS / f"{name}.png").write_bytes(drawn)
    image = imread(io.BytesIO(drawn))
    height, width = image.shape[:2]
    assert width > 900
    assert height > 150
    assert image[..., 3].max() > 0.9, "nothing is drawn"
    assert image[0, 0, 3] == 0, "the ground is transparent"
    assert pictures["text/plain"] == text(VALUES[name])
    assert len(drawn) < 200_000


@pytest.mark.parametrize("page", ["#ffffff", "#111111", "#212121", "#1e1e1e", "#0d1117"])
def test_colours_of_charts_can_be_told_on_a_light_page_and_on_a_dark_one(page: str) -> None:
    """WCAG 2.2 wants 3 for what is drawn; letters have nearly 4.5 where JupyterLab shows them."""
    drawn = {colour for colour, *_ in (*plots.STYLES.values(), *plots.TRIES.values(), *plots.LINES)}
    assert min(contrast(each, page) for each in drawn) > 3.6
    assert contrast(plots.INK, page) > (4.3 if page in {"#ffffff", "#111111", "#0d1117"} else 3.6)


def contrast(first: str, second: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        red, green, blue = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def test_timeline_text_has_a_lane_for_each_target_when_runs_went_to_several_targets() -> None:
    told = text(VALUES["few"]).splitlines()
    assert told[0] == "shop, 9 runs"
    assert told[1].split() == ["WHEN", "STAGING", "PRODUCTION"]
    assert told[2].startswith("2026-09-01 08:00:00Z")
    assert "✓ succeeded" in told[-1]
    place = told[1].index("PRODUCTION")
    assert told[3][:place].rstrip() == "2026-09-01 15:00:00Z"


def test_durations_text_shows_columns_when_runs_succeeded() -> None:
    told = text(VALUES["durations"])
    assert "MEDIAN" in told
    assert "▁" in told
    assert text(Durations(slug=Slug("shop"), rows=())) == "no run of shop succeeded yet"


def test_frequency_text_shows_a_bar_of_successes_and_failures_when_runs_have_both() -> None:
    assert "2026-W02  staging  7     2              █████░░" in text(VALUES["frequency"])


def test_text_says_how_to_get_pictures_when_the_chart_library_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plots, "available", lambda: False)
    pictures: Any = bundle(VALUES["few"])
    assert pictures.keys() == {"text/plain"}
    assert "pip install 'templedb-nb[charts]'" in pictures["text/plain"]


def test_terminal_and_notebook_show_the_same_when_a_timeline_is_asked_for(
    kernel: Kernel, shop: Shop
) -> None:
    shop.run()
    said = shop.terminal("timeline", "app").out
    shown = kernel.run("%templedb timeline app")["data"]
    assert shown["text/plain"].strip() == said.strip()
    assert b64decode(shown["image/png"]).startswith(b"\x89PNG")
    assert "staging" in shop.terminal("chart", "durations", "app").out
    assert "image/png" in kernel.run("%templedb chart frequency app --by day")["data"]
    assert shop.terminal("timeline", "app", "--json").json[-1]["rows"][0]["outcome"] == "succeeded"


def test_timeline_and_chart_say_that_nothing_ran_when_the_project_was_never_deployed(
    shop: Shop,
) -> None:
    assert "no run of app yet" in shop.terminal("timeline", "app").out
    assert "no run of app ended yet" in shop.terminal("chart", "frequency", "app").out


def test_long_names_stay_distinct_when_shortened() -> None:
    names = [f"customer-database-eu-west-{each}" for each in ("production", "staging")]
    short = [plots._short(name) for name in names]
    assert len(set(short)) == 2
    assert all(len(each) <= plots.SHOWN for each in short)


def test_charts_return_rows_when_called_from_python(shop: Shop) -> None:
    from templedb_nb import Temple

    shop.run()
    temple = Temple.open(shop.terminal.state)
    assert [row.target for row in temple.chart("durations").rows] == ["staging"]
    assert sum(row.succeeded for row in temple.chart("frequency", by="day").rows) == 1
