"""A run in a kernel: what a build writes neither fills the notebook nor the memory; one run at a time."""

from __future__ import annotations

import json
import subprocess
import time

import psutil
import pytest

from templedb_nb.model.estimate import Expected
from templedb_nb.model.event import Blocker
from templedb_nb.model.result import Result
from templedb_nb.views.html.live import live_bundle
from tests.conftest import MIGRATIONS, Shop
from tests.notebook.test_notebook import Kernel, kernel

__all__ = ["kernel"]
MEGABYTES = 20
CHATTY = "seq 1 2700000"


def test_notebook_and_kernel_stay_small_when_a_build_is_chatty(kernel: Kernel, shop: Shop) -> None:
    shop.config({"name": "build", "build_command": "seq 1 300000"})
    kernel.run("%templedb use app --target staging")
    kernel.run("%templedb deploy run", answer="")  # whatever is needed is there from now on
    shop.config({"name": "build", "build_command": CHATTY})
    process = psutil.Process(int(kernel.value("__import__('os').getpid()")))
    before = process.memory_info().rss
    began = time.monotonic()
    said = kernel.run("%templedb deploy run", answer="")
    took = time.monotonic() - began
    assert "succeeded" in said["data"]["text/plain"]
    grown = process.memory_info().rss - before
    assert grown < MEGABYTES * 500_000
    assert len(json.dumps(said["displays"][-1])) < 10_000
    assert max(len(json.dumps(each)) for each in said["displays"]) < 50_000
    assert len(said["displays"]) <= 8 * took + 8


def test_picture_of_a_run_is_replaced_by_a_line_when_the_run_ends(kernel: Kernel) -> None:
    kernel.run("%templedb use app --target staging")
    said = kernel.run("%templedb deploy run", answer="")
    assert "has ended: succeeded" in json.dumps(said["displays"])
    assert "running" not in json.dumps(said["displays"][-1])


def test_last_line_counts_the_warnings_when_the_result_is_assigned(
    kernel: Kernel, shop: Shop
) -> None:
    shop.migration("003.sql", "DO $$ BEGIN RAISE WARNING 'look here'; END $$;\n")
    kernel.run("%templedb use app --target staging")
    said = kernel.run("r = %templedb deploy run", answer="")
    assert "has ended: succeeded, 1 warning" in json.dumps(said["displays"])


@pytest.fixture
def waiting(shop: Shop) -> Shop:
    home = shop.terminal.home
    wait = f"touch {home}/begun; while [ ! -e {home}/go ]; do sleep 0.05; done"
    shop.config(MIGRATIONS | {"pre_deploy": [wait]})
    return shop


def begun(shop: Shop, process: subprocess.Popen[str]) -> None:
    while not (shop.terminal.home / "begun").exists():
        assert process.poll() is None
        time.sleep(0.02)


def test_cell_attaches_to_the_run_when_a_run_goes_on_already(kernel: Kernel, waiting: Shop) -> None:
    process = waiting.terminal.process("deploy", "run", "app")
    begun(waiting, process)
    kernel.run("%templedb use app --target staging")
    kernel.run("import threading, pathlib")
    kernel.run("threading.Timer(1, pathlib.Path('go').touch).start()")
    said = kernel.run("%templedb deploy run", answer="")
    assert "is still running: watching it" in said["stdout"]
    assert "2 migrations applied" in said["data"]["text/plain"]
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert len(waiting.terminal("deploy", "history", "app", "--json").json[1:]) == 1


def test_terminal_sees_the_end_of_the_run_when_the_attached_run_dies(waiting: Shop) -> None:
    process = waiting.terminal.process("deploy", "run", "app")
    begun(waiting, process)
    watcher = waiting.terminal.process("run", "attach")
    assert watcher.stdout is not None
    while "pre_deploy" not in watcher.stdout.readline():
        assert watcher.poll() is None
    process.kill()
    process.communicate()
    out, err = watcher.communicate(timeout=60)
    assert watcher.returncode == 10, out + err
    assert "its process died" in out


def test_attach_is_refused_when_no_run_is_running(shop: Shop) -> None:
    assert "no run is running on this machine" in shop.terminal("run", "attach", code=64).err


def test_picture_tells_progress_and_duration_when_a_run_is_live() -> None:
    result = Result(run="01a209fa-d68c-7000", slug="shop", target="staging", elapsed_ms=12_300)
    told = live_bundle(result, ["    | \x1b[32mok\x1b[0m <b>"], (), Expected(), "a note")
    assert told["text/plain"] == "    | ok <b>\na note"
    assert "&lt;b&gt;" in told["text/html"]
    assert "\x1b" not in told["text/html"]
    blocked = live_bundle(result, [], (Blocker(pid=7, query="UPDATE x SET y = ?"),))
    assert "UPDATE" not in blocked["text/plain"]
