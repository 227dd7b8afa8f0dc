"""Figures of switches through nginx under load, with the same number of reloads side by side.

``python -m tests.slot_figures --switches 200`` switches so often with each kind of load, then
reloads so often without a switch, and prints a table. With ``--by run``, each switch is a `deploy
run` of a new release, with ``--by switch`` a `deploy switch`, and with ``--by adapters`` the router
alone is told. It fails if a request is lost, or answered by a slot that was not its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests import nginx
from tests.app.slots.test_traffic import behind, confirm, switch
from tests.chaos_rollback_job import Forked, preload
from tests.nginx import Nginx
from tests.routers.test_routers import routers
from tests.traffic import Load, load

SLOW_S = 5
Switch = Callable[[str], None]


@dataclass
class Figures:
    """What came of one load."""

    mode: str
    switched: bool
    found: Load
    slow: Load
    settled: list[tuple[float, float, str]] = field(default_factory=list)
    took: list[float] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """Return what must not be."""
        found = self.found
        counts = {
            "failed": len(found.failed) + (len(found.resets) if self.mode == "new" else 0),
            "answered by a wrong slot": len(found.misled(self.settled)),
            "router and service disagree": len(found.disagreeing()),
            "slow ones failed": len([e for e in self.slow.requests if e.status != 200]),
            "slow ones on a wrong slot": len(self.slow.disagreeing()),
        }
        return [f"{self.mode}: {what}: {count}" for what, count in counts.items() if count]

    def __str__(self) -> str:
        """Return a row of the table."""
        ordered = sorted(self.took)
        moments = [end for _, end, _ in self.settled]
        return (
            f"{self.mode:<5} {'switches' if self.switched else 'reloads':<9} {len(self.took):>5}"
            f" {len(self.found.requests):>9} {len(self.found.failed):>7}"
            f" {len(self.found.resets):>7} {len(self.found.misled(self.settled)):>6}"
            f" {len(self.slow.across(moments)):>10}"
            f" {ordered[len(ordered) // 2]:>9.1f} {ordered[-1]:>7.1f}"
        )


HEAD = (
    "load  what      count  requests  failed  resets  wrong  slow ones  median s   max s\n"
    "                                                       under way"
)


@dataclass
class Project:
    """A project whose group is switched by that nginx, and its commands."""

    home: Path
    shop: Nginx

    def prepare(self) -> None:
        """Write it, import it, and deploy a release into each slot."""
        (self.home / "app").mkdir(parents=True)
        status = {"url": self.shop.url, "header": "X-Slot"}
        router = {
            "type": "template",
            "file": str(self.shop.file),
            "content": nginx.CONTENT,
            "reload_command": self.shop.reload_command,
            "status": status,
        }
        slots = {name: {"PORT": str(each.port)} for name, each in self.shop.services.items()}
        check = {
            "type": "http",
            "url": "http://127.0.0.1:{slot:PORT}/",
            "interval": 1,
            "expect_body": "slot={slot}",
        }
        group = {
            "name": "web",
            "deploy_command": "true",
            "health_check": check,
            "blue_green": {"slots": slots, "router": router, "keep_old": 0},
        }
        config = {"groups": [group], "targets": {"t": {}}}
        (self.home / "app/templedb.yaml").write_text(json.dumps(config))
        self.must("project", "import", "app")
        for slot in slots:
            self.deploy(slot)

    def deploy(self, slot: str) -> None:
        """Deploy a new release, which goes to the idle slot."""
        (self.home / "app/version.txt").write_text(f"{time.monotonic_ns()} {slot}\n")
        self.must("deploy", "run", "app")

    def switch(self, slot: str) -> None:
        self.must("deploy", "switch", slot, "--reason", "a figure")

    def must(self, *words: str) -> None:
        """Carry out a command, which must succeed."""
        own = {"HOME": str(self.home), "TEMPLEDB_STATE": str(self.home / "state.duckdb")}
        own |= {"TEMPLEDB_USER": "rosa", "PATH": "/usr/sbin:/usr/bin:/bin"}
        code, said = Forked(words, self.home, own).ended(300)
        if code:
            raise AssertionError(f"{' '.join(words)} ended with {code}: {said[-2000:]}")


def measure(
    shop: Nginx, mode: str, count: int, way: Switch, place: Path, pause_s: float, *, flip: bool
) -> Figures:
    """Switch, or reload, so many times under that load."""
    slots = tuple(shop.services)
    live = shop.get()[1]
    with (
        load(shop.port, mode, place / "requests", pause_s=pause_s) as found,
        load(shop.port, "new", place / "slow", 2, path=f"/slow?s={SLOW_S}") as slow,
    ):
        made = Figures(mode=mode, switched=flip, found=found, slow=slow)
        began = time.monotonic()
        for _ in range(count):
            to = next(each for each in slots if (each == live) is not flip)
            at = time.monotonic()
            made.settled.append((began, at, live))
            if flip:
                way(to)
            else:
                routers().point(behind(shop), to)
                shop.reload()
                confirm(shop, to)
            began, live = time.monotonic(), to
            made.took.append(began - at)
    return made


def main() -> None:
    """Print the table, and fail if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--switches", type=int, default=200)
    parser.add_argument("--by", choices=("adapters", "run", "switch"), default="run")
    parser.add_argument("--load", nargs="+", choices=("new", "keep"), default=["new", "keep"])
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between requests")
    given = parser.parse_args()
    wrong: list[str] = []
    preload()
    print(HEAD, flush=True)
    for mode in given.load:
        resets = {}
        for flip in (True, False):
            with ExitStack() as held:
                place = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="slots-")))
                shop = held.enter_context(nginx.running(place / "nginx"))
                way = _way(given.by, shop, place)
                made = measure(shop, mode, given.switches, way, place, given.pause, flip=flip)
            print(made, flush=True)
            resets[flip] = len(made.found.resets)
            wrong += made.wrong
        if resets[True] > resets[False] * 1.2 + 10:
            wrong.append(f"{mode}: {resets[True]} resets, with reloads alone {resets[False]}")
    print("\n".join(wrong) or "nothing wrong", flush=True)
    sys.exit(1 if wrong else 0)


def _way(by: str, shop: Nginx, place: Path) -> Switch:
    if by == "adapters":
        return lambda slot: switch(shop, slot)
    project = Project(home=place / "home", shop=shop)
    project.prepare()
    return project.deploy if by == "run" else project.switch


if __name__ == "__main__":
    main()
