"""Blue-green: deployed into a slot that serves nobody, and switched once the router says so."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from templedb_nb import Temple
from templedb_nb.views.html import bundle
from tests.app.deploy.test_locks import until
from tests.app.recovery.test_died import killed, newest
from tests.conftest import Database, Said, Terminal
from tests.notification_servers import hook
from tests.slot_service import PROGRAM

DEPLOY = """\
set -eu
echo "$TEMPLEDB_SLOT $(readlink {link} || echo none) $(cat version)" >> {log}
folder={place}/$TEMPLEDB_SLOT
mkdir -p $folder
rm -f $folder/ill
if [ -f $folder/pid ]; then kill $(cat $folder/pid) 2>/dev/null && wait-gone $(cat $folder/pid); fi
cp version $folder/version
[ -f ill ] && touch $folder/ill
setsid -f {python} -S {program} $TEMPLEDB_SLOT $PORT $folder </dev/null >/dev/null 2>&1
for _ in $(seq 100); do
  {python} -S -c "import socket; socket.create_connection(('127.0.0.1', $PORT)).close()" 2>/dev/null && break
done
pgrep -f "slot_service.py $TEMPLEDB_SLOT $PORT" > $folder/pid
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Slots:
    """A project with one group that is switched between two slots by a link."""

    terminal: Terminal
    blue_green: dict[str, Any] = field(default_factory=dict)
    group: dict[str, Any] = field(default_factory=dict)
    more: tuple[dict[str, Any], ...] = ()
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))

    @property
    def place(self) -> Path:
        return self.terminal.home / "place"

    @property
    def link(self) -> Path:
        return self.place / "current"

    @property
    def serves(self) -> str:
        return str(self.link.readlink()) if self.link.is_symlink() else ""

    @property
    def deployed(self) -> list[str]:
        """Return slot, live slot and version of each deployment, in order."""
        log = self.place / "log"
        return log.read_text().splitlines() if log.exists() else []

    def write(self, **changed: Any) -> None:
        """Write the project's files, with other keys of blue_green."""
        self.place.mkdir(exist_ok=True)
        facts = {
            "link": self.link,
            "log": self.place / "log",
            "place": self.place,
            "python": sys.executable,
            "program": PROGRAM,
        }
        text = DEPLOY
        for name, value in facts.items():
            text = text.replace(f"{{{name}}}", str(value))
        text = text.replace("wait-gone", "tail -f /dev/null --pid")
        self.terminal.file("app/deploy-slot", text)
        blue, green = self.ports
        wanted = {
            "slots": {"blue": {"PORT": str(blue)}, "green": {"PORT": str(green)}},
            "router": {"type": "symlink", "path": str(self.link), "to": "{slot}"},
            "keep_old": "1h",
            "switch_timeout": "5s",
        }
        check = {
            "type": "http",
            "url": "http://127.0.0.1:{slot:PORT}/",
            "interval": 1,
            "deadline": 8,
            "timeout": 5,
            "failure_threshold": 1,
        }
        group = {
            "name": "web",
            "deploy_command": "bash deploy-slot",
            "health_check": check,
            "blue_green": wanted | self.blue_green | changed,
        }
        groups = [*self.more, group | self.group]
        document = {"groups": groups, "targets": {"prod": {"type": "service"}}}
        self.terminal.file("app/templedb.yaml", json.dumps(document))

    def version(self, name: str, *, ill: bool = False) -> None:
        self.terminal.file("app/version", f"{name}\n")
        flag = self.terminal.home / "app" / "ill"
        flag.unlink(missing_ok=True)
        if ill:
            flag.write_text("")

    def deploy(self, name: str = "", *words: str, code: int | None = 0, ill: bool = False) -> Said:
        if name:
            self.version(name, ill=ill)
        return self.terminal("deploy", "run", "app", *words, code=code)

    def switch(self, slot: str, *words: str, code: int | None = 0) -> Said:
        return self.terminal(
            "deploy", "switch", "app", slot, "--reason", "looked", *words, code=code
        )

    def slots(self) -> dict[str, dict[str, Any]]:
        """Return what is recorded of each slot that was used."""
        (group,) = self.terminal("deploy", "slots", "app", "--json").json[-1]["groups"]
        assert group["reading"]["slot"] == self.serves
        return {each["slot"]: each for each in group["records"]}

    def states(self) -> dict[str, str]:
        return {name: each["state"] for name, each in self.slots().items()}

    def end(self) -> None:
        for pid in self.place.glob("*/pid"):
            for word in pid.read_text().split():
                with suppress(ProcessLookupError):
                    os.kill(int(word), signal.SIGKILL)


@pytest.fixture
def slots(terminal: Terminal) -> Iterator[Slots]:
    made = Slots(terminal)
    made.write()
    made.version("v1")
    terminal("project", "import", "app")
    yield made
    made.end()


@pytest.fixture(params=["none", "duckdb", "postgresql"])
def anywhere(slots: Slots, request: pytest.FixtureRequest) -> Slots:
    """Return the slots on a target without a database, with a file, and with a server."""
    address = ""
    if request.param == "duckdb":
        address = f"duckdb:{slots.terminal.home / 'target.duckdb'}"
    if request.param == "postgresql":
        pg: Database = request.getfixturevalue("pg")
        address = pg.dsn
    if address:
        slots.terminal("env", "set", "app", "DATABASE_URL", address, "--target", "prod")
    return slots


def test_release_goes_into_the_idle_slot_and_serves_when_the_router_names_that_slot(
    anywhere: Slots,
) -> None:
    first = anywhere.deploy()
    assert "blue serves: 5 answers in a row" in first.out
    assert anywhere.states() == {"blue": "live"}
    second = anywhere.deploy("v2")
    assert "traffic is to go from blue to green" in second.out
    assert anywhere.serves == "green"
    assert anywhere.deployed == ["blue none v1", "green blue v2"]
    found = anywhere.slots()
    assert {name: each["state"] for name, each in found.items()} == {
        "blue": "warm",
        "green": "live",
    }
    assert [found["blue"]["release"], found["green"]["release"]] == [1, 2]
    assert found["green"]["run"] == newest(anywhere.terminal)["run"]


def test_kept_slot_is_not_overwritten_when_nobody_asked_to_discard_the_old_release(
    slots: Slots,
) -> None:
    slots.deploy()
    slots.deploy("v2")
    refused = slots.deploy("v3", code=78)
    assert "blue keeps the previous release until" in refused.err
    assert "--discard-old" in refused.err
    assert len(slots.deployed) == 2
    slots.deploy("", "--discard-old")
    assert slots.deployed[-1] == "blue green v3"


def test_rollback_is_a_switch_without_a_deployment_when_the_older_slot_is_kept(
    anywhere: Slots,
) -> None:
    anywhere.deploy()
    anywhere.deploy("v2")
    said = anywhere.terminal("deploy", "rollback", "app")
    assert "traffic is to go from green to blue" in said.out
    assert len(anywhere.deployed) == 2
    assert anywhere.states() == {"blue": "live", "green": "warm"}
    assert newest(anywhere.terminal)["run_kind"] == "rollback"


def test_release_never_gets_traffic_when_it_is_unhealthy(slots: Slots) -> None:
    slots.deploy()
    said = slots.deploy("bad", code=12, ill=True)
    assert "traffic is to go" not in said.out
    assert slots.serves == "blue"
    assert slots.states() == {"blue": "live", "green": "dirty"}
    slots.deploy("v2")
    assert slots.deployed[1:] == ["green blue bad", "green blue v2"]
    assert slots.serves == "green"


def test_traffic_is_switched_back_when_the_soak_is_breached(slots: Slots) -> None:
    slots.deploy()
    slots.write(soak="1h", drain=f"touch {slots.place}/green/ill")
    said = slots.deploy("v2", code=11)
    assert "traffic is back on blue" in said.out + said.err
    assert slots.serves == "blue"
    assert slots.states() == {"blue": "live", "green": "dirty"}
    row = newest(slots.terminal)
    assert (row["outcome"], row["exit_code"]) == ("failed", 11)


def test_traffic_stays_on_the_new_slot_when_the_soak_is_breached_and_the_old_slot_is_unhealthy(
    slots: Slots,
) -> None:
    ill = f"touch {slots.place}/green/ill {slots.place}/blue/ill"
    slots.deploy()
    slots.write(soak="1h", drain=ill)
    said = slots.deploy("v2", code=13)
    assert "blue is unhealthy, too" in said.out + said.err
    assert slots.serves == "green"
    assert newest(slots.terminal)["outcome"] == "unknown"
    (slots.place / "blue" / "ill").unlink()
    slots.switch("blue")
    assert slots.serves == "blue"


@pytest.mark.parametrize(
    "place",
    ["switch.intended", "switch.pointed", "switch.redirected", "switch.confirmed", "switch.done"],
)
def test_switch_is_told_by_the_router_and_resumed_when_its_run_was_killed(
    anywhere: Slots, place: str
) -> None:
    drained = anywhere.place / "drained"
    anywhere.write(drain=f"echo $TEMPLEDB_SLOT >> {drained}")
    anywhere.deploy()
    anywhere.version("v2")
    killed(anywhere.terminal, place, "deploy", "run", "app")
    over = anywhere.serves == "green"
    assert over == (place != "switch.intended")
    row = newest(anywhere.terminal)
    assert (row["outcome"], row["exit_code"]) == ("failed", 12)
    assert f"the router names {anywhere.serves}" in row["message"]
    anywhere.terminal("deploy", "resume", "app")
    assert anywhere.serves == "green"
    assert anywhere.states() == {"blue": "warm", "green": "live"}
    assert len(anywhere.deployed) == 2
    assert drained.read_text() == "blue\n"


def test_new_deployment_does_not_go_into_the_live_slot_when_the_last_switch_was_killed(
    anywhere: Slots,
) -> None:
    anywhere.write(keep_old=0)
    anywhere.deploy()
    anywhere.version("v2")
    killed(anywhere.terminal, "switch.redirected", "deploy", "run", "app")
    anywhere.deploy("v3")
    assert anywhere.deployed == ["blue none v1", "green blue v2", "blue green v3"]
    assert anywhere.serves == "blue"


@pytest.mark.parametrize("place", ["slot.used", "command.recorded", "command.ran"])
def test_next_deployment_needs_nobody_to_look_when_a_deployment_into_a_slot_was_killed(
    anywhere: Slots, place: str
) -> None:
    anywhere.deploy()
    anywhere.version("v2")
    killed(anywhere.terminal, place, "deploy", "run", "app")
    row = newest(anywhere.terminal)
    assert (row["outcome"], row["exit_code"]) == ("failed", 12)
    assert "slot green is not clean" in row["message"]
    anywhere.deploy("v3")
    assert anywhere.deployed[-1] == "green blue v3"
    assert anywhere.serves == "green"


def test_deployment_is_refused_until_a_person_decides_when_a_switch_was_foreign(
    anywhere: Slots,
) -> None:
    anywhere.write(keep_old=0)
    anywhere.deploy()
    anywhere.deploy("v2")
    anywhere.link.unlink()
    anywhere.link.symlink_to("blue")
    refused = anywhere.deploy("v3", code=78)
    assert "the router names blue, and the record says that green serves" in refused.err
    anywhere.switch("green")
    assert anywhere.serves == "green"
    anywhere.link.unlink()
    anywhere.link.symlink_to("blue")
    anywhere.switch("blue")
    assert anywhere.serves == "blue"
    assert anywhere.states()["blue"] == "live"
    anywhere.deploy("v4")
    assert anywhere.deployed[-1] == "green blue v4"


def test_plan_is_stale_when_a_foreign_switch_came_after_it(slots: Slots) -> None:
    slots.write(keep_old=0)
    slots.deploy()
    slots.deploy("v2")
    slots.version("v3")
    plan = slots.terminal("deploy", "plan", "app", "--json").json[-1]["plan_id"]
    slots.link.unlink()
    slots.link.symlink_to("blue")
    said = slots.terminal("deploy", "run", "--plan", plan, code=22)
    assert "the plan was made while green served" in said.err
    assert len(slots.deployed) == 2


def test_run_waits_for_a_person_when_promotion_is_manual(anywhere: Slots) -> None:
    anywhere.write(promote="manual")
    first = anywhere.deploy(code=20)
    assert "a person must approve the switch" in first.out + first.err
    assert "templedb deploy switch blue" in first.out + first.err
    assert anywhere.serves == ""
    said = anywhere.switch("blue")
    assert "blue serves" in said.out
    assert anywhere.serves == "blue"
    assert len(anywhere.deployed) == 1
    events = anywhere.terminal(
        "sql", "SELECT body FROM events WHERE kind = 'switch_intended'", "--json"
    ).json[-1]["rows"]
    assert '"reason":"looked"' in str(events[-1][0]).replace(" ", "")


def test_run_is_not_called_failed_when_it_waits_for_a_person(slots: Slots) -> None:
    slots.write(promote="manual")
    said = slots.deploy("v1", code=20)
    shown = slots.terminal("deploy", "show", newest(slots.terminal)["run"])
    listed = slots.terminal("deploy", "history", "app")
    for each in (said, shown, listed):
        assert "waits" in each.out
        assert "failed" not in each.out.lower()
    run = Temple.open(slots.terminal.state).show(newest(slots.terminal)["run"])
    card = str(bundle(run)["text/html"])
    assert "Step 3 of 3 waits for a person" in card
    assert "failed" not in card.lower()


def test_waiting_run_goes_on_when_a_migration_was_marked_applied_meanwhile(
    slots: Slots, pg: Database
) -> None:
    slots.more = ({"name": "migrations", "file_patterns": ["migrations/*.sql"]},)
    slots.write(promote="manual")
    slots.terminal.file("app/migrations/001.sql", "CREATE TABLE a (id int);")
    slots.terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", "prod")
    slots.deploy("v1", code=20)
    slots.switch("blue")
    slots.deploy("v2", code=20)
    waiting = newest(slots.terminal)["run"]
    slots.terminal.file("app/migrations/002.sql", "CREATE TABLE b (id int);")
    slots.terminal("project", "sync", "app")
    slots.terminal("migration", "mark-applied", "app", "002", "--reason", "made by hand")
    said = slots.switch("green")
    assert slots.serves == "green"
    assert "web/http" in said.text
    assert newest(slots.terminal)["plan"] == plan_of(slots, waiting)


def plan_of(slots: Slots, run: str) -> str:
    rows = slots.terminal("deploy", "history", "app", "--json").json[-1]["rows"]
    return str(next(row["plan"] for row in rows if row["run"] == run))


def test_switch_by_hand_is_refused_when_nothing_in_the_slot_proved_healthy(slots: Slots) -> None:
    slots.deploy()
    slots.deploy("bad", code=12, ill=True)
    said = slots.switch("green", code=78)
    assert "did not get as far as a healthy gate" in said.err
    assert slots.serves == "blue"
    unknown = slots.switch("gren", code=64)
    assert "green" in unknown.err


def test_retired_slot_is_stopped_when_it_is_no_longer_kept(slots: Slots) -> None:
    slots.write(retire_command="kill $(cat " + str(slots.place) + "/$TEMPLEDB_SLOT/pid)")
    slots.deploy()
    slots.deploy("v2")
    refused = slots.terminal("deploy", "slots", "app", "--retire", code=64)
    assert "keeps the previous release" in refused.err
    slots.terminal("deploy", "slots", "app", "--retire", "--discard-old")
    assert slots.states() == {"blue": "idle", "green": "live"}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", slots.ports[0]))
    again = slots.terminal("deploy", "slots", "app", "--retire", code=64)
    assert "there is nothing for --retire to stop" in again.err
    slots.deploy("v3")
    assert slots.deployed[-1] == "blue green v3"


def test_clean_stops_the_slot_when_a_failed_deployment_left_something_running(slots: Slots) -> None:
    slots.write(retire_command="kill $(cat " + str(slots.place) + "/$TEMPLEDB_SLOT/pid)")
    slots.deploy()
    slots.deploy("bad", code=12, ill=True)
    slots.terminal("deploy", "slots", "app", "--clean", "--slot", "green")
    assert slots.states() == {"blue": "live", "green": "idle"}


def test_deployment_is_refused_when_a_migration_before_the_switch_breaks_older_code(
    slots: Slots, pg: Database
) -> None:
    slots.more = (
        {"name": "db", "kind": "migrations", "order": 0, "file_patterns": ["migrations/*.sql"]},
    )
    slots.group = {"order": 1}
    slots.write()
    slots.terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", "prod")
    slots.terminal.file("app/migrations/1.sql", "CREATE TABLE a (id int, old int);\n")
    slots.deploy()
    slots.terminal.file("app/migrations/2.sql", "ALTER TABLE a DROP COLUMN old;\n")
    refused = slots.deploy("v2", code=78)
    assert "breaks older code" in refused.err
    assert "web serves by older code until the switch" in refused.err
    assert pg.query("SELECT count(*) FROM information_schema.columns WHERE table_name = 'a'") == [
        (2,)
    ]
    slots.terminal.file("app/migrations/2.sql", "ALTER TABLE a ADD COLUMN new int;\n")
    slots.deploy("v2")
    assert slots.serves == "green"
    slots.terminal.file("app/migrations/3.sql", "ALTER TABLE a DROP COLUMN old;\n")
    kept = slots.deploy("", "--skip-group", "web", code=78)
    assert "a slot is kept to go back to" in kept.err
    slots.deploy("", "--skip-group", "web", "--discard-old")


def test_traffic_stays_on_its_slot_when_the_undrain_command_fails(slots: Slots) -> None:
    slots.deploy()
    slots.write(undrain="exit 3")
    said = slots.deploy("v2", code=12)
    assert "undrain of green exited with 3" in said.out + said.err
    assert slots.serves == "blue"


def test_run_succeeds_with_a_warning_when_the_drain_command_fails(slots: Slots) -> None:
    slots.deploy()
    slots.write(drain="exit 3")
    said = slots.deploy("v2")
    assert "1 warning" in said.out
    assert slots.serves == "green"


def test_traffic_and_record_stay_as_they_were_when_the_switch_command_fails(slots: Slots) -> None:
    state = slots.place / "goes-to"
    status = {"command": f"cat {state}"}
    switch = f"[ -f {slots.place}/broken ] && exit 4; echo $TEMPLEDB_TO_SLOT > {state}"
    router = {"type": "command", "switch_command": switch, "status": status}
    state.write_text("blue\n")
    slots.write(router=router)
    slots.terminal("project", "sync", "app")
    slots.switch("blue")
    slots.link.symlink_to("blue")
    (slots.place / "broken").write_text("")
    said = slots.deploy("v2", code=12)
    assert "the router's command exited with 4" in said.out + said.err
    assert state.read_text() == "blue\n"
    assert slots.states() == {"blue": "live", "green": "dirty"}
    (slots.place / "broken").unlink()
    slots.deploy("v3")
    assert state.read_text() == "green\n"


def test_router_is_told_to_stay_when_its_command_failed_and_would_switch_later(
    slots: Slots,
) -> None:
    """It took the wish in, failed, and carries it out between two answers of many."""
    state, wish, asked = (slots.place / name for name in ("goes-to", "wish", "asked"))
    switch = f"echo $TEMPLEDB_TO_SLOT > {wish}; [ ! -f {slots.place}/broken ]"
    later = f"[ $(wc -l < {asked}) -lt 12 ] || cp {wish} {state}"
    status = {"command": f"echo >> {asked}; {later}; cat {state}"}
    router = {"type": "command", "switch_command": switch, "status": status}
    for each in (state, wish):
        each.write_text("blue\n")
    slots.write(router=router)
    slots.terminal("project", "sync", "app")
    slots.switch("blue")
    slots.link.symlink_to("blue")
    (slots.place / "broken").write_text("")
    asked.write_text("")
    slots.deploy("v2", code=12)
    asked.write_text("\n" * 12)
    assert slots.states() == {"blue": "live", "green": "dirty"}


def behind_file(slots: Slots) -> tuple[Path, Path]:
    """Put the slots behind a file and what loads it, and kill a switch between the two."""
    conf, loaded = slots.place / "conf", slots.place / "loaded"
    router = {
        "type": "template",
        "file": str(conf),
        "content": "goes to {slot}\n",
        "reload_command": f"cp {conf} {loaded}",
        "status": {"command": f"sed 's/goes to //' {loaded}"},
    }
    slots.write(router=router, keep_old=0)
    for each in (conf, loaded):
        each.write_text("goes to blue\n")
    slots.terminal("project", "sync", "app")
    slots.switch("blue")
    slots.link.symlink_to("blue")
    slots.version("v2")
    killed(slots.terminal, "switch.pointed", "deploy", "run", "app")
    assert (conf.read_text(), loaded.read_text()) == ("goes to green\n", "goes to blue\n")
    return conf, loaded


def test_deployment_is_refused_when_the_router_file_names_another_slot_than_the_router(
    slots: Slots,
) -> None:
    _, loaded = behind_file(slots)
    refused = slots.deploy("v3", code=78)
    assert "blue serves, but the router's file names green" in refused.err
    slots.terminal("deploy", "resume", "app")
    assert loaded.read_text() == "goes to green\n"


def test_refusals_name_the_switch_by_hand_when_the_router_names_no_slot_after_a_killed_switch(
    slots: Slots,
) -> None:
    """Neither of them may name the other: deploy run and deploy resume are both refused."""
    conf, loaded = behind_file(slots)
    slots.deploy("v3", code=78)
    for each in (conf, loaded):
        each.write_text("goes to purple\n")
    refused = slots.deploy("v3", code=78)
    assert "the router names none of its slots" in refused.err
    assert "deploy resume" not in refused.err
    resumed = slots.terminal("deploy", "resume", "app", code=22)
    for said in (refused, resumed):
        assert "templedb deploy switch SLOT --target prod --reason WHY" in said.err
    slots.switch("green")
    assert (conf.read_text(), loaded.read_text()) == ("goes to green\n", "goes to green\n")
    slots.deploy("v4")
    assert loaded.read_text() == "goes to blue\n"


def test_router_file_is_written_for_the_answering_slot_when_a_person_switches_to_that_slot(
    slots: Slots,
) -> None:
    conf, loaded = behind_file(slots)
    slots.switch("blue")
    assert (conf.read_text(), loaded.read_text()) == ("goes to blue\n", "goes to blue\n")
    assert slots.states() == {"blue": "live", "green": "dirty"}


def test_secret_is_masked_when_a_slot_command_prints_it(slots: Slots) -> None:
    slots.terminal("env", "set", "app", "TOKEN", "hunter2-hunter2", "--target", "prod")
    slots.write(drain="echo token $TOKEN", undrain="echo token $TOKEN")
    slots.group = {"required_env_vars": ["TOKEN"]}
    slots.deploy()
    said = slots.deploy("v2")
    assert "hunter2" not in said.out + said.err
    assert "token ***" in said.out


def test_retire_command_runs_before_the_next_deployment_when_something_runs_in_the_slot(
    slots: Slots,
) -> None:
    stopped = slots.place / "stopped"
    slots.write(keep_old=0, retire_command=f"echo $TEMPLEDB_SLOT >> {stopped}")
    first = slots.deploy()
    assert "nothing runs in blue" in first.out
    slots.deploy("v2")
    assert not stopped.exists()
    slots.deploy("v3")
    assert stopped.read_text() == "blue\n"


def test_rollback_is_a_switch_when_a_later_group_fails_after_the_switch(slots: Slots) -> None:
    last = {"name": "last", "order": 9, "deploy_command": "[ ! -f broken ]"}
    slots.more, slots.group = (last,), {"order": 1}
    slots.write(keep_old=0)
    document = json.loads((slots.terminal.home / "app/templedb.yaml").read_text())
    slots.terminal.file("app/templedb.yaml", json.dumps(document | {"on_failure": "rollback"}))
    slots.deploy()
    slots.terminal.file("app/broken", "")
    said = slots.deploy("v2", code=11)
    assert "traffic is to go from green to blue" in said.out
    assert slots.serves == "blue"
    assert len(slots.deployed) == 2
    (slots.terminal.home / "app/broken").unlink()
    slots.deploy("v3")
    assert slots.serves == "green"


def test_traffic_stays_on_its_slot_when_the_switch_of_a_rollback_fails(slots: Slots) -> None:
    state, broken = slots.place / "goes-to", slots.place / "broken"
    switch = f"[ ! -f {broken} ] && echo $TEMPLEDB_TO_SLOT > {state}"
    status = {"command": f"cat {state}"}
    state.write_text("blue\n")
    slots.write(router={"type": "command", "switch_command": switch, "status": status}, keep_old=0)
    slots.deploy()
    slots.deploy("v2")
    assert state.read_text() == "blue\n"
    broken.write_text("")
    failed = slots.terminal("deploy", "rollback", "app", code=10)
    assert "the router's command exited with 1; blue serves" in failed.out + failed.err
    assert state.read_text() == "blue\n"


def test_deployment_is_refused_when_another_state_works_on_the_slots_of_the_same_router(
    slots: Slots,
) -> None:
    slots.write(keep_old=0)
    slots.deploy()
    slots.group = {"deploy_command": f"touch {slots.place}/begun; sleep 300"}
    slots.write(keep_old=0)
    first = slots.terminal.process("deploy", "run", "app")
    until((slots.place / "begun").exists)
    slots.group = {}
    slots.write(keep_old=0)
    state = os.environ["TEMPLEDB_STATE"]
    slots.terminal.set(TEMPLEDB_STATE=str(slots.terminal.home / "other" / "state.duckdb"))
    slots.terminal("project", "import", "app")
    said = slots.deploy("v2", "--lock-wait", "1s", code=None)
    slots.terminal.set(TEMPLEDB_STATE=state)
    assert said.code != 0
    assert "another run holds" in said.out + said.err
    assert len(slots.deployed) == 1
    first.send_signal(signal.SIGKILL)
    first.communicate()


def test_run_does_not_take_the_switch_for_its_own_when_a_foreign_switch_names_the_new_slot(
    slots: Slots,
) -> None:
    slots.deploy()
    link = slots.link
    slots.group = {"post_deploy": [f"ln -sfn green {link}"]}
    slots.write(promote="manual")
    said = slots.deploy("v2", code=12)
    assert "but the router names green" in said.out + said.err
    assert slots.states()["green"] == "dirty"
    slots.switch("green")
    assert slots.states() == {"blue": "warm", "green": "live"}


@pytest.mark.parametrize("place", ["switch.intended", "switch.pointed", "switch.confirmed"])
def test_unhealthy_slot_is_not_kept_when_the_switch_back_was_killed(
    anywhere: Slots, place: str
) -> None:
    anywhere.deploy()
    anywhere.write(soak="1h", drain=f"touch {anywhere.place}/green/ill")
    anywhere.version("v2")
    killed(anywhere.terminal, f"{place}@2", "deploy", "run", "app")
    over = anywhere.serves == "blue"
    assert over == (place != "switch.intended")
    states = anywhere.states()
    assert states[anywhere.serves] == "live"
    assert states["green"] == ("dirty" if over else "live")
    anywhere.write(soak=0, drain=":")
    if not over:
        anywhere.switch("blue")
    anywhere.deploy("v3", "--discard-old")
    assert anywhere.deployed[-1] == "green blue v3"
    assert anywhere.serves == "green"


def test_run_is_not_counted_as_a_failed_deployment_when_it_waits_for_a_person(slots: Slots) -> None:
    slots.write(promote="manual")
    slots.deploy(code=20)
    sql = "SELECT count(*), count(*) FILTER (failed) FROM history.deployments"
    assert slots.terminal("sql", sql, "--json").json[-1]["rows"] == [[0, 0]]
    slots.switch("blue")
    assert slots.terminal("sql", sql, "--json").json[-1]["rows"] == [[1, 0]]


def test_receivers_hear_of_switches_and_of_what_waits_when_promotion_is_manual(
    slots: Slots,
) -> None:
    slots.write(promote="manual")
    with hook() as server:
        slots.terminal("notify", "add", "ops", "webhook", server.url, "--event", "*")
        slots.deploy(code=20)
        first = [got for got in server.got if not got.event["data"]["kind"].startswith("plan.")]
        assert [got.event["data"]["kind"] for got in first] == ["run.started", "approval.requested"]
        told = first[-1].event["data"]
        assert told["title"] == "[prod] app waits for a person before it switches traffic"
        assert "templedb deploy switch blue" in told["command"]
        before = len(server.got)
        slots.switch("blue")
        assert server.kinds()[before:] == [
            "run.started",
            "switch.intent",
            "switch.done",
            "run.succeeded",
        ]
        assert server.got[before + 1].event["data"]["message"] == "rosa: looked"


def test_receivers_hear_that_traffic_is_back_when_the_soak_is_breached(slots: Slots) -> None:
    slots.deploy()
    slots.write(soak="1h", drain=f"touch {slots.place}/green/ill")
    with hook() as server:
        slots.terminal("notify", "add", "ops", "webhook", server.url)
        slots.deploy("v2", code=11)
    assert server.got[-1].event["data"]["title"] == "[prod] app failed (traffic is back)"


def test_run_is_refused_and_names_the_library_when_the_router_status_is_a_url(slots: Slots) -> None:
    status = {"url": "http://127.0.0.1:1/", "header": "X-Slot"}
    slots.write(router={"type": "command", "switch_command": ":", "status": status})
    without = slots.terminal.file(
        "without.py",
        "import importlib.util as u\n"
        "found = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'urllib3' else found(name, *more)\n"
        "from templedb_nb.__main__ import main\n"
        "main()\n",
    )
    slots.group = {"health_check": {"type": "command", "command": "true"}}
    slots.write(router={"type": "command", "switch_command": ":", "status": status})
    run = subprocess.run(
        [sys.executable, str(without), "deploy", "run", "app"],
        cwd=slots.terminal.home,
        env={**os.environ, **slots.terminal.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 78, run.stderr
    assert "pip install 'templedb-nb[health]'" in run.stderr


def test_router_is_refused_when_its_content_holds_a_password(slots: Slots) -> None:
    router = {
        "type": "template",
        "file": str(slots.place / "conf"),
        "content": "proxy_pass http://app:s3cr3t-word@127.0.0.1/{slot};\n",
        "reload_command": ":",
        "status": {"command": "echo blue"},
    }
    slots.write(router=router)
    said = slots.deploy(code=78)
    assert "blue_green.router.content: contains a password" in said.err
    assert "s3cr3t-word" not in said.out + said.err


def test_slot_is_refused_when_one_of_its_values_holds_a_password(slots: Slots) -> None:
    url = "postgresql://app:s3cr3t-word@127.0.0.1/app"
    blue, green = ({"PORT": str(port), "URL": url} for port in slots.ports)
    slots.write(slots={"blue": blue, "green": green})
    said = slots.deploy(code=78)
    assert "blue_green.slots.blue.URL: contains a password" in said.err
    assert "s3cr3t-word" not in said.out + said.err
