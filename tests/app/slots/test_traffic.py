"""Traffic through a real nginx while a router of type template switches it: nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from templedb_nb.model.blue_green import BlueGreen, Router, RouterStatus, RouterType, Slot
from templedb_nb.model.slots import RouterReading, RouterState
from templedb_nb.model.switch_step import RoutedGroup
from tests import nginx
from tests.nginx import Nginx
from tests.routers.test_routers import routers
from tests.traffic import Load, load

pytestmark = pytest.mark.skipif(nginx.PROGRAM is None, reason=nginx.MISSING)
CONFIRM = 5


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Nginx]:
    with nginx.running(tmp_path / "nginx") as started:
        yield started


def behind(shop: Nginx, status: RouterStatus | None = None) -> RoutedGroup:
    router = Router(
        type=RouterType.TEMPLATE,
        file=str(shop.file),
        content=nginx.CONTENT,
        reload_command=shop.reload_command,
        status=status or RouterStatus(url=shop.url, header="X-Slot", timeout_s=60),
    )
    slots = tuple(
        Slot(name=name, values=(("PORT", str(each.port)),)) for name, each in shop.services.items()
    )
    return RoutedGroup(group="web", blue_green=BlueGreen(slots=slots, router=router))


def read(shop: Nginx) -> RouterReading:
    return routers().read(behind(shop))


def confirm(shop: Nginx, slot: str) -> None:
    """Wait until the router names the slot so many times in a row."""
    count, due = 0, time.monotonic() + 60
    while count < CONFIRM:
        assert time.monotonic() < due, f"{slot} does not answer"
        count = count + 1 if read(shop).slot == slot else 0


def switch(shop: Nginx, slot: str) -> None:
    routers().point(behind(shop), slot)
    shop.reload()
    confirm(shop, slot)


@contextmanager
def switching(shop: Nginx, mode: str, place: Path, count: int) -> Iterator[Load]:
    """Switch there and back under load, and let the requests be looked at."""
    settled, began, live = [], time.monotonic(), "blue"
    with load(shop.port, mode, place / "requests") as found:
        for number in range(count):
            slot = ("green", "blue")[number % 2]
            settled.append((began, time.monotonic(), live))
            switch(shop, slot)
            began, live = time.monotonic(), slot
    assert found.misled(settled) == []
    assert {each.service for each in found.requests if each.service} == {"blue", "green"}
    yield found


def test_written_slot_is_pending_when_the_router_has_not_reloaded(shop: Nginx) -> None:
    assert (read(shop).slot, read(shop).written) == ("blue", "blue")
    routers().point(behind(shop), "green")
    reading = read(shop)
    assert (reading.slot, reading.written, reading.pending) == ("blue", "green", "green")
    shop.reload()
    confirm(shop, "green")
    assert read(shop).pending == ""


def test_old_slot_still_answers_when_the_reload_command_has_returned(shop: Nginx) -> None:
    """The command sends a signal to a master that has not taken it in yet."""
    routers().point(behind(shop), "green")
    os.kill(shop.process.pid, signal.SIGSTOP)
    shop.reload()
    assert (read(shop).slot, read(shop).pending) == ("blue", "green")
    os.kill(shop.process.pid, signal.SIGCONT)
    confirm(shop, "green")


def test_router_names_the_slot_when_its_service_is_down(shop: Nginx) -> None:
    shop.services["blue"].stop()
    assert shop.get()[0] == 502
    reading = read(shop)
    assert (reading.state, reading.slot) == (RouterState.NAMED, "blue")
    by_body = RouterStatus(url=shop.url, pattern=r"slot=(\w+)", timeout_s=60)
    assert routers().read(behind(shop, by_body)).state is RouterState.UNKNOWN


def test_router_is_silent_and_its_file_names_the_slot_when_the_router_is_down(shop: Nginx) -> None:
    shop.process.terminate()
    shop.process.wait()
    reading = read(shop)
    assert (reading.state, reading.slot, reading.written) == (RouterState.SILENT, "", "blue")


def test_router_file_is_put_back_when_the_reload_refuses_it(shop: Nginx) -> None:
    (shop.home / "nginx.conf").write_text((shop.home / "nginx.conf").read_text() + "}")
    undo = routers().point(behind(shop), "green")
    with pytest.raises(subprocess.CalledProcessError):
        shop.reload()
    assert undo()
    reading = read(shop)
    assert (reading.slot, reading.written) == ("blue", "blue")


def test_request_is_never_lost_when_each_has_its_own_connection(
    shop: Nginx, tmp_path: Path
) -> None:
    with switching(shop, "new", tmp_path, 6) as found:
        assert [each for each in found.requests if each.wrong or each.status != 200] == []


def test_kept_connection_never_reaches_a_wrong_slot_when_slots_switch(
    shop: Nginx, tmp_path: Path
) -> None:
    """A connection may be closed between two requests, as with any reload; nothing else happens."""
    with switching(shop, "keep", tmp_path, 6) as found:
        assert found.failed == []
        assert found.disagreeing() == []


def test_request_finishes_on_the_old_slot_when_the_switch_comes_meanwhile(
    shop: Nginx, tmp_path: Path
) -> None:
    now = tmp_path / "now"
    answers: list[tuple[int, str, str]] = []
    slow = [
        threading.Thread(target=lambda: answers.append(shop.get(f"/until?file={now}")))
        for _ in "1234"
    ]
    for each in slow:
        each.start()
    arrived(shop, len(slow))
    switch(shop, "green")
    assert answers == []
    now.touch()
    for each in slow:
        each.join()
    assert answers == [(200, "blue", "slot=blue version=1\n")] * len(slow)


def arrived(shop: Nginx, count: int) -> None:
    """Wait until so many requests are under way in the old slot's service."""
    import psutil

    process = shop.services["blue"].process
    assert process is not None
    while psutil.Process(process.pid).num_threads() < count + 1:
        time.sleep(0.01)
