"""The board: of each target what waits, runs, ended and differs, and what to do next."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from templedb_nb.model.board import (
    DriftGlance,
    RunningNow,
    TargetNow,
    next_command,
    without_command,
)
from templedb_nb.model.event import Outcome
from templedb_nb.model.project import Slug
from templedb_nb.model.status import TargetStatus
from templedb_nb.model.target import TargetName
from tests.conftest import MIGRATIONS, Shop

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
QUIET = TargetStatus(
    slug=Slug("shop"),
    target=TargetName("live"),
    protected=False,
    release=1,
    applied=3,
    pending=0,
    attention=0,
    last_outcome=Outcome.SUCCEEDED,
    last_run="01a209fa-d68c-7000",
)
STILL = TargetNow(slug=QUIET.slug, target=QUIET.target)
RUNNING = RunningNow(run="01a209fb-0000-7000", started_by="ana", started_at=NOW, done=0, steps=2)
DRIFTED = DriftGlance(changes=2, at=NOW, by="plan 3f9a1c2b7d10")


@pytest.mark.parametrize(
    ("row", "now", "command"),
    [
        (QUIET, STILL, ""),
        (QUIET, replace(STILL, drift=replace(DRIFTED, changes=0)), ""),
        (QUIET, replace(STILL, drift=DRIFTED), "templedb drift check shop --target live"),
        (replace(QUIET, pending=1), STILL, "templedb deploy plan shop --target live"),
        (replace(QUIET, last_run="", last_outcome=None), STILL, "templedb deploy plan shop --target live"),
        (replace(QUIET, pending=None, note="refused"), STILL, "templedb target test shop live"),
        (replace(QUIET, last_outcome=Outcome.FAILED), STILL, "templedb deploy show 01a209fa-d68c"),
        (replace(QUIET, attention=1), STILL, "templedb migration status shop --target live"),
        (replace(QUIET, note="locked by ana"), STILL, "templedb lock show shop --target live"),
        (
            replace(QUIET, attention=1, note="the rollback of run 01a2 is owed: templedb deploy resume 01a2"),
            STILL,
            "templedb deploy resume 01a2",
        ),
        (
            replace(QUIET, note="run 01a209fa-d68c-7000 unresolved"),
            STILL,
            "templedb run resolve shop 01a209fa-d68c --reason WHY",
        ),
        (replace(QUIET, pending=1), replace(STILL, running=(RUNNING,)), "templedb run attach 01a209fb-0000"),
    ],
)  # fmt: skip
def test_next_command_is_the_most_urgent_one(
    row: TargetStatus, now: TargetNow, command: str
) -> None:
    assert next_command(row, now) == command


def test_note_says_its_command_only_where_the_next_one_stands() -> None:
    owed = "the rollback of run 01a2 is owed: templedb deploy resume 01a2; locked by ana"
    assert without_command(owed) == "the rollback of run 01a2 is owed; locked by ana"


def board(shop: Shop) -> dict[str, object]:
    facts: list[dict[str, object]] = shop.terminal("board", "--json").json[1]["facts"]
    return facts[0]


def test_board_names_the_plan_that_waits_and_how_to_approve_it(shop: Shop) -> None:
    shop.terminal("target", "update", "app", "staging", "--approvals", "1")
    plan = shop.terminal("deploy", "plan", "app", "--json").json[1]["plan_id"][:12]
    said = shop.terminal("board").out
    assert f"templedb approve {plan} --reason WHY" in " ".join(said.split())


def test_board_says_what_drift_the_last_plan_found(shop: Shop) -> None:
    assert board(shop)["drift"] is None
    shop.run()
    shop.migration("003_more.sql", "CREATE TABLE more (id int);\n")
    shop.pg.query("CREATE TABLE by_hand (id int)")
    shop.terminal("deploy", "plan", "app")
    found = board(shop)["drift"]
    assert isinstance(found, dict)
    assert (found["changes"], str(found["by"]).split()[0]) == (1, "plan")
    shop.run()
    found = board(shop)["drift"]
    assert isinstance(found, dict)
    assert (found["changes"], str(found["by"]).split()[0]) == (0, "run")


def test_board_follows_the_run_that_goes_on(shop: Shop) -> None:
    home = shop.terminal.home
    wait = f"touch {home}/begun; while [ ! -e {home}/go ]; do sleep 0.05; done"
    shop.config(MIGRATIONS | {"pre_deploy": [wait]})
    process = shop.terminal.process("deploy", "run", "app")
    while not (home / "begun").exists():
        assert process.poll() is None
        time.sleep(0.02)
    said = " ".join(shop.terminal("board").out.split())
    assert "0 of 3 steps" in said
    assert "templedb run attach " in said
    (home / "go").touch()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert board(shop)["running"] == []
