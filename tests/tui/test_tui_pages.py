from __future__ import annotations

import asyncio
import subprocess
from typing import Any

from textual.widgets import Input

from tests.conftest import MIGRATIONS, Terminal
from tests.tui.screen import Person, sitting

SLOW = "n=0; while [ ! -e {go} ]; do echo part $((n=n+1)); sleep 0.1; done; echo at last"


def waiting(terminal: Terminal) -> list[str]:
    said = terminal("approvals", "--waiting", "--json")
    return [row["plan"] for row in said.json[-1]["rows"]]


def words(terminal: Terminal, plan: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = terminal("approvals", plan, "--json").json[-1]["rows"]
    return rows


async def opened(person: Person) -> None:
    """Open the plan that waits."""
    await person.answered()
    await person.press("2")
    await person.until(lambda: len(person.rows("waiting-list")) == 1)
    await person.press("enter")
    await person.sees("Plan ", "0 of 1 approval")


def test_plan_may_run_when_somebody_else_approves_it_on_the_screen(duck: Terminal) -> None:
    duck("deploy", "run", "app", "--target", "production", code=20)
    (plan,) = waiting(duck)
    duck.set(TEMPLEDB_USER="emil")

    async def look() -> None:
        async with sitting() as person:
            await opened(person)
            await person.reads("apply  migrations/001_users.sql", "May approve")
            await person.press("down")
            await person.reads("1  CREATE TABLE users (id int PRIMARY KEY);")
            await person.press("a")
            await person.sees(
                "Approve plan", "You are emil; the name is unverified: nobody can prove"
            )
            await person.press("enter")
            await person.sees("write a reason first")
            await person.types("read it")
            await person.press("enter")
            await person.types("staging")
            await person.press("enter")
            await person.sees("production is protected: type its name to approve")
            await person.press(*["backspace"] * 7)
            await person.types("production")
            await person.press("enter")
            await person.sees("1 of 1 approval: it may run")
            await person.press("escape")
            await person.until(lambda: not person.rows("waiting-list"), "nothing waits")

    asyncio.run(look())
    (word,) = words(duck, plan)
    assert (word["given_by"], word["reason"], word["verdict"]) == ("emil", "read it", "approved")
    assert word["through"] == "terminal screen"
    duck.set(TEMPLEDB_USER="rosa")
    duck("deploy", "run", "--plan", plan)


def test_approval_of_the_author_is_told_not_to_count_when_given(duck: Terminal) -> None:
    duck("deploy", "run", "app", "--target", "production", code=20)
    (plan,) = waiting(duck)

    async def look() -> None:
        async with sitting() as person:
            await opened(person)
            await person.press("a")
            await person.sees("it would not count")
            await person.types("mine")
            await person.press("tab")
            await person.types("production")
            await person.press("tab", "enter")
            await person.sees("rosa approves", "not count: they made the plan")
            await person.sees("0 of 1 approval")

    asyncio.run(look())
    assert waiting(duck) == [plan]
    duck("deploy", "run", "--plan", plan, code=20)


def test_plan_may_not_run_when_it_is_rejected_on_the_screen(duck: Terminal) -> None:
    duck("deploy", "run", "app", "--target", "production", code=20)
    (plan,) = waiting(duck)
    duck.set(TEMPLEDB_USER="emil")

    async def look() -> None:
        async with sitting() as person:
            await opened(person)
            await person.press("x")
            await person.sees("Reject plan", "A rejected plan may not run")
            await person.types("not on a friday")
            await person.pilot.click("#send")
            await person.sees("rejected by emil")

    asyncio.run(look())
    (word,) = words(duck, plan)
    assert (word["verdict"], word["reason"]) == ("rejected", "not on a friday")
    assert duck("deploy", "run", "--plan", plan, code=21).err


def test_nothing_is_recorded_when_the_question_is_left(duck: Terminal) -> None:
    duck("deploy", "run", "app", "--target", "production", code=20)
    (plan,) = waiting(duck)

    async def look() -> None:
        async with sitting() as person:
            await opened(person)
            for leave in ("escape", "back"):
                await person.press("x")
                await person.sees("Reject plan")
                await person.types("because")
                if leave == "back":
                    await person.pilot.click("#back")
                else:
                    await person.press(leave)
                await person.sees("0 of 1 approval")

    asyncio.run(look())
    assert words(duck, plan) == []


def test_plan_that_a_newer_one_replaces_is_not_approved_when_asked(duck: Terminal) -> None:
    duck("deploy", "run", "app", "--target", "production", code=20)
    (plan,) = waiting(duck)
    duck.set(TEMPLEDB_USER="emil")

    async def look() -> None:
        async with sitting() as person:
            await opened(person)
            duck.file("app/migrations/003_carts.sql", "CREATE TABLE carts (id int);\n")
            duck.set(TEMPLEDB_USER="rosa")
            await asyncio.to_thread(duck, "deploy", "run", "app", "-t", "production", code=20)
            duck.set(TEMPLEDB_USER="emil")
            await person.press("a")
            await person.types("late")
            await person.press("enter")
            await person.types("production")
            await person.press("enter")
            await person.sees("of a newer one", "templedb approve")
            await person.press("escape", "r")
            await person.sees("replaced by a newer plan")

    asyncio.run(look())
    assert words(duck, plan) == []


def test_run_of_another_process_is_followed_until_its_end_when_it_goes_on(duck: Terminal) -> None:
    go = duck.home / "go"
    slow = {"name": "web", "deploy_command": SLOW.format(go=go)}
    duck.config(MIGRATIONS, slow)

    async def look() -> None:
        async with sitting() as person:
            await person.answered()
            child = duck.process("deploy", "run", "app", "--target", "staging")
            await person.until(lambda: len(person.rows("running-list")) == 1, "a run")
            await person.sees("▸ 1 running")
            await person.press("3", "enter")
            await person.sees("▸ running", "output of step 3")
            await person.reads("part 1", "part 5")
            await person.press("up")
            await person.reads("done in")
            await person.press("f")
            await person.reads("part 7")
            other = duck.process("target", "add", "app", "third")
            await asyncio.to_thread(other.communicate, timeout=40)
            assert other.returncode == 0
            go.touch()
            await person.reads("at last")
            await asyncio.to_thread(child.communicate, timeout=60)
            await person.sees("✓ succeeded")
            await person.press("escape")
            await person.sees("▸ 0 running", "no run goes on")
            await person.press("1")
            await person.until(
                lambda: any(
                    row.asked and row.asked.status.applied == 2
                    for row in person.rows("targets-list")
                ),
                "the target to be asked again",
            )

    asyncio.run(look())


def test_run_whose_process_is_killed_is_told_as_its_target_says(duck: Terminal) -> None:
    slow = {"name": "web", "deploy_command": SLOW.format(go=duck.home / "go")}
    duck.config(MIGRATIONS, slow)

    async def look() -> None:
        async with sitting() as person:
            await person.answered()
            child = duck.process("deploy", "run", "app", "--target", "staging")
            await person.until(lambda: len(person.rows("running-list")) == 1, "a run")
            await person.press("3", "enter")
            await person.reads("part 2")
            child.kill()
            await asyncio.to_thread(child.communicate, timeout=60)
            await person.sees("? unknown")
            await person.press("escape", "4")
            await person.sees("? unknown")

    asyncio.run(look())
    duck("deploy", "history", "app")


def test_approval_is_signed_when_the_target_requires_it(duck: Terminal) -> None:
    key = duck.home / "emil_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    signers = duck.file("signers", f"emil@example.com {public}\n")
    duck("target", "update", "app", "production", "--signers", str(signers), "--signed")
    duck("deploy", "run", "app", "--target", "production", code=20)
    (plan,) = waiting(duck)
    duck.set(TEMPLEDB_USER="emil@example.com")

    async def look() -> None:
        async with sitting() as person:
            await opened(person)
            await person.press("a")
            screen = await person.sees("You are emil@example.com.", "counts only signed approvals")
            assert "not count" not in screen
            await person.types("read it")
            await person.press("enter")
            await person.types("production")
            field = person.app.screen.query_one("#key", Input)
            assert field.value == "git"  # as with --sign alone
            field.value = str(duck.home / "nothing")
            await person.press("enter")
            await person.sees("! ")
            assert words(duck, plan) == []
            field.value = str(key)
            await person.press("enter")
            await person.sees("1 of 1 approval: it may run")

    asyncio.run(look())
    (word,) = words(duck, plan)
    assert word["signature"]
    duck("deploy", "run", "--plan", plan)
