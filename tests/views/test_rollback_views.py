"""Where a rollback is seen: status, board, timeline and pictures."""

from __future__ import annotations

import io
from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest
from matplotlib.image import imread

from templedb_nb.model.charts import Timeline
from templedb_nb.model.event import Outcome
from templedb_nb.model.health import Measured
from templedb_nb.model.project import Slug
from templedb_nb.model.run_kind import RunKind
from templedb_nb.views.frames import frame
from templedb_nb.views.html import bundle
from templedb_nb.views.messages import last_run
from templedb_nb.views.text import text
from tests.app.recovery.test_died import killed
from tests.app.rollback.test_rollback import Releases
from tests.conftest import MIGRATIONS, Database, Terminal
from tests.views.test_pictures import runs

GOOD, FAILED = Outcome.SUCCEEDED, Outcome.FAILED


@pytest.fixture(params=["postgres", "duckdb", "none"])
def shop(request: pytest.FixtureRequest, terminal: Terminal) -> Releases:
    """Return a project whose v1 is deployed: on a server, a file, or a target without a database.

    A deployment of v2 fails, and so does its rollback as long as there is a file `stuck`.
    """
    made = Releases(terminal)
    command = (
        f"cat version.txt >> {made.out}; grep -q v2 version.txt && exit 1;"
        f" while test -e {terminal.home}/slow; do sleep 0.1; done; test ! -e {terminal.home}/stuck"
    )
    web = {"name": "web", "deploy_command": command}
    groups = [web] if request.param == "none" else [MIGRATIONS, web]
    made.project(*groups, on_failure="rollback")
    made.version("v1", **({} if request.param == "none" else {"m001": "CREATE TABLE a (id int);"}))
    terminal("project", "import", "app")
    if request.param != "none":
        made.dsn = f"duckdb://{terminal.home}/target.duckdb"
        if request.param == "postgres":
            pg: Database = request.getfixturevalue("pg")
            made.dsn = pg.dsn
        terminal("env", "set", "app", "DATABASE_URL", made.dsn, "--target", "prod")
    made.deploy()
    made.version("v2")
    return made


def glance(made: Releases) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the target's row of the status and of the deployments."""
    (row,) = made.terminal("status", "app", "--json").json[-1]["rows"]
    (own,) = made.terminal("deploy", "status", "app", "--json").json[-1]["rows"]
    return row, own


def test_rollback_is_shown_as_failed_until_resolved_when_it_failed(shop: Releases) -> None:
    (shop.terminal.home / "stuck").touch()
    shop.deploy(code=13)
    child = shop.runs()[0]["run"]
    row, own = glance(shop)
    note = f"rollback {child[:13]} did not succeed: templedb deploy resume {child[:13]}"
    assert (row["note"], row["attention"]) == (note, 1)
    assert (own["rollback"]["run"], own["last_kind"]) == (child, "rollback")
    for words in (("status", "app"), ("board",), ("deploy", "status", "app")):
        said = shop.terminal(*words).out
        assert "rollback failed" in said
        for part in note.split(": "):  # the board has the command in a column of its own
            assert part in said
    (shop.terminal.home / "stuck").unlink()
    shop.terminal("deploy", "resume", "app", child[:13])
    row, own = glance(shop)
    assert (row["note"], own["rollback"], row["last_kind"]) == ("", None, "rollback")
    assert not row["attention"]
    assert "rolled back" in shop.terminal("status", "app").out
    assert "rolled back" in shop.terminal("deploy", "status", "app").out


def test_rollback_is_shown_as_owed_until_resolved_when_the_run_died_before_the_rollback(
    shop: Releases,
) -> None:
    killed(shop.terminal, "rollback.owed", "deploy", "run", "app")
    parent = shop.runs()[0]["run"]
    row, own = glance(shop)
    resume = f"templedb deploy resume {parent[:13]}"
    assert row["note"] == f"the rollback of run {parent[:13]} is owed: {resume}"
    assert row["attention"] == 1
    assert (own["rollback"]["parent"], own["rollback"]["run"]) == (parent, "")
    assert row["note"] in shop.terminal("deploy", "status", "app").out
    shop.terminal("run", "resolve", parent[:13], "--reason", "we go forward")
    row, own = glance(shop)
    assert (row["note"], own["rollback"]) == ("", None)


def test_rollback_is_not_shown_as_failed_when_it_goes_on(shop: Releases) -> None:
    (shop.terminal.home / "slow").touch()
    process = shop.terminal.process("deploy", "run", "app")
    try:
        while shop.deployed != ["v1", "v2", "v1"]:
            assert process.poll() is None
        row, own = glance(shop)
        assert own["live_run"]
        assert own["rollback"] is None
        assert "did not succeed" not in row["note"]
        assert "owed" not in row["note"]
    finally:
        (shop.terminal.home / "slow").unlink()
        process.communicate()
    assert process.returncode == 11


@pytest.mark.parametrize(
    ("kind", "outcome", "health", "expected"),
    [
        (None, GOOD, None, "succeeded"),
        (RunKind.DEPLOY, FAILED, Measured.UNHEALTHY, "failed, unhealthy"),
        (RunKind.DEPLOY, None, None, "running"),
        (RunKind.ROLLBACK, GOOD, Measured.NO_GATE, "rolled back"),
        (RunKind.ROLLBACK, GOOD, Measured.HEALTHY, "rolled back, healthy"),
        (RunKind.ROLLBACK, FAILED, None, "rollback failed"),
        (RunKind.ROLLBACK, Outcome.TIMED_OUT, None, "rollback timed out"),
        (RunKind.ROLLBACK, None, None, "rolling back"),
        (RunKind.DOWN, GOOD, None, "down succeeded"),
        (RunKind.HEALTH, FAILED, Measured.UNHEALTHY, "health failed, unhealthy"),
    ],
)
def test_last_run_is_named_by_its_kind_outcome_and_health(
    kind: RunKind | None, outcome: Outcome | None, health: Measured | None, expected: str
) -> None:
    assert last_run(outcome, health, kind) == expected


# --- pictures ---------------------------------------------------------------------------------


def with_rollback() -> Timeline:
    """Return four runs, of which the last undoes the one before."""
    rows = [replace(each, outcome=GOOD) for each in runs(4, "prod")]
    rows[2] = replace(rows[2], rolled_back_by=rows[3].run)
    rows[3] = replace(rows[3], run_kind=RunKind.ROLLBACK, parent_run=rows[2].run)
    return Timeline(slug=Slug("shop"), rows=tuple(rows))


def test_timeline_text_marks_rollbacks_when_runs_were_rolled_back() -> None:
    lines = text(with_rollback()).splitlines()
    assert lines[-1] == "✓ succeeded, ↩ rollback"
    assert "↩" not in "".join(lines[2:5])
    assert lines[4].endswith("(rolled back)")
    assert "✓ ↩ release 1" in lines[5]
    down = Timeline(slug=Slug("shop"), rows=(replace(runs(1, "a")[0], run_kind=RunKind.DOWN),))
    assert " down release 1" in text(down)


def test_timeline_picture_marks_rollbacks_by_shape_when_shown_in_grey() -> None:
    value = with_rollback()
    plain = replace(value, rows=tuple(replace(r, run_kind=None) for r in value.rows))
    drawn = [
        imread(io.BytesIO(b64decode(bundle(each)["image/png"])))  # type: ignore[index]
        for each in (value, plain)
    ]
    grey = [1 - each[..., 3] * (1 - each[..., :3].mean(axis=2)) for each in drawn]  # on white
    inked = [int((each < 0.8).sum()) for each in grey]
    assert inked[0] > inked[1] + 500, "the ring and the arrow stand out, whatever the colours are"
    lone = replace(value, rows=value.rows[3:])
    assert bundle(lone) is not None, "its parent is not on the picture"


def test_status_frame_has_the_kind_of_the_last_run_when_the_last_run_is_a_rollback(
    terminal: Terminal,
) -> None:
    from templedb_nb.api import Temple

    made = Releases(terminal)
    made.project(made.web())
    made.version("v1")
    terminal("project", "import", "app")
    made.deploy()
    made.version("v2")
    made.deploy()
    made.back()
    found = frame(Temple.open().status("app"))
    assert found is not None
    assert list(found.last_kind) == ["rollback"]
