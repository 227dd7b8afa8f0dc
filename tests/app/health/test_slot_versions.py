"""Health checks of slots that expect a version: each slot is asked for the release that it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Terminal
from tests.nginx import Service

DEPLOY = 'echo "$TEMPLEDB_RELEASE" > ../slots/$TEMPLEDB_SLOT/version'


@dataclass
class Site:
    """Two services that tell the version in their slot, behind a link; the project deploys there."""

    terminal: Terminal
    services: dict[str, Service]

    @property
    def live(self) -> str:
        return (self.terminal.home / "current").readlink().name

    def version(self, slot: str) -> Path:
        return self.terminal.home / "slots" / slot / "version"

    def release(self, text: str) -> None:
        self.terminal.files(text=text)

    def run(self, *words: str, code: int = 0) -> str:
        return self.terminal(*words, code=code).all


@pytest.fixture
def site(terminal: Terminal) -> Iterator[Site]:
    services = {slot: Service(slot) for slot in ("blue", "green")}
    made = Site(terminal=terminal, services=services)
    with ExitStack() as held:
        for slot, each in services.items():
            (terminal.home / "slots" / slot).mkdir(parents=True)
            held.callback(each.stop)
            each.start(str(made.version(slot)))
        made.release("one")
        terminal.file("app/templedb.yaml", json.dumps(config(terminal.home, services)))
        terminal("project", "import", "app")
        made.run("deploy", "run", "app")
        yield made


def config(home: Path, services: dict[str, Service]) -> dict[str, Any]:
    check = {
        "type": "http",
        "url": "http://127.0.0.1:{slot:PORT}/",
        "expect_version": "{release}",
        "interval": 1,
        "failure_threshold": 1,
    }
    ill = {"type": "command", "command": "! grep -q ill text", "role": "soak", "for": 1}
    soak = ill | {"interval": 1, "failure_threshold": 1}
    router = {"type": "symlink", "path": f"{home}/current", "to": f"{home}/slots/{{slot}}"}
    slots = {name: {"PORT": str(each.port)} for name, each in services.items()}
    wanted = {"slots": slots, "router": router, "confirm": 1, "keep_old": "1h"}
    group = {"name": "web", "deploy_command": DEPLOY, "workdir": "project"}
    return {
        "groups": [group | {"health_checks": [check, soak], "blue_green": wanted}],
        "targets": {"staging": {}},
    }


def test_traffic_returns_to_the_former_slot_when_it_holds_the_former_release(site: Site) -> None:
    site.release("ill")
    said = site.run("deploy", "run", "app", code=11)
    assert site.live == "blue"
    assert "blue is unhealthy" not in said


def test_traffic_stays_when_the_former_slot_holds_something_else(site: Site) -> None:
    """Somebody else has deployed there meanwhile: that never passed a gate."""
    site.version("blue").write_text("another\n")
    site.release("ill")
    said = site.run("deploy", "run", "app", code=13)
    assert site.live == "green"
    assert "neither headers nor body contain version" in said


def test_switch_by_hand_takes_the_release_of_the_slot_when_the_project_has_a_newer_release(
    site: Site,
) -> None:
    site.release("two")
    site.run("deploy", "run", "app")
    assert site.live == "green"
    site.release("three")
    site.run("deploy", "switch", "blue", "--reason", "errors since the switch")
    assert site.live == "blue"
