"""What a run says of its slots is what the router says, also where somebody else switches."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.app.recovery.test_died import newest
from tests.conftest import Said, Terminal

GROUP: dict[str, Any] = {
    "name": "site",
    "workdir": "release",
    "deploy_command": "mkdir -p {live}/$TEMPLEDB_SLOT; cp text {live}/$TEMPLEDB_SLOT/; . ./more",
    "health_check": {
        "type": "command",
        "command": "grep -q good {live}/$TEMPLEDB_SLOT/text",
        "interval": 1,
        "failure_threshold": 1,
    },
}
PLAIN: dict[str, Any] = GROUP | {
    "deploy_command": "cp text {live}/$(readlink {live}/current)/",
    "health_check": {"type": "command", "command": "test -e {live}/current/text"},
}


class Site:
    """A folder a slot, and a link that says which of them serves."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal, self.live = terminal, terminal.home / "live"
        self.live.mkdir()

    @property
    def link(self) -> Path:
        return self.live / "current"

    def release(self, text: str, more: str = "") -> None:
        self.terminal.files(text=text, more=more.replace("{live}", str(self.live)))

    def config(self, group: dict[str, Any] = GROUP, **wanted: Any) -> None:
        router = {"type": "symlink", "path": str(self.link), "to": "{slot}"}
        slots = {"slots": ["blue", "green"], "router": router, "confirm": 1, "keep_old": 0}
        made = group if group is PLAIN else group | {"blue_green": slots | wanted}
        text = json.dumps({"groups": [made], "targets": {"prod": {}}})
        self.terminal.file("app/templedb.yaml", text.replace("{live}", str(self.live)))

    def run(self, *words: str, code: int = 0) -> Said:
        return self.terminal(*words, code=code)

    def deploy(self, *words: str, code: int = 0) -> Said:
        return self.run("deploy", "run", "app", *words, code=code)


@pytest.fixture
def site(terminal: Terminal) -> Site:
    made = Site(terminal)
    made.release("good 1")
    made.config()
    terminal("project", "import", "app")
    made.deploy()
    return made


def test_deployment_does_not_succeed_when_somebody_else_switches_during_the_soak(
    site: Site,
) -> None:
    switch = f"ln -sfn blue {site.link}"
    soak = {"type": "command", "command": switch, "role": "soak", "for": 1, "interval": 1}
    checks = {"health_check": None, "health_checks": [GROUP["health_check"], soak]}
    site.config({k: v for k, v in (GROUP | checks).items() if v})
    site.release("good 2")
    said = site.deploy(code=12)
    assert "green is healthy, but the router names blue: somebody else switched" in said.all
    assert "nothing to switch back: blue serves" in said.all
    assert "traffic of site goes to green" not in said.all
    assert "the record says that green serves" in site.deploy(code=78).all
    site.run("deploy", "switch", "app", "blue", "--reason", "it was me")


def test_deployment_is_unknown_when_somebody_switches_to_its_slot_meanwhile(site: Site) -> None:
    site.release("good 2", more="ln -sfn green {live}/current")
    said = site.deploy(code=13)
    assert "the router names green, to which somebody sent traffic" in said.all
    assert newest(site.terminal)["outcome"] == "unknown"


def test_failed_deployment_names_the_switch_when_somebody_switched_to_its_slot(site: Site) -> None:
    site.release("good 2", more="ln -sfn green {live}/current; exit 7")
    said = site.deploy(code=13)
    assert "exited with 7; the router names green" in said.all


def test_run_does_not_say_that_traffic_stays_when_its_drain_is_cancelled(site: Site) -> None:
    site.config(drain="touch {live}/draining; sleep 60")
    site.release("good 2")
    process = site.terminal.process("deploy", "run", "app")
    while not (site.live / "draining").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate()
    assert process.returncode == 143
    assert str(site.link.readlink()) == "green"
    assert "cancelled; the router names green" in said
    assert "traffic stays" not in said


def test_config_is_refused_when_it_drops_the_serving_slot(site: Site) -> None:
    site.config(slots=["one", "two"])
    said = site.deploy(code=78)
    assert "add blue, which serves, to slots again" in said.all
    site.config(slots=["blue", "one"])
    site.release("good 2")
    site.deploy()
    site.config(slots=["one", "two"])
    site.release("good 3")
    site.deploy()
    assert str(site.link.readlink()) == "two"


def test_plan_and_slots_name_a_slot_when_it_left_the_config_with_a_release(site: Site) -> None:
    retire = {"retire_command": "rm -r {live}/$TEMPLEDB_SLOT"}
    site.config(slots=["blue", "one"], **retire)
    site.release("good 2")
    site.deploy()
    site.config(slots=["one", "two"], **retire)
    site.release("good 3")
    said = site.deploy()
    assert "release 1 runs in blue (warm), which is not in slots" in said.all
    assert "add blue to slots again" in said.all
    shown = site.run("deploy", "slots", "app").all
    assert "blue" in shown
    assert "not in the config any more" in shown
    site.config(slots=["blue", "one", "two"], **retire)
    site.run("project", "import", "app")
    site.run("deploy", "slots", "app", "--retire", "--slot", "blue", "--discard-old")
    assert not (site.live / "blue").exists()
    site.config(slots=["one", "two"], **retire)
    site.release("good 4")
    assert "not in slots" not in site.deploy("--discard-old").all


@pytest.mark.parametrize("slots", [[1, 2], [], ["blue"], "blue", ["blue", ""]])
def test_plan_names_the_slots_key_when_slots_are_malformed(site: Site, slots: Any) -> None:
    site.config(slots=slots)
    said = site.deploy(code=78)
    assert "blue_green.slots" in said.all


@pytest.mark.parametrize("slots", [[1, 2], {"blue": {"LD_PRELOAD": "x"}, "green": {}}])
def test_manual_switch_names_the_config_when_its_slots_are_wrong(site: Site, slots: Any) -> None:
    site.config(slots=slots)
    site.deploy(code=78)
    said = site.run("deploy", "switch", "app", "blue", "--reason", "why", code=78)
    assert "the config" in said.all


@pytest.mark.parametrize(
    ("slots", "told"),
    [
        ({"blue": {"LD_PRELOAD": "x"}, "green": {}}, "changes how programs load"),
        ({"blue": {"DB_PASSWORD": "x"}, "green": {}}, "looks like a secret"),
    ],
)
def test_slot_values_are_refused_when_group_values_would_be(
    site: Site, slots: dict[str, dict[str, str]], told: str
) -> None:
    site.config(slots=slots)
    assert told in site.deploy(code=78).all


def test_slots_are_refused_when_two_share_a_place(site: Site) -> None:
    router = {"type": "symlink", "path": str(site.link), "to": "{slot:D}"}
    site.config(slots={"blue": {"D": "x"}, "green": {"D": "./x/"}}, router=router)
    assert "router.to: is the same for several slots" in site.deploy(code=78).all
    check = {"type": "http", "url": "http://127.0.0.1:{slot:PORT}/"}
    alike = {"blue": {"PORT": "8001"}, "green": {"PORT": "8001"}}
    site.config(GROUP | {"health_check": check}, slots=alike)
    assert "asks the same of several slots" in site.deploy(code=78).all


def test_slot_does_not_hold_its_release_when_a_later_release_without_slots_replaced_it(
    site: Site,
) -> None:
    site.config(PLAIN)
    site.release("other 2")
    site.deploy()
    said = site.run("deploy", "rollback", "app")
    assert "release 1 is in place again" in said.all
    assert (site.link / "text").read_text() == "good 1"
