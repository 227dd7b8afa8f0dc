"""DataFrames of ours: exact values, and a display that lasts only as long as their columns do."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

from templedb_nb.model.event import Outcome
from templedb_nb.model.history import (
    DeployHistory,
    DeployStats,
    HistoryScope,
    MigrationHistory,
    MigrationRow,
)
from templedb_nb.model.ledger import Checksums, Entry, EntryKind, State
from templedb_nb.model.project import Slug
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import TargetName
from templedb_nb.notebook.display import add_looks
from templedb_nb.views.format import duration
from templedb_nb.views.frames import COLUMNS, frame
from templedb_nb.views.frames.card import frame_card
from templedb_nb.views.frames.columns import SCHEMAS
from templedb_nb.views.frames.drawing import MOST, ours
from templedb_nb.views.frames.looks import TABLE_LOOKS
from templedb_nb.views.frames.text import frame_text
from tests.views.test_pictures import counted, runs

CLAIMED = datetime(2026, 9, 1, 12, 0, 0, 21, tzinfo=UTC)
"""A row's default is read after the values that are given: so it begins after its end."""
SCOPE = HistoryScope(target=TargetName("staging"), since=datetime(2026, 9, 1, tzinfo=UTC))
Change = Callable[[pd.DataFrame], pd.DataFrame]

LEFT_ALONE: dict[str, Change] = {
    "head": lambda h: h.head(2),
    "filter": lambda h: h[h.steps > 0],
    "nothing left": lambda h: h[h.steps > 99],
    "copy": lambda h: h.copy(),
    "concat": lambda h: pd.concat([h, h]),
    "sorted": lambda h: h.sort_values("took"),
    "query": lambda h: h.query("steps == 1"),
    "sample": lambda h: h.sample(2),
    "pickle": lambda h: pickle.loads(pickle.dumps(h)),
    "selected": lambda h: h[["took", "run"]],
    "dropped": lambda h: h.drop(columns="plan"),
    "in another order": lambda h: h[[*h.columns[1:], h.columns[0]]],
}
CHANGED: dict[str, Change] = {
    "another column": lambda h: h.assign(x=1),
    "selected and another": lambda h: h[["run", "took"]].assign(x=1),
    "twice": lambda h: h[["run", "run"]],
    "none": lambda h: h[[]],
    "renamed": lambda h: h.rename(columns={"run": "id"}),
    "seconds": lambda h: h.assign(took=h.took.dt.total_seconds()),
    "texts": lambda h: h.astype(str),
    "local times": lambda h: h.assign(started_at=h.started_at.dt.tz_convert("Europe/Berlin")),
    "with an index": lambda h: h.set_index("run", drop=False),
    "turned": lambda h: h.T,
    "counted": lambda h: h.groupby("outcome", observed=True)[["applied"]].sum(),
    "merged": lambda h: h.merge(h, on="run"),
    "missing": lambda h: h.isna(),
}


def history(count: int = 6, **changes: Any) -> pd.DataFrame:
    made = frame(DeployHistory(slug=Slug("shop"), rows=runs(count, "staging"), scope=SCOPE))
    assert made is not None
    return made.assign(**changes) if changes else made


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    it = InteractiveShell()
    take_back = add_looks(it)
    yield it
    take_back()


def shown(shell: InteractiveShell, value: object) -> dict[str, str]:
    formatter = shell.display_formatter
    assert formatter is not None
    formatter.active_types = ["text/plain", "text/html"]
    return dict(formatter.format(value)[0])


@pytest.mark.parametrize("change", LEFT_ALONE)
def test_frame_is_drawn_by_us_when_its_columns_are_left_alone(
    shell: InteractiveShell, change: str
) -> None:
    told = shown(shell, LEFT_ALONE[change](history()))
    assert "tdb" in told["text/html"]
    assert "Runs of shop on staging since 2026-09-01 00:00:00Z" in told["text/html"]
    assert told["text/plain"].startswith("Runs of shop on staging")
    assert "0 days" not in told["text/html"] + told["text/plain"]


@pytest.mark.parametrize("change", CHANGED)
def test_frame_is_drawn_by_pandas_when_a_user_changed_its_columns(
    shell: InteractiveShell, change: str
) -> None:
    table = CHANGED[change](history())
    told = shown(shell, table)
    assert told["text/html"] == table._repr_html_()
    assert told["text/plain"] == repr(table)


def test_selection_shows_every_column_in_its_order_also_an_empty_one() -> None:
    card = str(frame_card(history()[["took", "message", "run", "outcome"]]))
    assert columns_of(card) == [["took", "message", "run", "outcome"]]
    assert "without a value" not in card
    assert "0 days" not in card


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h[["outcome", "took"]],
        lambda h: h.groupby("outcome", observed=True, as_index=False)[["took"]].max(),
    ],
)
def test_table_is_not_called_runs_when_its_rows_may_be_something_else(change: Change) -> None:
    table = change(history())
    card, text = str(frame_card(table)), str(frame_text(table))
    assert columns_of(card) == [["outcome", "took"]]
    assert "Runs of shop" not in card + text
    assert "0 days" not in card + text


def test_other_frames_and_their_classes_are_drawn_as_ever_when_the_extension_is_loaded(
    shell: InteractiveShell,
) -> None:
    class Own(pd.DataFrame):
        def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
            return {"text/html": "own"}

    plain = pd.DataFrame({"run": [1]})
    assert shown(shell, plain)["text/html"] == plain._repr_html_()
    assert shown(shell, Own({"a": [1]}))["text/html"] == "own"


def test_frame_that_only_looks_like_ours_is_drawn_by_pandas_when_it_has_no_mark() -> None:
    table = history()
    table.attrs.clear()
    assert ours(table) is None
    table.attrs["templedb"] = ["no", "word"]
    assert ours(table) is None


def test_display_shows_the_values_of_the_frame_when_a_user_wrote_into_it() -> None:
    table = history()
    table.loc[0, "message"] = "written <b>by hand</b>"
    card = str(frame_card(table))
    assert "written &lt;b&gt;by hand&lt;/b&gt;" in card
    assert "written <b>by hand" in str(frame_text(table))


def test_frame_keeps_exact_values_when_its_display_is_short() -> None:
    full = "01a20896-82b9-7c4d-a111-2f8f6a4b9a01"
    rows = (replace(runs(1, "staging")[0], run=full, elapsed_ms=90_061_007),)
    table = frame(DeployHistory(slug=Slug("shop"), rows=rows))
    assert table is not None
    card = str(frame_card(table))
    assert f'title="{full}"' in card
    assert ">01a20896-82b9<" in card
    assert "25&nbsp;h&nbsp;01&nbsp;min" in card
    assert table.run[0] == full
    assert table.took[0] == pd.Timedelta(milliseconds=90_061_007)


def test_outcome_has_a_sign_and_a_colour_beside_its_word_when_it_is_shown() -> None:
    card, text = str(frame_card(history(40))), str(frame_text(history(40)))
    for outcome, sign in ((Outcome.SUCCEEDED, "✓"), (Outcome.FAILED, "✗")):
        assert re.search(
            rf'class="tdb-\w+"><span aria-hidden="true">{sign}</span>&nbsp;{outcome}', card
        )
        assert f"{sign} {outcome}" in text


def test_run_that_goes_on_says_so_when_it_has_no_outcome_yet() -> None:
    live = replace(runs(1, "staging")[0], outcome=None, finished_at=None)
    table = frame(DeployHistory(slug=Slug("shop"), rows=(live,)))
    assert table is not None
    assert "▸ running" in str(frame_text(table))
    assert "running" in str(frame_card(table))
    assert table.outcome.isna().all()


def test_run_is_not_called_failed_when_it_waits_for_a_person_or_was_rolled_back() -> None:
    one = replace(runs(1, "staging")[0], outcome=Outcome.FAILED, exit_code=20)
    rows = (one, replace(one, exit_code=12, rolled_back_by="01a2"))
    table = frame(DeployHistory(slug=Slug("shop"), rows=rows))
    assert table is not None
    told = str(frame_text(table))
    assert "◷ waits" in told
    assert "↩ rolled back" in told
    assert "failed" not in told
    assert list(table.outcome) == ["failed", "failed"]


def columns_of(card: str) -> list[list[str]]:
    """Return the heads of each table of a card."""
    heads = re.findall(r"<thead>(.*?)</thead>", card)
    return [re.findall(r"<th[^>]*>(.*?)</th>", each.replace("<wbr>", "")) for each in heads]


@pytest.mark.parametrize("kind", COLUMNS, ids=lambda kind: kind.__name__)
def test_table_has_at_most_ten_columns_when_every_column_has_values(kind: Any) -> None:
    words = {"time": [pd.Timestamp("2026-11-30", tz="UTC")], "span": [pd.Timedelta("1s")]}
    words |= {"count": [1], "rate": [0.5], "ratio": [0.5]}
    from templedb_nb.views.frames.kinds import series

    made = pd.DataFrame(
        {
            name: series(
                [next(iter(of)).value] if isinstance(of, type) else words.get(of, ["x"]), of
            )
            for name, of, _ in COLUMNS[kind]
        }
    )
    made.attrs["templedb"] = kind.json_kind
    card = str(frame_card(made))
    first, *more = columns_of(card)
    assert len(first) <= MOST
    assert all(len(each) <= MOST for each in more)
    told = {each for part in (first, *more) for each in part}
    assert told == {name for name, _, _ in COLUMNS[kind]}
    assert ("<details>" in card) == bool(more)


def test_every_table_has_a_title_and_names_columns_that_it_has() -> None:
    assert TABLE_LOOKS.keys() == SCHEMAS.keys()
    for kind, look in TABLE_LOOKS.items():
        names = {name for name, _, _ in SCHEMAS[kind]}
        assert {*look.main, *look.key, *look.usual} <= names
        assert look.title != "Table"


def test_rows_are_left_out_as_pandas_would_when_there_are_more_than_its_option() -> None:
    table = history(80)
    assert "70 of the rows are not shown" in str(frame_card(table))
    with pd.option_context("display.max_rows", 4):
        text = str(frame_text(table))
        assert "76 of the rows are not shown" in text
        assert [line.split()[0] for line in text.splitlines()[2:7]] == [
            "0000",
            "0001",
            "…",
            "0078",
            "0079",
        ]
    with pd.option_context("display.max_rows", None):
        assert "not shown" not in str(frame_card(table))


def test_columns_are_as_many_as_pandas_says_when_its_option_is_set() -> None:
    table = history()
    with pd.option_context("display.max_columns", 4):
        assert len(columns_of(str(frame_card(table)))[0]) == 4
    with pd.option_context("display.max_columns", None):
        card = str(frame_card(table))
        assert "<details>" not in card
        assert len(columns_of(card)) == 1


def test_options_of_pandas_are_followed_when_they_are_set(shell: InteractiveShell) -> None:
    table = history()
    table.loc[0, "message"] = "a long message " * 9
    off = False
    with pd.option_context("display.notebook_repr_html", off):
        assert "text/html" not in shown(shell, table)
    with pd.option_context("display.max_colwidth", 20):
        assert "a long message a lo…" in str(frame_text(table))
    stats = frame(DeployStats(slug=Slug("shop"), rows=counted(2, 3)))
    assert stats is not None
    assert "33%" in str(frame_text(stats))
    with pd.option_context("display.float_format", "{:.3f}".format):
        assert "0.333" in str(frame_text(stats))


def test_index_stands_beside_the_rows_when_it_does_not_count_from_zero() -> None:
    table = history()
    assert '<th scope="row">' not in str(frame_card(table))
    assert '<th scope="row">5</th>' in str(frame_card(table.iloc[::-1]))


def test_card_names_columns_without_a_value_when_they_are_not_shown() -> None:
    card = str(frame_card(history()))
    assert "without a value:" in card
    assert "parent_run" in card.rpartition("without a value:")[2]


def test_card_shows_no_secret_when_a_mask_is_set() -> None:
    from templedb_nb.views.format import masking

    table = history()
    table.loc[0, "message"] = "password=s3cr3t-word"
    with masking(lambda text: text.replace("s3cr3t-word", "***")):
        assert "s3cr3t-word" not in str(frame_card(table)) + str(frame_text(table))


@pytest.mark.parametrize(
    ("milliseconds", "told"),
    [(0, "0.00 s"), (1500, "1.50 s"), (3_600_000, "1 h 00 min"), (48 * 3_600_000, "2 d 00 h"),
     (100 * 3_600_000, "4 d 04 h")],
)  # fmt: skip
def test_duration_is_in_words_when_it_is_long(milliseconds: int, told: str) -> None:
    assert duration(milliseconds) == told


@pytest.mark.parametrize(
    ("mode", "began", "took"),
    [("transaction", CLAIMED, None), ("statements", CLAIMED - timedelta(seconds=9), 9.0)],
)
def test_duration_of_a_migration_is_told_when_its_row_knows_two_moments(
    mode: str, began: datetime, took: float | None
) -> None:
    entry = Entry(
        key="001.sql",
        file="001.sql",
        kind=EntryKind.RUN,
        state=State.APPLIED,
        checksums=Checksums(text=Digest("a" * 64), tokens=Digest("b" * 64)),
        mode=mode,
        started_at=began,
        finished_at=CLAIMED.replace(microsecond=0),
    )
    row = MigrationRow(target=TargetName("staging"), database="DATABASE_URL", entry=entry)
    table = frame(MigrationHistory(slug=Slug("shop"), rows=(row,)))
    assert table is not None
    told = table.took.dt.total_seconds()[0]
    assert pd.isna(told) if took is None else round(told) == took
