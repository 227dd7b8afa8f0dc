"""The panels' static twins: the same in a terminal, and in a notebook that nobody watches."""

from __future__ import annotations

from templedb_nb.model.event import Outcome
from templedb_nb.model.project import Slug
from templedb_nb.model.status import Board, StatusTable, TargetStatus
from templedb_nb.model.target import TargetName
from tests.conftest import Shop
from tests.test_notebook import Kernel, kernel

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


def test_a_filter_takes_every_word_of_project_or_target() -> None:
    every = board(row("shop", "staging"), row("shop", "production"), row("blog", "staging"))
    assert [r.slug for r in every.matching("stag", wanting=False).rows] == ["shop", "blog"]
    assert [r.target for r in every.matching("SHOP prod", wanting=False).rows] == ["production"]
    assert every.matching("nobody", wanting=False).tables == ()


def test_what_waits_for_something_is_pending_or_did_not_end_well() -> None:
    every = board(
        row("shop", "quiet", outcome=Outcome.SUCCEEDED),
        row("shop", "behind", pending=1),
        row("shop", "broken", outcome=Outcome.FAILED),
    )
    assert [r.target for r in every.matching("", wanting=True).rows] == ["behind", "broken"]


def test_the_board_in_a_terminal_is_a_table_for_each_project(shop: Shop) -> None:
    said = shop.terminal("board").out
    assert "project app, release 1" in said
    assert "staging" in said
    assert shop.terminal("board", "nobody", code=64).out == ""


def test_the_picker_in_a_terminal_lists_what_there_is(shop: Shop) -> None:
    said = shop.terminal("deploy", "pick", "app").out
    assert "staging" in said
    assert "templedb deploy plan app --target T --release N --skip-group G" in said


def test_both_are_static_where_nobody_watches(kernel: Kernel) -> None:
    kernel.run("board = %templedb board")
    assert kernel.value("list(board.columns[:2])") == "['project', 'target']"
    picked = kernel.run("%templedb deploy pick app")["data"]
    assert "application/vnd.jupyter.widget-view+json" not in picked
    assert "staging" in picked["text/html"]
