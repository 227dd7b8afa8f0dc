"""The panels' static twins: the same in a terminal, and in a notebook that nobody watches."""

from __future__ import annotations

from templedb_nb.model.board import Board
from templedb_nb.model.event import Outcome
from templedb_nb.model.project import Slug
from templedb_nb.model.status import StatusTable, TargetStatus
from templedb_nb.model.target import TargetName
from tests.conftest import Shop
from tests.notebook.test_notebook import Kernel, kernel

__all__ = ["kernel"]


def row(
    slug: str, target: str, *, pending: int = 0, outcome: Outcome | None = None
) -> TargetStatus:
    return TargetStatus(
        slug=Slug(slug),
        target=TargetName(target),
        protected=False,
        release=1,
        applied=1,
        pending=pending,
        attention=0,
        last_outcome=outcome,
    )


def board(*rows: TargetStatus) -> Board:
    slugs = dict.fromkeys(each.slug for each in rows)
    return Board(
        tables=tuple(
            StatusTable(slug=slug, rows=tuple(r for r in rows if r.slug == slug)) for slug in slugs
        )
    )


def test_board_filter_matches_every_word_when_words_name_project_or_target() -> None:
    every = board(row("shop", "staging"), row("shop", "production"), row("blog", "staging"))
    assert [r.slug for r in every.matching("stag", wanting=False).rows] == ["shop", "blog"]
    assert [r.target for r in every.matching("SHOP prod", wanting=False).rows] == ["production"]
    assert every.matching("nobody", wanting=False).tables == ()


def test_board_row_needs_attention_when_pending_or_not_ended_well() -> None:
    every = board(
        row("shop", "quiet", outcome=Outcome.SUCCEEDED),
        row("shop", "behind", pending=1),
        row("shop", "broken", outcome=Outcome.FAILED),
    )
    assert [r.target for r in every.matching("", wanting=True).rows] == ["behind", "broken"]


def test_board_is_a_table_for_each_project_when_shown_in_a_terminal(shop: Shop) -> None:
    said = shop.terminal("board").out
    assert "project app, release 1" in said
    assert "staging" in said
    assert shop.terminal("board", "nobody", code=64).out == ""


def test_picker_lists_the_choices_when_shown_in_a_terminal(shop: Shop) -> None:
    said = shop.terminal("deploy", "pick", "app").out
    assert "staging" in said
    assert "templedb deploy plan app --target T --release N --skip-group G" in said


def test_board_and_picker_are_static_when_nobody_watches(kernel: Kernel) -> None:
    kernel.run("board = %templedb board")
    assert kernel.value("list(board.columns[:2])") == "['project', 'target']"
    picked = kernel.run("%templedb deploy pick app")["data"]
    assert "application/vnd.jupyter.widget-view+json" not in picked
    assert "staging" in picked["text/html"]
