"""The gate before a protected target, in real front ends: decided by buttons, and from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.front import KINDS, NARROW, PATIENCE_MS, Front, Kind, front, picture
from tests.browser.jupyter import KERNEL, THEMES, Server
from tests.browser.place import Place
from tests.browser.reading import cut_off, pale

CELLS = {
    "load": "%load_ext templedb_nb\n%templedb use shop --target production",
    "deploy": "%templedb deploy run",
    "next": "print('the cell behind the gate ran')",
}
SIGNER = "rosa ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK5Xy2jfCxGpoz3T7QAVy//0SztHWApgc2LDQ6pvq1Bv\n"
BEHIND = "the cell behind the gate ran"


class Gate:
    """A notebook whose second cell waits at the gate, in one front end."""

    def __init__(self, it: Front, place: Place, path: Path) -> None:
        self.it, self.place, self.path = it, place, path
        it.open(f"{place.home.name}/{path.name}")

    def reach(self) -> Gate:
        self.it.choose("Run", "Run All Cells")
        expect(self.button("Approve and deploy")).to_be_visible(timeout=PATIENCE_MS)
        return self

    def button(self, name: str) -> Locator:
        return self.it.page.get_by_role("button", name=name, exact=True)

    def field(self, name: str) -> Locator:
        return self.it.page.get_by_label(name)

    def type(self, reason: str = "read it", target: str = "production") -> Gate:
        self.field("Reason").fill(reason)
        self.field("Type production to approve").fill(target)
        return self

    def sees(self, text: str | re.Pattern[str]) -> Gate:
        outputs = self.it.page.locator(".jp-OutputArea-output").filter(has_text=text)
        expect(outputs.first).to_be_visible(timeout=PATIENCE_MS)
        return self

    @property
    def plan(self) -> str:
        text = self.it.page.get_by_role("heading", name=re.compile("Plan ")).first.inner_text()
        return text.split()[1].rstrip(":")

    @property
    def went_on(self) -> bool:
        return any(BEHIND in each for each in self.it.said())

    def applied(self) -> str:
        return self.place.templedb("migration status shop --target production --json")

    def saved(self) -> str:
        before = self.path.stat().st_mtime_ns
        self.it.save()
        end = time.monotonic() + 30
        kept = ""
        while time.monotonic() < end:
            if self.path.stat().st_mtime_ns != before:
                kept = self.path.read_text()
                if kept.rstrip().endswith("}"):  # else it is still being written
                    break
            time.sleep(0.05)
        return kept


def _bring_clicks() -> bool:
    """Return whether the kernel that is tested hears clicks while a cell is busy."""
    asked = [KERNEL or sys.executable, "-c", "import ipykernel; print(ipykernel.version_info[0])"]
    return int(subprocess.run(asked, check=True, capture_output=True, text=True).stdout) >= 7


clicks = pytest.mark.skipif(not _bring_clicks(), reason="this kernel hears no click while busy")


@pytest.fixture
def gate(
    request: pytest.FixtureRequest, browser: Browser, jupyter_server: Server
) -> Iterator[Gate]:
    wanted = getattr(request, "param", {})
    name = re.sub(r"\W+", "-", request.node.name)
    place = Place.made(jupyter_server.root / name, example="shop")
    (place.home / "signers").write_text(SIGNER)
    for line in (
        "project import shop",
        "deploy init shop",
        f"target add shop production --protected {wanted.get('policy', '--self-approval')}",
        f"env set shop DATABASE_URL duckdb://{place.home}/p.duckdb --target production --plain",
    ):
        place.templedb(line)
    cells = CELLS | wanted.get("cells", {})
    jupyter_server.theme(wanted.get("theme", "light"))
    jupyter_server.keep_widgets(saved=wanted.get("saved", False))
    jupyter_server.deaf(while_busy=wanted.get("deaf", False))
    kind: Kind = wanted.get("kind", "lab")
    it = front(browser, jupyter_server, kind)
    yield Gate(it, place, place.notebook("gate.ipynb", cells, frozenset()))
    it.page.close()


@clicks
@pytest.mark.parametrize("gate", [{"kind": kind} for kind in KINDS], indirect=True, ids=KINDS)
def test_plan_is_applied_when_the_approve_and_deploy_button_is_clicked(
    gate: Gate, artefacts: Path
) -> None:
    gate.reach().sees("0 of 1 approval")
    assert not gate.went_on
    picture(gate.it.page, artefacts / "gate", f"waiting-{gate.it.kind}")
    gate.type().button("Approve and deploy").click()
    gate.sees(BEHIND).sees(re.compile("3 migrations applied"))
    gate.sees(re.compile("approved by rosa.* through notebook button"))
    expect(gate.button("Approve and deploy")).to_have_count(0)
    assert '"pending": 0' in gate.applied()
    saved = gate.saved()
    assert "widget-view" not in saved
    assert "approved by rosa" in saved
    picture(gate.it.page, artefacts / "gate", f"after-{gate.it.kind}")


@clicks
def test_run_all_stops_when_the_plan_is_rejected(gate: Gate) -> None:
    gate.reach().type("not on a Friday").button("Reject").click()
    gate.sees(re.compile("was rejected by rosa: not on a Friday"))
    told = [each for each in gate.it.said() if "not on a Friday" in each]
    assert len(told) == 2, "the record, and the cell's error in a line"
    expect(gate.it.page.locator(".tdb-is-loud")).to_have_count(0)
    assert not gate.went_on
    assert '"applied": 0' in gate.applied()


@clicks
def test_gate_deploys_nothing_until_deploy_is_pressed_when_the_plan_is_only_approved(
    gate: Gate,
) -> None:
    gate.reach().type().button("Approve").click()
    gate.sees(re.compile("may run. Press Deploy"))
    assert '"applied": 0' in gate.applied()
    assert not gate.went_on
    gate.button("Deploy").click()
    gate.sees(BEHIND)
    assert '"pending": 0' in gate.applied()


@clicks
def test_buttons_are_off_until_the_reason_and_the_target_name_are_typed(gate: Gate) -> None:
    gate.reach().sees("Whoever clicks here speaks as rosa; the name is unverified")
    words = ("Approve and deploy", "Approve", "Reject")
    for name in words:
        expect(gate.button(name)).to_be_disabled()
    expect(gate.it.page.get_by_text("why; it is recorded for good")).to_be_visible()
    gate.type(target="staging")
    expect(gate.button("Reject")).to_be_enabled()
    expect(gate.it.page.get_by_text("this is not production")).to_be_visible()
    expect(gate.button("Approve")).to_be_disabled()
    assert not gate.went_on
    gate.type().button("Approve and deploy").click()
    gate.sees(BEHIND)


@clicks
def test_gate_executes_nothing_when_the_wait_is_stopped(gate: Gate) -> None:
    gate.reach().button("Stop waiting").click()
    gate.sees(re.compile("stopped; nothing was executed; the plan is still pending"))
    assert not gate.went_on


@clicks
def test_gate_ends_its_wait_and_executes_nothing_when_the_kernel_is_interrupted(gate: Gate) -> None:
    gate.reach()
    gate.it.choose("Kernel", "Interrupt Kernel")
    gate.sees(re.compile("interrupted; nothing was executed; the plan is still pending"))
    assert not gate.went_on


@clicks
def test_gate_deploys_when_the_plan_is_approved_in_another_terminal(gate: Gate) -> None:
    gate.reach()
    gate.place.templedb(f"approve {gate.plan} --reason read")
    gate.sees(BEHIND)
    assert '"pending": 0' in gate.applied()


@clicks
@pytest.mark.parametrize("gate", [{"policy": ""}], indirect=True)
def test_approval_does_not_count_when_the_planner_gives_it(gate: Gate) -> None:
    gate.reach().sees(re.compile("An approval by .+ would not count"))
    expect(gate.button("Approve and deploy")).to_be_disabled()
    expect(gate.button("Approve")).to_be_disabled()
    Place(gate.place.home, "emil").templedb(f"approve {gate.plan} --reason read")
    gate.sees(BEHIND)


@clicks
@pytest.mark.parametrize(
    "gate", [{"policy": "--self-approval --signers signers --signed"}], indirect=True
)
def test_approving_buttons_are_off_when_the_target_counts_only_signed_approvals(gate: Gate) -> None:
    gate.reach().sees("speaks as rosa, unsigned: production counts only signed approvals")
    gate.type()
    expect(gate.button("Reject")).to_be_enabled()
    expect(gate.button("Approve and deploy")).to_be_disabled()
    expect(gate.button("Approve")).to_be_disabled()
    gate.sees(re.compile(rf"templedb approve {gate.plan} --reason WHY --sign"))
    gate.button("Stop waiting").click()
    gate.sees(re.compile("stopped; nothing was executed"))


@pytest.mark.parametrize(
    "gate", [{"cells": {"deploy": "%templedb deploy run --no-wait"}}], indirect=True
)
def test_approval_buttons_remain_when_the_cell_does_not_wait(gate: Gate) -> None:
    gate.it.choose("Run", "Run All Cells")
    gate.sees(re.compile("waits for approval; nothing was executed"))
    expect(gate.button("Approve and deploy")).not_to_be_visible()
    assert not gate.went_on
    gate.type().button("Approve").click()
    gate.sees(re.compile("approved by rosa.* through notebook button"))
    assert '"applied": 0' in gate.applied()
    gate.it.choose("Run", "Run All Cells")
    gate.sees(BEHIND)
    assert '"pending": 0' in gate.applied()


@clicks
@pytest.mark.parametrize(
    "gate",
    [{"cells": {"deploy": (
        "from templedb_nb import Temple\ntemple = Temple.open()\n"
        "plan = temple.plan('shop', 'production')\n"
        "await temple.gate(plan)\nresult = temple.run(plan=plan)\nprint(result.outcome)"
    )}}],
    indirect=True,
)  # fmt: skip
def test_cell_goes_on_after_the_deployment_when_it_awaits_the_gate(gate: Gate) -> None:
    gate.reach().type().button("Approve and deploy").click()
    gate.sees("succeeded").sees(BEHIND)


@clicks
@pytest.mark.parametrize("gate", [{"theme": theme} for theme in THEMES], indirect=True, ids=THEMES)
def test_gate_panel_is_readable_when_the_window_is_wide_or_narrow(
    gate: Gate, artefacts: Path, request: pytest.FixtureRequest
) -> None:
    theme = request.node.callspec.id
    gate.reach()
    for width in (1400, NARROW):
        gate.it.fit(width)
        picture(gate.it.page, artefacts / "gate", f"panel-{theme}-{width}")
        assert pale(gate.it.page) == []
        assert cut_off(gate.it.page) == []
    gate.button("Stop waiting").click()
    gate.sees(re.compile("stopped; nothing was executed"))


@pytest.mark.parametrize("gate", [{"deaf": True}], indirect=True)
def test_cell_asks_at_a_prompt_when_no_click_arrives(gate: Gate) -> None:
    gate.it.choose("Run", "Run All Cells")
    gate.sees(re.compile("Buttons cannot reach a busy kernel here"))
    assert not gate.went_on
    answer = gate.it.page.locator(".jp-Stdin-input")
    answer.fill("deploy production read it")
    answer.press("Enter")
    gate.sees(BEHIND).sees(re.compile("approved by rosa.* through notebook prompt"))
    assert '"pending": 0' in gate.applied()


@pytest.mark.parametrize("gate", [{"deaf": True, "theme": "dark"}], indirect=True)
def test_cell_goes_on_from_its_prompt_when_the_plan_is_approved_elsewhere(
    gate: Gate, artefacts: Path
) -> None:
    gate.it.choose("Run", "Run All Cells")
    gate.sees(re.compile("Buttons cannot reach a busy kernel here"))
    expect(gate.it.page.locator(".jp-Stdin-input")).to_be_visible(timeout=PATIENCE_MS)
    picture(gate.it.page, artefacts / "gate", "prompt-dark")
    gate.place.templedb(f"approve {gate.plan} --reason read")
    gate.sees(BEHIND).sees("the plan was decided elsewhere").sees(re.compile("approved; deploying"))
    assert '"pending": 0' in gate.applied()
    picture(gate.it.page, artefacts / "gate", "prompt-elsewhere-dark")
