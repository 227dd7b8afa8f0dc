"""Slots as people see them: cards, tables and Python; who serves is told by words, not by colour."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from templedb_nb import Temple, frame
from templedb_nb.errors import Stale, UsageProblem
from templedb_nb.model.blue_green import BlueGreen, PromoteMode, Router, RouterType, Slot
from templedb_nb.model.slots import (
    GroupSlots,
    RouterReading,
    RouterState,
    SlotRecord,
    SlotsReport,
    SlotState,
)
from templedb_nb.model.switch_step import RoutedGroup, SwitchSlot
from templedb_nb.views import slots as words
from templedb_nb.views.text import text
from tests.app.recovery.test_died import killed
from tests.conftest import Database, Terminal
from tests.views.test_cards import HOSTILE, Outline, card

DEPLOY = """\
mkdir -p {place}/$TEMPLEDB_SLOT
cp page {place}/$TEMPLEDB_SLOT/page
"""


@dataclass
class Site:
    """A site of one file, whose slots are folders and whose router is a link."""

    terminal: Terminal

    @property
    def place(self) -> Path:
        return self.terminal.home / "place"

    @property
    def link(self) -> Path:
        return self.place / "current"

    @property
    def python(self) -> Temple:
        return Temple.open(self.terminal.state)

    def write(self, page: str, **changed: object) -> None:
        self.terminal.file("app/page", f"{page}\n")
        wanted: dict[str, object] = {
            "slots": ["blue", "green"],
            "router": {"type": "symlink", "path": str(self.link), "to": "{slot}"},
            "keep_old": "1h",
            "confirm": 2,
            "retire_command": f"rm -r {self.place}/$TEMPLEDB_SLOT",
            "drain": f"echo $TEMPLEDB_SLOT >> {self.place}/drained",
        }
        check = {
            "type": "command",
            "command": f"grep -q good {self.place}/$TEMPLEDB_SLOT/page",
            "failure_threshold": 1,
        }
        group = {
            "name": "web",
            "deploy_command": DEPLOY.replace("{place}", str(self.place)),
            "health_check": check,
            "blue_green": wanted | changed,
        }
        document = {"groups": [group], "targets": {"prod": {"type": "static_site"}}}
        self.terminal.file("app/templedb.yaml", json.dumps(document))

    def point(self, to: str) -> None:
        """Switch by hand, as somebody does who knows nothing of templedb."""
        self.link.unlink()
        self.link.symlink_to(to)


@pytest.fixture
def site(terminal: Terminal) -> Site:
    made = Site(terminal)
    made.place.mkdir()
    made.write("good 1")
    terminal("project", "import", "app")
    terminal("deploy", "run", "app")
    made.write("good 2")
    return made


def boxes(outline: Outline) -> list[str]:
    """Return the looks of each slot in a card, in order."""
    return [each["class"] or "" for each in outline.all("li") if "tdb-slot" in str(each)]


def test_plan_card_says_what_each_slot_gets_when_a_deployment_switches_slots(site: Site) -> None:
    shown = card(site.python.plan("app"))
    assert "web: traffic goes to blue" in shown.words
    assert "⇒ gets release 2, traffic goes to it" in shown.words
    assert "traffic leaves it, then it is kept for 1h" in shown.words
    assert boxes(shown) == [
        "tdb-slot tdb-slot-serves tdb-slot-live",
        "tdb-slot tdb-slot-then tdb-slot-idle",
    ]
    assert "proof: 2 answers in a row within 1m" in shown.words


def test_plan_card_says_which_slot_traffic_leaves_when_the_plan_is_a_rollback(site: Site) -> None:
    site.python.run("app")
    shown = card(site.python.rollback_plan("app"))
    assert "⇒ traffic goes to it" in shown.words
    assert "traffic leaves it, then it is kept for 1h" in shown.words
    assert boxes(shown) == [
        "tdb-slot tdb-slot-then tdb-slot-warm",
        "tdb-slot tdb-slot-serves tdb-slot-live",
    ]


def test_plan_says_what_each_slot_gets_when_shown_in_a_terminal(site: Site) -> None:
    said = site.terminal("deploy", "run", "app", "--dry-run").out
    assert "gets release 2, traffic goes to it" in said
    assert "traffic leaves it, then it is kept for 1h" in said


def test_run_card_keeps_the_intended_switch_and_the_answers_when_a_run_switched_slots(
    site: Site,
) -> None:
    result = site.python.run("app")
    for value in (result, site.python.show(result.run)):
        shown = card(value)
        assert "traffic is to go from blue to green" in shown.words
        assert "green serves: 2 answers in a row after" in shown.words
        assert "Traffic of web goes to green" in shown.words


def test_slots_card_shows_the_serving_slot_and_the_end_of_the_kept_slot_when_switched(
    site: Site,
) -> None:
    site.python.run("app")
    shown = card(site.python.slots("app"))
    assert "web: traffic goes to green" in shown.words
    assert "green ▶\xa0serves" in shown.words
    assert "warm: it served before".replace(" ", "\xa0") in shown.words
    assert "kept until" in shown.words
    assert "The record is in" in shown.words


def test_slots_card_shows_router_and_record_when_they_disagree(site: Site) -> None:
    site.python.run("app")
    site.point("blue")
    shown = card(site.python.slots("app"))
    assert "traffic goes to blue; the record says that green serves" in shown.words
    assert "▶ serves by the router; the record says warm" in shown.words
    assert "✗ serves by the record, not by the router" in shown.words
    assert "%templedb deploy switch SLOT --target prod --reason WHY" in shown.words
    assert boxes(shown)[0] == "tdb-slot tdb-slot-serves tdb-slot-warm"
    plan = card(site.python.plan("app"))
    assert "the router names blue, and the record says that green serves" in plan.words


def test_slots_card_says_so_when_the_router_does_not_name_a_slot(site: Site) -> None:
    site.point("elsewhere")
    shown = card(site.python.slots("app"))
    assert "names none of the slots" in shown.words
    assert not any("tdb-slot-serves" in each for each in boxes(shown))


def test_slots_card_marks_the_dirty_slot_with_a_word_when_a_deployment_failed(site: Site) -> None:
    site.write("broken")
    assert site.python.run("app").exit_code == 12
    shown = card(site.python.slots("app"))
    assert "green !\xa0dirty" in shown.words
    assert "a deployment into it did not succeed" in shown.words


def test_slots_frame_has_a_row_for_each_slot_with_proper_types_when_switched(site: Site) -> None:
    site.python.run("app")
    made = frame(site.python.slots("app"))
    assert list(made["slot"]) == ["blue", "green"]
    assert list(made["serves"]) == [False, True]
    assert list(made["state"]) == ["warm", "live"]
    assert str(made["since"].dtype) == str(made["kept_until"].dtype) == "datetime64[us, UTC]"
    assert made["kept_until"].isna().tolist() == [False, True]
    assert str(made["release"].dtype) == "Int64"
    assert made.attrs == {"templedb": "Slots", "project": "app", "target": "prod"}


def test_switch_back_needs_a_reason_when_made_from_python(site: Site) -> None:
    temple = site.python
    temple.run("app")
    with pytest.raises(UsageProblem, match="needs a reason"):
        temple.switch("blue", "app", reason=" ")
    assert temple.switch_plan("blue", "app").plan.steps[0].title == (
        "switch traffic from green to blue"
    )
    result = temple.switch("blue", "app", reason="errors since the switch")
    assert str(site.link.readlink()) == "blue"
    assert "errors since the switch" in card(result).words


def test_kept_slot_is_overwritten_only_with_discard_old_when_run_from_python(site: Site) -> None:
    temple = site.python
    temple.run("app")
    site.write("good 3")
    assert any("keeps the previous release" in each.message for each in temple.plan("app").findings)
    assert temple.run("app", discard_old=True).exit_code == 0
    assert str(site.link.readlink()) == "blue"


def test_run_goes_on_and_names_the_person_when_a_person_says_go(site: Site) -> None:
    site.write("good 2", promote="manual")
    temple = site.python
    plan = temple.plan("app")
    assert "once a person says go, traffic goes to it" in card(plan).words
    waits = temple.run("app")
    assert waits.exit_code == 20
    assert "green is ready, and traffic stays on blue" in card(waits).words
    result = temple.switch("green", "app", reason="looked at it")
    assert result.exit_code == 0, text(result)
    assert "traffic is to go from blue to green: looked at it (rosa)" in card(result).words


def test_resumed_run_stops_nothing_it_has_deployed_when_killed_before_the_switch(
    site: Site,
) -> None:
    killed(site.terminal, "switch.intended", "deploy", "run", "app")
    said = site.terminal("deploy", "resume", "app").out
    assert "rm -r" not in "".join(line for line in said.splitlines() if "done" in line)
    assert (site.place / "current" / "page").read_text() == "good 2\n"


def test_plan_is_stale_when_made_before_somebody_switched(site: Site) -> None:
    temple = site.python
    temple.run("app")
    site.write("good 3")
    made = temple.plan("app", discard_old=True)
    site.point("blue")
    with pytest.raises(Stale, match="the plan was made while green served"):
        temple.run(plan=made)


def hostile(state: RouterState) -> SlotsReport:
    """Return slots whose texts would be markup, if they were not escaped."""
    at = datetime(2026, 11, 23, 13, 2, 5, tzinfo=UTC)
    record = SlotRecord(group=HOSTILE, slot="blue", state=SlotState.WARM, run="r" * 36, since=at)
    reading = RouterReading(state=state, message=HOSTILE, written="green")
    now = GroupSlots(group=HOSTILE, names=("blue", "green"), reading=reading, records=(record,))
    return SlotsReport(slug="app", target="prod", groups=(now,))  # type: ignore[arg-type]


@pytest.mark.parametrize("state", RouterState)
def test_slots_card_is_complete_when_a_router_answer_is_hostile(state: RouterState) -> None:
    shown = card(hostile(state))
    assert len(boxes(shown)) == 2
    assert "\x1b" not in text(hostile(state))


def test_switch_proof_is_a_single_answer_when_the_config_asks_for_one() -> None:
    router = Router(type=RouterType.SYMLINK, path="current", to="{slot}")
    wanted = BlueGreen(
        slots=(Slot(name="a"), Slot(name="b")), router=router, confirm=1, promote=PromoteMode.MANUAL
    )
    step = SwitchSlot(
        routed=RoutedGroup(group="web", blue_green=wanted), live="a", to="b", gate=(), waits=True
    )
    assert words.proof(step) == "1 answer within 1m; a person must approve the switch"


def test_status_shows_the_recorded_slots_without_asking_the_router_when_they_disagree(
    site: Site,
) -> None:
    site.python.run("app")
    site.point("blue")
    shown = card(site.python.status("app"))
    assert "prod, web: slots by the record" in shown.words
    assert "green ▶\xa0serves" in shown.words
    assert boxes(shown) == ["tdb-slot tdb-slot-warm", "tdb-slot tdb-slot-serves tdb-slot-live"]
    assert "web: blue warm, green live" in site.terminal("status", "app").out
    assert frame(site.python.status("app"))["slots"].tolist() == ["web: blue warm, green live"]


def test_status_reads_the_slot_record_in_the_ledger_when_the_target_has_a_database(
    site: Site, pg: Database
) -> None:
    site.terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", "prod")
    site.terminal.file("app/migrations/001_one.sql", "CREATE TABLE one (id int);\n")
    document = json.loads((site.terminal.home / "app" / "templedb.yaml").read_text())
    group = {"name": "migrations", "order": 0, "file_patterns": ["migrations/*.sql"]}
    document["groups"] = [group, {**document["groups"][0], "order": 1}]
    site.terminal.file("app/templedb.yaml", json.dumps(document))
    site.link.unlink()
    site.terminal("deploy", "run", "app")
    assert "web: blue live, green idle" in site.terminal("status", "app").out
    assert "the ledger of DATABASE_URL" in card(site.python.slots("app")).words
