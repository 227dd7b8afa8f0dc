"""The gate in a kernel whose front end brings no clicks: it asks in the cell, and never hangs."""

from __future__ import annotations

import json
import re
import threading

import pytest

from tests.conftest import Shop
from tests.notebook.test_notebook import Kernel, kernel

__all__ = ["kernel"]


@pytest.fixture
def guarded(kernel: Kernel, shop: Shop) -> Kernel:
    shop.terminal("target", "update", "app", "staging", "--approvals", "1")
    kernel.run("%templedb use app --target staging")
    return kernel


def test_answer_approves_and_deploys_when_typed_in_the_cell(guarded: Kernel, shop: Shop) -> None:
    said = guarded.run("%templedb deploy run", answer="deploy staging read every line")
    assert "Buttons cannot reach a busy kernel here" in said["stdout"]
    assert re.search(r"Whoever answers here speaks as \S+, unverified\.", said["stdout"])
    assert "2 migrations applied" in said["data"]["text/plain"]
    listed = shop.terminal("approvals").out
    assert "read every line" in listed
    assert "notebook prompt" in listed


def test_run_deploys_nothing_when_the_answer_only_approves(guarded: Kernel, shop: Shop) -> None:
    said = guarded.run("%templedb deploy run", answer="approve read it", ok=False)
    assert said["error"]["ename"] == "ApprovalPending"
    assert "approved, and not deployed" in said["error"]["evalue"]
    assert shop.pg.tables() == []
    assert "2 migrations applied" in guarded.run("%templedb deploy run")["data"]["text/plain"]


def test_run_is_stopped_when_the_answer_rejects(guarded: Kernel, shop: Shop) -> None:
    said = guarded.run("%templedb deploy run", answer="reject not today", ok=False)
    assert said["error"]["ename"] == "Rejected"
    assert "not today" in said["error"]["evalue"]
    assert shop.pg.tables() == []


@pytest.mark.parametrize("answer", ["stop", "deploy production read it", "deploy staging", "yes"])
def test_run_deploys_nothing_when_the_answer_is_not_a_full_approval(
    guarded: Kernel, shop: Shop, answer: str
) -> None:
    answers = iter([answer, "stop"])

    def next_answer() -> str:
        return next(answers, "stop")

    said = guarded.run("%templedb deploy run", answers=next_answer, ok=False)
    assert said["error"]["ename"] == "ApprovalPending"
    assert shop.pg.tables() == []


def test_author_is_told_that_their_own_approval_does_not_count_when_they_answer_in_the_cell(
    guarded: Kernel, shop: Shop
) -> None:
    shop.terminal("target", "update", "app", "staging", "--no-self-approval")
    answers = iter(["deploy staging read it", "approve read it again"])
    said = guarded.run("%templedb deploy run", answers=lambda: next(answers, "stop"), ok=False)
    assert said["error"]["ename"] == "ApprovalPending"
    assert "would not count: they made the plan" in said["stdout"]
    assert said["stdout"].count("your approval is recorded but does not count: they made") == 2
    assert shop.pg.tables() == []


def test_person_is_told_who_may_approve_when_their_own_approval_does_not_count(
    guarded: Kernel, shop: Shop
) -> None:
    shop.terminal("target", "update", "app", "staging", "--approvers", "ana,zoe")
    said = guarded.run("%templedb deploy run", answer="stop", ok=False)
    assert "would not count: only these may approve: ana, zoe." in said["stdout"]


def test_gate_looks_again_for_an_approval_from_elsewhere_when_nothing_is_typed(
    guarded: Kernel, shop: Shop
) -> None:
    guarded.run("made = %templedb deploy plan")
    plan = guarded.value("made.plan.id").strip("'")

    def approved_elsewhere() -> str:
        shop.terminal("approve", plan, "--reason", "read")
        return ""

    said = guarded.run("%templedb deploy run", answers=approved_elsewhere)
    assert "2 migrations applied" in said["data"]["text/plain"]


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_gate_hears_of_a_word_from_elsewhere_when_nobody_answers(
    guarded: Kernel, shop: Shop, verdict: str
) -> None:
    guarded.run("made = %templedb deploy plan")
    plan = guarded.value("made.plan.id").strip("'")

    def elsewhere() -> None:
        shop.terminal(verdict, plan, "--reason", "read")

    said = guarded.run("%templedb deploy run", answers=elsewhere, ok=verdict == "approve")
    assert "the plan was decided elsewhere" in said["stdout"]
    if verdict == "approve":
        assert "2 migrations applied" in said["data"]["text/plain"]
        assert any("approved; deploying" in str(each) for each in said["displays"])
    else:
        assert said["error"]["ename"] == "Rejected"
        assert shop.pg.tables() == []


def test_text_of_a_field_that_was_left_open_approves_no_other_plan(
    guarded: Kernel, shop: Shop
) -> None:
    def asked() -> str:
        return str(
            json.loads(shop.terminal("approvals", "--waiting", "--json").out.splitlines()[1])[
                "rows"
            ][0]["plan"]
        )

    def elsewhere() -> None:
        shop.terminal("reject", asked(), "--reason", "not this one")

    said = guarded.run("%templedb deploy run", answers=elsewhere, ok=False)
    assert said["error"]["ename"] == "Rejected"
    shop.migration("003_other.sql", "CREATE TABLE others (id int);\n")
    answers = iter(["deploy staging I read the other plan", None])

    def typed() -> str | None:
        return next(answers) or f"{asked()[:12]} deploy staging read this plan"

    said = guarded.run("%templedb deploy run", answers=typed)
    assert "Not taken: an earlier field may be open. Begin with the plan's id" in said["stdout"]
    assert "3 migrations applied" in said["data"]["text/plain"]
    listed = shop.terminal("approvals").out
    assert "read this plan" in listed
    assert "I read the other plan" not in listed


def test_cell_does_not_wait_for_an_approval_when_run_headless(guarded: Kernel, shop: Shop) -> None:
    said = guarded.run("%templedb deploy run", ok=False)
    assert said["error"]["ename"] == "ApprovalMissing"
    assert "templedb approve" in "".join(said["error"]["traceback"])
    assert shop.pg.tables() == []


def test_run_executes_nothing_when_interrupted_at_the_gate(guarded: Kernel, shop: Shop) -> None:
    timer = threading.Event()

    def interrupt() -> str:
        guarded.manager.interrupt_kernel()
        timer.set()
        return "deploy staging too late"

    said = guarded.run("%templedb deploy run", answers=interrupt, ok=False)
    assert timer.is_set()
    assert said["error"]["ename"] == "ApprovalPending"
    assert re.search("To go on: templedb approve .* --reason WHY", said["error"]["evalue"])
    assert shop.pg.tables() == []
