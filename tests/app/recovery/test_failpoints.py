"""Every place at which a run can break, for every kind of step: what is true afterwards."""

from __future__ import annotations

import re

import pytest

from templedb_nb import failpoints
from tests.conftest import MIGRATIONS, Shop

ELSEWHERE = (
    "rollout.",
    "rollback.owed",
    "artifacts.",
    "router.",
    "slot.",
    "switch.",
    "notify.",
    "psql.",
)
"""Not passed by such a deployment that succeeds, or has no receivers; other tests have them."""
PLACES = [each for each in failpoints.PLACES if not each.startswith(ELSEWHERE)]
EFFECTS = ["after", "before", "step-1", "step-2a", "step-2b", "step-3"]
STEPWISE = """\
INSERT INTO effects VALUES ('step-1');
CREATE INDEX CONCURRENTLY effects_what ON effects (what);
BEGIN;
INSERT INTO effects VALUES ('step-2a');
INSERT INTO effects VALUES ('step-2b');
COMMIT;
VACUUM effects;
INSERT INTO effects VALUES ('step-3');
"""


@pytest.fixture
def mixed(shop: Shop) -> Shop:
    """A project with a migration in a transaction, one step by step, a command, and its check."""
    shop.migration(
        "003_before.sql",
        "CREATE TABLE effects (what text);\nINSERT INTO effects VALUES ('before');\n"
        "GRANT SELECT ON ALL TABLES IN SCHEMA templedb TO PUBLIC;\n",
    )
    shop.migration("004_steps.sql", STEPWISE)
    shop.migration("005_after.sql", "INSERT INTO effects VALUES ('after');\n")
    command = {"name": "announce", "kind": "commands", "deploy_command": "echo ran >> ../ran.txt"}
    check = {"type": "command", "command": "true", "interval": 1}
    shop.config(
        MIGRATIONS | {"order": 1},
        command | {"order": 2, "workdir": "project", "health_check": check},
    )
    return shop


def finish(shop: Shop) -> None:
    """Bring the job to its end as its users would: look, resolve what only they can, run again."""
    said = shop.run("--lock-wait", "60", code=None)
    if said.code == 13:
        found = re.search(r"templedb run resolve (\S+)", said.err)
        assert found, said.err
        shop.terminal("run", "resolve", found[1], "--reason", "looked at it")
        said = shop.run("--lock-wait", "60", code=None)
    assert said.code == 0, said.out + said.err


def assert_true(shop: Shop) -> None:
    """Nothing doubled, nothing lost, nothing stuck, nothing invalid."""
    pg = shop.pg
    assert [row[0] for row in pg.query("SELECT what FROM effects ORDER BY what")] == EFFECTS
    assert pg.query("SELECT count(*) FROM orders") == [(1,)]
    assert pg.query("SELECT relname FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE NOT indisvalid") == []  # fmt: skip
    assert pg.query("SELECT to_regclass('effects_what')::text") == [("effects_what",)]
    states = pg.query("SELECT state, steps = step_done, step_done = step_started, count(*) FROM templedb.migration GROUP BY 1, 2, 3")  # fmt: skip
    assert states == [("applied", True, True, 5)]
    assert pg.query("SELECT count(*) FROM templedb.lock") == [(0,)]
    assert pg.query("SELECT count(*) FROM templedb.run WHERE state = 'running'") == [(0,)]
    assert pg.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") == [(0,)]  # fmt: skip
    history = shop.terminal("deploy", "history", "--json").json
    assert all(row.get("outcome") for row in history if "run" in row)
    ran = (shop.terminal.home / "ran.txt").read_text().splitlines()
    assert ran


@pytest.mark.parametrize("action", ["drop", "error"])
@pytest.mark.parametrize("place", PLACES)
def test_next_run_finishes_the_work_when_a_run_breaks_at_any_failpoint(
    mixed: Shop, place: str, action: str
) -> None:
    mixed.terminal.set(TEMPLEDB_FAILPOINT=f"{place}:{action}")
    mixed.run(code=None)
    mixed.terminal.unset("TEMPLEDB_FAILPOINT")
    finish(mixed)
    assert_true(mixed)


@pytest.mark.parametrize("place", PLACES)
def test_next_run_finishes_the_work_when_a_run_is_killed_at_any_failpoint(
    mixed: Shop, place: str
) -> None:
    mixed.terminal.set(TEMPLEDB_FAILPOINT=f"{place}:kill9")
    process = mixed.terminal.process("deploy", "run", "app")
    out, err = process.communicate(timeout=60)
    assert process.returncode == -9, f"{place} was never reached\n{out}{err}"
    mixed.terminal.unset("TEMPLEDB_FAILPOINT")
    finish(mixed)
    assert_true(mixed)


@pytest.mark.parametrize("place", PLACES)
def test_rival_run_finishes_the_work_when_the_first_run_is_killed(mixed: Shop, place: str) -> None:
    mixed.terminal.set(TEMPLEDB_FAILPOINT=f"{place}:kill9")
    first = mixed.terminal.process("deploy", "run", "app")
    mixed.terminal.unset("TEMPLEDB_FAILPOINT")
    second = mixed.terminal.process("deploy", "run", "app", "--lock-wait", "60")
    for each in (first, second):
        each.communicate(timeout=120)
    finish(mixed)
    assert_true(mixed)


@pytest.mark.parametrize("place", ["run.before-end", "run.ended"])
def test_next_run_succeeds_plainly_when_a_run_of_only_commands_died_at_its_end(
    mixed: Shop, place: str
) -> None:
    mixed.run()
    mixed.terminal.set(TEMPLEDB_FAILPOINT=f"{place}:kill9")
    process = mixed.terminal.process("deploy", "run", "app")
    process.communicate(timeout=60)
    assert process.returncode == -9
    mixed.terminal.unset("TEMPLEDB_FAILPOINT")
    mixed.run()
    assert (mixed.terminal.home / "ran.txt").read_text().split() == ["ran"] * 3


def test_failpoint_is_refused_when_its_place_does_not_exist(shop: Shop) -> None:
    shop.terminal.set(TEMPLEDB_FAILPOINT="apply.comitted:kill9")
    said = shop.run(code=64)
    assert "apply.committed" in said.err
    assert shop.pg.applied() == []


def test_failpoint_is_refused_when_the_target_is_protected(shop: Shop) -> None:
    shop.terminal("target", "update", "app", "staging", "--protected")
    plan = shop.terminal("deploy", "plan", "app", "--json").json[-1]
    assert plan
    shop.terminal.set(TEMPLEDB_FAILPOINT="run.locked:error")
    said = shop.run(code=78)
    assert "TEMPLEDB_FAILPOINT is set" in said.err
