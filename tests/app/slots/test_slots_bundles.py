"""Slots and plan bundles: a run that another state has planned waits, dies, and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.recovery.test_died import killed
from tests.app.slots.test_blue_green import Slots, free_port, slots

__all__ = ["slots"]


def elsewhere(slots: Slots, name: str) -> None:
    """Work with another state from now on; it knows the project and the target's database."""
    terminal = slots.terminal
    terminal.set(TEMPLEDB_STATE=str(terminal.home / name / "state.duckdb"))
    if not terminal.state.exists():
        terminal.state.parent.mkdir(exist_ok=True)
        terminal("project", "import", "app")
        database = f"duckdb:{terminal.home / 'target.duckdb'}"
        terminal("env", "set", "app", "DATABASE_URL", database, "--target", "prod")


def bundled(slots: Slots, name: str) -> Path:
    """Return the bundle of a plan for that version, and work with another state behind it."""
    elsewhere(slots, "planner")
    slots.version(name)
    path = slots.terminal.home / f"{name}.plan"
    slots.terminal("deploy", "plan", "app", "--discard-old", "--out", str(path))
    elsewhere(slots, "runner")
    return path


def test_run_of_a_bundle_goes_on_when_a_person_says_go_and_names_the_bundle(slots: Slots) -> None:
    slots.write(promote="manual")
    first, second = bundled(slots, "v1"), bundled(slots, "v2")
    terminal = slots.terminal
    waits = terminal("deploy", "run", "--plan", str(first), code=20)
    assert f"deploy switch blue --target prod --plan {first} --reason WHY" in waits.all
    assert "--target prod --reason" not in waits.all
    without = slots.switch("blue", code=64)
    assert "templedb deploy switch app blue --target prod --plan FILE --reason WHY" in without.err
    other = slots.switch("blue", "--plan", str(second), code=22)
    assert "v2.plan has plan" in other.err
    assert slots.serves == ""
    said = slots.switch("blue", "--plan", str(first))
    assert "traffic of web goes to blue" in said.out
    assert slots.serves == "blue"
    assert slots.deployed == ["blue none v1"]
    again = slots.switch("blue", "--plan", str(first), code=64)
    assert "no run waits here for a switch to blue" in again.err


@pytest.mark.parametrize("place", ["slot.used", "switch.pointed"])
def test_run_of_a_bundle_is_resumed_when_its_process_died(slots: Slots, place: str) -> None:
    first = bundled(slots, "v1")
    killed(slots.terminal, place, "deploy", "run", "--plan", str(first))
    without = slots.terminal("deploy", "resume", "app", code=64)
    assert "--target prod --plan FILE" in without.err
    slots.terminal("deploy", "resume", "app", "--plan", str(first))
    assert slots.serves == "blue"
    assert slots.states()["blue"] == "live"


def test_plans_and_measurements_are_made_when_the_last_run_was_of_a_bundle(slots: Slots) -> None:
    slots.write()
    elsewhere(slots, "runner")
    bundled(slots, "v1")
    bundled(slots, "v2")
    third = bundled(slots, "v3")
    slots.terminal("deploy", "run", "--plan", str(third))
    said = slots.terminal("deploy", "plan", "app", "--discard-old")
    assert "since the last successful run" not in said.out
    slots.terminal("health", "check", "app")
    slots.switch("blue")
    assert slots.serves == "blue"


def test_refused_rollback_names_the_switch_when_its_config_lacks_the_serving_slot(
    slots: Slots,
) -> None:
    slots.deploy("v1")
    slots.deploy("v2")
    green = {"PORT": str(slots.ports[1])}
    slots.write(slots={"azure": {"PORT": str(free_port())}, "green": green})
    slots.deploy("v3")
    assert slots.serves == "azure"
    refused = slots.terminal("deploy", "rollback", "app", code=78)
    assert "the config of that release has no slot azure" in refused.err
    assert "templedb deploy switch green --target prod --reason WHY" in refused.err
    slots.switch("green")
    assert slots.serves == "green"
