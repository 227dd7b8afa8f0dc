from __future__ import annotations

import asyncio
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Shop, Terminal
from tests.tui.screen import sitting


def test_targets_show_what_board_says_when_they_were_asked(duck: Terminal) -> None:
    duck("deploy", "run", "app", "--target", "staging")
    duck.file("app/migrations/003_carts.sql", "CREATE TABLE carts (id int);\n")
    duck("project", "sync", "app")
    said = duck("board", "--json").json[-1]
    told = {row["target"]: row for table in said["tables"] for row in table["rows"]}

    async def look() -> None:
        async with sitting() as person:
            await person.answered()
            rows = {row.target.name: row.asked.status for row in person.rows("targets-list")}
            for name in ("staging", "production"):
                for key in ("applied", "pending", "attention", "last_run", "note"):
                    assert getattr(rows[name], key) == told[name][key], key
            screen = await person.sees("app → production ▲", "app → staging", "✓ succeeded")
            assert "next: templedb deploy plan app --target production" in screen

    asyncio.run(look())


def test_screen_fits_and_names_its_keys_when_80_by_24(duck: Terminal) -> None:
    duck("deploy", "run", "app", "--target", "staging")

    async def look() -> None:
        async with sitting((80, 24)) as person:
            await person.answered()
            for tab in "1234":
                await person.press(tab)
                await person.pilot.pause(0.2)
                lines = person.screen.split("\n")
                assert len(lines) == 24
                assert all(len(line) <= 80 for line in lines)
                for key in ("Open", "/ Filter", "r Ask again", "? Keys", "q Quit"):
                    assert key in lines[-1]
                for name in ("1 Targets", "2 Waiting", "3 Running", "4 History"):
                    assert name in person.screen
            await person.press("question_mark")
            await person.sees("approve, or reject", "▲ protected")
            await person.press("escape")
            await person.sees("4 History")

    asyncio.run(look())


def test_mouse_opens_tabs_and_rows_when_clicked(duck: Terminal) -> None:
    duck("deploy", "run", "app", "--target", "staging")

    async def look() -> None:
        async with sitting() as person:
            await person.answered()
            tabs = person.app.screen.query("ContentTab")
            await person.pilot.click(tabs[3])
            await person.sees("BEGAN", "ENDED")
            await person.pilot.click("#history-list", offset=(5, 1))
            await person.sees("the whole run", "✓ succeeded")
            await person.pilot.click("#steps", offset=(5, 3))
            await person.sees("output of step 2")

    asyncio.run(look())


def test_filter_leaves_rows_with_all_words_when_typed(duck: Terminal) -> None:
    duck("deploy", "run", "app", "--target", "staging")

    async def look() -> None:
        async with sitting() as person:
            await person.answered()
            await person.press("slash")
            await person.types("app stag")
            await person.until(lambda: len(person.rows("targets-list")) == 1)
            await person.press("enter", "enter")  # to the rows, then into the run
            await person.sees("the whole run")
            await person.press("escape", "escape")
            await person.until(lambda: len(person.rows("targets-list")) == 2)
            await person.press("w")
            await person.until(lambda: len(person.rows("targets-list")) == 1)
            assert person.rows("targets-list")[0].target.name == "production"

    asyncio.run(look())


def test_state_is_read_again_only_when_its_files_changed(duck: Terminal) -> None:
    duck("deploy", "run", "app", "--target", "staging")

    async def look() -> None:
        async with sitting() as person:
            await person.answered()
            desk = person.app.desk
            looked = desk.overlook.looked_at
            await person.until(lambda: desk.overlook.looked_at > looked)
            read = desk.overlook.remembered.at
            for _ in range(6):
                looked = desk.overlook.looked_at
                await person.until(lambda: desk.overlook.looked_at > looked)  # noqa: B023
            assert desk.overlook.remembered.at == read
            await asyncio.to_thread(duck, "target", "add", "app", "third")
            await person.sees("app → third")

    asyncio.run(look())


def test_state_and_target_are_as_they_were_when_only_looked_at(duck: Terminal) -> None:
    duck("deploy", "run", "app", "--target", "staging")
    duck("board")
    files = [duck.state, *(duck.home / f"{name}.duckdb" for name in ("staging", "production"))]

    def content() -> list[str]:
        return [hashlib.sha256(each.read_bytes()).hexdigest() for each in files if each.exists()]

    before, tables = content(), duck("sql", "SELECT count(*) FROM events", "--json").out

    async def look() -> None:
        async with sitting() as person:
            await person.answered()
            for tab in "1234":
                await person.press(tab, "enter")
                await person.pilot.pause(0.3)
                await person.press("s", "down", "escape")

    asyncio.run(look())
    assert duck("sql", "SELECT count(*) FROM events", "--json").out == tables
    assert content()[1:] == before[1:]


def test_other_commands_write_at_once_when_the_screen_is_open(duck: Terminal) -> None:
    async def look() -> None:
        async with sitting() as person:
            await person.answered()
            for n in range(3):
                child = duck.process("target", "add", "app", f"t{n}")
                await asyncio.to_thread(child.communicate, timeout=40)
                assert child.returncode == 0
            await person.sees("app → t2")

    asyncio.run(look())


def test_no_state_is_made_when_there_is_none(terminal: Terminal) -> None:
    async def look() -> None:
        async with sitting() as person:
            await person.sees("no target yet: templedb project import FOLDER")
            await person.press("2")
            await person.sees("no plan waits for approvals")

    asyncio.run(look())
    assert not Path(terminal.environ["TEMPLEDB_STATE"]).exists()


def test_trouble_is_a_line_when_the_state_cannot_be_read_and_goes_when_it_can(
    duck: Terminal,
) -> None:
    whole = duck.state.read_bytes()

    async def look() -> None:
        async with sitting() as person:
            await person.answered()
            duck.state.write_bytes(b"no database at all, but a text" * 1000)
            await person.sees("! ")
            assert "Traceback" not in person.screen
            assert "app → staging" in person.screen
            duck.state.write_bytes(whole)
            await person.press("r")
            await person.until(lambda: person.app.status == "", "no trouble")

    asyncio.run(look())


HOLDS = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"


def test_lists_are_filled_when_the_process_that_had_the_state_open_has_ended(
    duck: Terminal,
) -> None:
    duck("deploy", "run", "app", "--target", "staging")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(duck.state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"

    async def look() -> None:
        async with sitting() as person:
            screen = await person.sees("is in use", "close the other program")
            assert len(screen.split("\n")) == 24
            await person.press("4")
            assert "no run yet" not in await person.sees("reading the state …")
            holder.kill()
            await person.sees("✓ succeeded")
            await person.answered()
            await person.press("1")
            await person.sees("app → production ▲", "2          0         never")
            assert person.app.status == ""

    try:
        asyncio.run(look())
    finally:
        holder.kill()
        holder.communicate()


def test_target_tells_drift_and_when_it_was_asked_as_the_board_does(duck: Terminal) -> None:
    duck("deploy", "run", "app", "--target", "staging")

    async def look() -> None:
        async with sitting() as person:
            await person.answered()
            screen = await person.sees("drift: not measured")
            assert re.search(r"2 pending, 0 need attention, release \d+$", screen, re.MULTILINE)
            assert re.search(r"asked at \d\d:\d\d:\d\dZ; ", screen)
            await person.press("down")
            await person.sees("drift: none, just now")
            with duckdb.connect(duck.home / "staging.duckdb") as other:
                other.execute("ALTER TABLE orders ADD COLUMN by_hand int")
            duck.file("app/migrations/003_carts.sql", "CREATE TABLE carts (id int);\n")
            await asyncio.to_thread(duck, "deploy", "plan", "app", "--target", "staging")
            await person.sees("drift: 1 object changed, just now")

    asyncio.run(look())
    assert "1 object changed" in duck("board").out


def test_target_that_does_not_answer_is_noted_when_the_others_do(duck: Terminal) -> None:
    duck("target", "add", "app", "away")
    address = "postgresql://nobody:hunter22222@127.0.0.1:1/none"
    duck("env", "set", "app", "DATABASE_URL", address, "--target", "away")

    async def look() -> None:
        async with sitting((140, 30)) as person:
            await person.answered()
            screen = await person.sees("app → away", "app → staging")
            line = next(each for each in screen.split("\n") if "app → away" in each)
            assert "?" in line
            assert "hunter22222" not in screen

    asyncio.run(look())


def test_run_on_postgresql_shows_its_steps_and_sql_when_opened(shop: Shop) -> None:
    shop.run("--target", "staging")
    shop.migration("003_broken.sql", "CREATE TABLE carts (id int);\nSELECT nothing FROM carts;\n")
    shop.run("--target", "staging", code=10)

    async def look() -> None:
        async with sitting() as person:
            await person.answered()
            row = person.rows("targets-list")[0]
            assert (row.asked.status.pending, row.asked.status.attention) == (1, 1)
            await person.press("enter")
            await person.reads("failed: ", "nothing", "SQLSTATE: 42703", "the target is unchanged")
            await person.press("s")
            await person.reads("1  CREATE TABLE carts (id int);", "2  SELECT nothing FROM carts;")
            await person.press("p")
            await person.sees("Plan ", "needs no approval")

    asyncio.run(look())


def test_history_reads_older_runs_when_somebody_goes_to_its_end(
    duck: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        duck("deploy", "run", "app", "--target", "staging")
    monkeypatch.setattr("templedb_nb.tui.source.WINDOW", 2)

    async def look() -> None:
        async with sitting() as person:
            await person.answered()
            await person.press("4")
            await person.until(lambda: len(person.rows("history-list")) == 2)
            await person.press("end")
            await person.until(lambda: len(person.rows("history-list")) == 6)
            chosen = person.app.screen.query_one("#history-list").chosen.run
            assert chosen == person.rows("history-list")[1].run

    asyncio.run(look())


def test_value_of_a_secret_is_masked_when_a_message_has_it(duck: Terminal) -> None:
    duck("env", "set", "app", "TOKEN", "sesame-open-now", "--target", "staging")
    duck.file("app/migrations/003_x.sql", 'SELECT * FROM "sesame-open-now";\n')
    duck("deploy", "run", "app", "--target", "staging", code=12)

    async def look() -> None:
        async with sitting((120, 40)) as person:
            await person.answered()
            await person.press("4")
            await person.sees("✗ failed")
            assert "sesame-open-now" not in person.screen
            await person.press("enter")
            await person.reads("failed: ")
            assert "sesame-open-now" not in person.text + person.screen
            await person.press("s")
            await person.reads("SELECT * FROM")
            assert "sesame-open-now" not in person.text

    asyncio.run(look())
