"""Routers by real means: links, files, locks, status pages and status commands; one test a cause."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from templedb_nb.app.container import Container
from templedb_nb.app.slots.routers import routers_of
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.errors import Busy, ConfigError, RouterFailed
from templedb_nb.health.status_page import StatusPage
from templedb_nb.model.blue_green import BlueGreen, Router, RouterStatus, RouterType, Slot
from templedb_nb.model.command import Invocation
from templedb_nb.model.health import CommandCheck
from templedb_nb.model.slots import RouterReading, RouterState
from templedb_nb.model.switch_step import RoutedGroup
from templedb_nb.ports.router import Routers
from templedb_nb.routers.routers import GroupRouters
from templedb_nb.routers.status import StatusQuestion
from templedb_nb.shell.runner import SupervisedShell, bash
from templedb_nb.shell.status_command import StatusCommand
from tests.conftest import Terminal
from tests.files.test_scan import as_nobody, in_child
from tests.health_servers import Talk, dripping, saying, serving

SLOTS = (
    Slot(name="blue", values=(("PORT", "8001"),)),
    Slot(name="green", values=(("PORT", "8002"),)),
)
CONTENT = "server 127.0.0.1:{slot:PORT}; # {slot}\n"
BLUE = b"server 127.0.0.1:8001; # blue\n"
GREEN = b"server 127.0.0.1:8002; # green\n"


def routed(router: Router, *environment: tuple[str, str]) -> RoutedGroup:
    wanted = BlueGreen(slots=SLOTS, router=router)
    return RoutedGroup(group="web", blue_green=wanted, environment=environment)


def link(path: object, to: object = "slots/{slot}") -> RoutedGroup:
    return routed(Router(type=RouterType.SYMLINK, path=str(path), to=str(to)))


def file(path: object, status: RouterStatus | None = None) -> RoutedGroup:
    asked = status or RouterStatus(command="echo blue")
    template = RouterType.TEMPLATE
    return routed(Router(type=template, file=str(path), content=CONTENT, status=asked))


def asking(status: RouterStatus, *environment: tuple[str, str]) -> RoutedGroup:
    return routed(
        Router(type=RouterType.COMMAND, switch_command="true", status=status), *environment
    )


def routers(
    root: Path | None = None,
    values: Mapping[str, str] | None = None,
    masker: Masker | None = None,
) -> GroupRouters:
    mask = (masker or Masker()).mask

    def value(name: str) -> str:
        if name not in (values or {}):
            raise ConfigError(f"{name} has no value")
        return (values or {})[name]

    def invocation(check: CommandCheck) -> Invocation:
        environment = {"PATH": os.environ["PATH"], **dict(check.environment)}
        return Invocation(argv=bash(check.command), cwd=str(root or "/"), environment=environment)

    shell = SupervisedShell(Masker())
    page = StatusPage(value=value, mask=mask, environment={"PATH": os.environ["PATH"]})
    command = StatusCommand(shell=shell, invocation=invocation, mask=mask)
    return GroupRouters(root=root, status=StatusQuestion(page=page.ask, command=command.ask))


Answer = Callable[[Routers, RoutedGroup], None]


def points_to(path: Path) -> str:
    return str(path.readlink())


def named(reading: RouterReading) -> str:
    assert reading.state is RouterState.NAMED, reading
    return reading.slot


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a place for each slot."""
    for slot in ("blue", "green"):
        (tmp_path / "slots" / slot).mkdir(parents=True)
        (tmp_path / "slots" / slot / "name").write_text(slot)
    return tmp_path


@pytest.fixture
def common() -> Iterator[Path]:
    """A folder that every user can reach, with a place for each slot."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        for slot in ("blue", "green"):
            (folder / "slots" / slot).mkdir(parents=True)
        yield folder


def beside(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name.startswith("."))


def as_another_user(check: Callable[[], None]) -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    check()


# --- symlink: what it reads -------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["slots/blue", "slots/blue/", "./slots/blue", "{folder}/slots/blue"]
)
def test_link_names_the_slot_when_it_points_to_the_place_of_a_slot(place: Path, text: str) -> None:
    (place / "current").symlink_to(text.replace("{folder}", str(place)))
    assert named(routers().read(link(place / "current"))) == "blue"
    assert named(routers().read(link(place / "current", place / "slots/{slot}"))) == "blue"


def test_link_names_the_slot_when_the_place_of_the_slot_is_gone(place: Path) -> None:
    (place / "current").symlink_to("slots/green")
    (place / "slots/green/name").unlink()
    (place / "slots/green").rmdir()
    assert named(routers().read(link(place / "current"))) == "green"


def test_link_is_absent_when_it_does_not_exist(place: Path) -> None:
    reading = routers().read(link(place / "current"))
    assert reading.state is RouterState.ABSENT
    assert str(place / "current") in reading.message


def test_link_names_no_slot_when_it_points_to_another_place(place: Path) -> None:
    (place / "current").symlink_to("slots/purple")
    reading = routers().read(link(place / "current"))
    assert reading.state is RouterState.UNKNOWN
    assert "points to slots/purple, which is none of the slots blue, green" in reading.message


@pytest.mark.parametrize(("kind", "told"), [("folder", "a folder"), ("file", "a file")])
def test_path_names_no_slot_and_is_not_replaced_when_it_is_not_a_link(
    place: Path, kind: str, told: str
) -> None:
    current = place / "current"
    current.mkdir() if kind == "folder" else current.write_text("blue")
    reading = routers().read(link(current))
    assert reading.state is RouterState.UNKNOWN
    assert reading.message == f"{current} is {told}, not a link"
    with pytest.raises(RouterFailed, match=f"is {told}, not a link; it is not replaced") as error:
        routers().point(link(current), "blue")
    assert f"mv {current} " in error.value.hint
    assert not current.is_symlink()


def test_link_is_silent_when_it_cannot_be_read(place: Path) -> None:
    (place / "file").write_text("")
    reading = routers().read(link(place / "file" / "current"))
    assert reading.state is RouterState.SILENT
    assert reading.message.endswith("cannot be read: Not a directory")


def test_link_is_silent_when_its_folder_is_closed(common: Path) -> None:
    (common / "current").symlink_to("slots/blue")

    def closed() -> None:
        common.chmod(0)
        reading = routers().read(link(common / "current"))
        common.chmod(0o755)
        assert reading.state is RouterState.SILENT
        assert "Permission denied" in reading.message

    as_nobody(common, closed)


# --- symlink: what it writes ------------------------------------------------------------------


def test_link_is_put_back_when_its_replacement_is_undone(place: Path) -> None:
    current = place / "current"
    current.symlink_to("slots/blue")
    undo = routers().point(link(current), "green")
    assert points_to(current) == "slots/green"
    assert undo()
    assert points_to(current) == "slots/blue"
    assert beside(place) == []


def test_link_is_removed_when_making_the_first_link_is_undone(place: Path) -> None:
    undo = routers().point(link(place / "current"), "green")
    assert named(routers().read(link(place / "current"))) == "green"
    assert undo()
    assert not (place / "current").is_symlink()


@pytest.mark.parametrize("foreign", ["slots/blue", "elsewhere", None])
def test_link_is_not_put_back_when_somebody_else_changed_it(
    place: Path, foreign: str | None
) -> None:
    current = place / "current"
    current.symlink_to("slots/blue")
    undo = routers().point(link(current), "green")
    current.unlink()
    if foreign:
        current.symlink_to(foreign)
    assert not undo()
    assert (points_to(current) if foreign else current.is_symlink()) == (foreign or False)


def test_foreign_link_is_put_back_as_it_was_when_the_switch_is_undone(place: Path) -> None:
    (place / "current").symlink_to("/elsewhere/v1")
    assert routers().point(link(place / "current"), "green")()
    assert points_to(place / "current") == "/elsewhere/v1"


def test_link_is_not_replaced_when_the_new_place_does_not_exist(place: Path) -> None:
    (place / "current").symlink_to("slots/blue")
    with pytest.raises(
        RouterFailed, match=r"would point to .*/nowhere/green, which does not exist"
    ):
        routers().point(link(place / "current", "nowhere/{slot}"), "green")
    assert points_to(place / "current") == "slots/blue"


@pytest.mark.parametrize("slot", ["", "purple", "Blue"])
def test_router_writes_nothing_when_the_name_is_not_a_slot(place: Path, slot: str) -> None:
    for each in (link(place / "current"), file(place / "upstream.conf")):
        with pytest.raises(RouterFailed, match="none of the slots") as error:
            routers().point(each, slot)
        assert error.value.hint == "name one of blue, green"
    assert not (place / "upstream.conf").exists()
    assert not (place / "current").is_symlink()


@pytest.mark.parametrize("text", ["slots/{slot:DIR}", " "])
def test_link_is_not_written_when_its_text_names_no_slot(place: Path, text: str) -> None:
    with pytest.raises(RouterFailed, match=r"no value DIR|an empty text"):
        routers().point(link(place / "current", text), "green")
    assert not (place / "current").is_symlink()


def test_switch_fails_with_the_reason_when_the_folder_may_not_be_written(common: Path) -> None:
    (common / "current").symlink_to("slots/blue")
    (common / "upstream.conf").write_bytes(BLUE)

    def closed() -> None:
        common.chmod(0o555)
        for each in (link(common / "current"), file(common / "upstream.conf")):
            with pytest.raises(
                RouterFailed, match=r"cannot replace .*: Permission denied"
            ) as error:
                routers().point(each, "green")
            assert f"write in {common}" in error.value.hint
            with (
                pytest.raises(RouterFailed, match=r"cannot lock .*: Permission denied"),
                routers().held(each, 1),
            ):
                pass

    as_nobody(common, closed)
    assert points_to(common / "current") == "slots/blue"
    assert (common / "upstream.conf").read_bytes() == BLUE
    assert beside(common) == []


def test_switch_fails_with_the_command_to_make_the_folder_when_the_folder_is_missing(
    place: Path,
) -> None:
    for each in (
        link(place / "gone/current", place / "slots/{slot}"),
        file(place / "gone/it.conf"),
    ):
        with pytest.raises(RouterFailed, match="No such file or directory") as error:
            routers().point(each, "green")
        assert error.value.hint == f"mkdir -p {place / 'gone'}"


def test_relative_path_is_below_the_project_folder_when_the_folder_is_known(place: Path) -> None:
    routers(place).point(link("current"), "blue")
    assert points_to(place / "current") == "slots/blue"
    assert named(routers(place).read(link("current"))) == "blue"
    with routers(place).held(link("current"), 0):
        assert beside(place) == [".current.templedb-lock"]


def test_relative_path_is_refused_when_the_project_folder_is_unknown() -> None:
    reading = routers().read(link("current"))
    assert reading.state is RouterState.SILENT
    assert "current is relative to the project's folder" in reading.message
    with pytest.raises(RouterFailed, match="relative to the project's folder"):
        routers().point(link("current"), "blue")
    with pytest.raises(RouterFailed, match="relative"), routers().held(file("a.conf"), 0):
        pass


@pytest.mark.parametrize("path", ["/", "..", "/srv/.."])
def test_router_path_is_refused_when_it_has_no_file_name(place: Path, path: str) -> None:
    assert routers(place).read(link(path)).state is RouterState.SILENT
    with pytest.raises(RouterFailed, match="the name of no link and no file"):
        routers(place).point(link(path), "blue")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a link away")
def test_link_keeps_its_owner_when_replaced(place: Path) -> None:
    (place / "current").symlink_to("slots/blue")
    os.chown(place / "current", 65534, 65534, follow_symlinks=False)
    routers().point(link(place / "current"), "green")
    assert (place / "current").lstat().st_uid == 65534


# --- template: the file -----------------------------------------------------------------------


def test_file_is_put_back_when_its_replacement_is_undone(place: Path) -> None:
    conf = place / "upstream.conf"
    conf.write_bytes(b"# by hand\r\n")
    undo = routers().point(file(conf), "green")
    assert conf.read_bytes() == GREEN
    assert undo()
    assert conf.read_bytes() == b"# by hand\r\n"
    assert beside(place) == []


def test_file_is_removed_when_making_the_first_file_is_undone(place: Path) -> None:
    conf = place / "upstream.conf"
    undo = routers().point(file(conf), "green")
    assert conf.read_bytes() == GREEN
    assert undo()
    assert not conf.exists()


@pytest.mark.parametrize("foreign", [BLUE, b"", None])
def test_file_is_not_put_back_when_somebody_else_changed_it(
    place: Path, foreign: bytes | None
) -> None:
    conf = place / "upstream.conf"
    conf.write_bytes(BLUE)
    undo = routers().point(file(conf), "green")
    conf.unlink()
    if foreign is not None:
        conf.write_bytes(foreign)
    assert not undo()
    assert (conf.read_bytes() if conf.exists() else None) == foreign


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_file_keeps_its_rights_when_replaced_and_put_back(place: Path, mode: int) -> None:
    conf = place / "upstream.conf"
    conf.write_bytes(BLUE)
    conf.chmod(mode)
    undo = routers().point(file(conf), "green")
    assert stat.S_IMODE(conf.stat().st_mode) == mode
    undo()
    assert stat.S_IMODE(conf.stat().st_mode) == mode


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_file_keeps_its_owner_when_replaced(place: Path) -> None:
    conf = place / "upstream.conf"
    conf.write_bytes(BLUE)
    os.chown(conf, 65534, 65534)
    routers().point(file(conf), "green")
    assert (conf.stat().st_uid, conf.stat().st_gid) == (65534, 65534)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_file_of_another_user_is_replaced_when_its_folder_may_be_written(common: Path) -> None:
    conf = common / "upstream.conf"
    conf.write_bytes(BLUE)
    os.chown(common, 65534, 65534)

    def replaced() -> None:
        routers().point(file(conf), "green")
        assert conf.read_bytes() == GREEN
        assert conf.stat().st_uid == 65534

    in_child(lambda: as_another_user(replaced))


def test_file_is_written_and_the_link_stays_when_the_path_is_a_link(place: Path) -> None:
    (place / "available").mkdir()
    (place / "available/shop.conf").write_bytes(BLUE)
    (place / "enabled.conf").symlink_to("available/shop.conf")
    assert routers().read(file(place / "enabled.conf")).written == "blue"
    routers().point(file(place / "enabled.conf"), "green")
    assert (place / "enabled.conf").is_symlink()
    assert (place / "available/shop.conf").read_bytes() == GREEN
    with routers().held(file(place / "enabled.conf"), 0):
        assert beside(place / "available") == [".shop.conf.templedb-lock"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "links in a circle"])
def test_path_is_not_replaced_when_it_is_not_a_regular_file(place: Path, kind: str) -> None:
    conf = place / "upstream.conf"
    match kind:
        case "folder":
            conf.mkdir()
        case "pipe":
            os.mkfifo(conf)
        case _:
            conf.symlink_to("upstream.conf")
    before = conf.lstat().st_ino
    assert routers().read(file(conf)).written == ""
    with pytest.raises(RouterFailed, match=r"not a regular file|Is a directory|symbolic links"):
        routers().point(file(conf), "green")
    assert conf.lstat().st_ino == before


def test_written_slot_is_known_when_the_file_holds_the_text_of_a_slot(place: Path) -> None:
    conf = place / "upstream.conf"
    assert routers().read(file(conf)).written == ""
    routers().point(file(conf), "green")
    reading = routers().read(file(conf))
    assert (named(reading), reading.written, reading.pending) == ("blue", "green", "green")
    conf.write_bytes(BLUE + b" ")
    assert routers().read(file(conf)).written == ""
    conf.write_bytes(BLUE)
    assert routers().read(file(conf)).pending == ""


# --- a process that dies, and others beside it ------------------------------------------------

PROLOGUE = """\
import os, sys
from pathlib import Path
from templedb_nb import failpoints
from tests.routers.test_routers import file, link, routers
kind, place = sys.argv[1], Path(sys.argv[2])
which = link(place / "current") if kind == "link" else file(place / "upstream.conf")
"""


@contextmanager
def process(text: str, kind: str, place: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a program of ours, which is killed at the end of the block if it still runs."""
    words = [sys.executable, "-c", PROLOGUE + textwrap.dedent(text), kind, str(place)]
    root, pipe = Path(__file__).parents[2], subprocess.PIPE
    with subprocess.Popen(words, text=True, stdin=pipe, stdout=pipe, cwd=root) as started:
        try:
            yield started
        finally:
            started.kill()


def line(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    return started.stdout.readline().strip()


def placed(kind: str, place: Path) -> tuple[RoutedGroup, str]:
    """Return a router, and the name of what it replaces."""
    name = "current" if kind == "link" else "upstream.conf"
    return (link if kind == "link" else file)(place / name), name


def contents(kind: str, place: Path) -> str:
    return points_to(place / "current") if kind == "link" else (place / "upstream.conf").read_text()


DIES = """
failpoints.arm("router.prepared:kill9")
with routers().held(which, 0):
    routers().point(which, "green")
"""
HOLDS = """
print("begins", flush=True)
with routers().held(which, 600):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["link", "file"])
def test_router_keeps_its_former_content_when_the_process_dies_before_the_replacement(
    place: Path, kind: str
) -> None:
    which, name = placed(kind, place)
    routers().point(which, "blue")
    before = contents(kind, place)
    with process(DIES, kind, place) as died:
        assert died.wait() == -signal.SIGKILL
    assert contents(kind, place) == before
    assert beside(place) == [f".{name}.templedb-lock", f".{name}.templedb-new"]
    with routers().held(which, 0):
        routers().point(which, "green")
    assert "green" in contents(kind, place)
    assert beside(place) == [f".{name}.templedb-lock"]


@pytest.mark.parametrize("kind", ["link", "file"])
def test_lock_keeps_another_process_away_when_its_holder_still_runs(place: Path, kind: str) -> None:
    which, name = placed(kind, place)
    lock = place / f".{name}.templedb-lock"
    with process(HOLDS, kind, place) as holder:
        assert [line(holder), line(holder)] == ["begins", "held"]
        with (
            pytest.raises(Busy, match=f"another run holds {lock}") as error,
            routers().held(which, 0),
        ):
            pass
        assert f"fuser -v {lock}" in error.value.hint
        with process(HOLDS, kind, place) as waiting:
            assert line(waiting) == "begins"
            holder.kill()
            assert line(waiting) == "held"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_lock_can_be_held_when_another_user_made_the_lock_file(common: Path) -> None:
    which = link(common / "current")
    before = os.umask(0o077)
    try:
        with routers().held(which, 0):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((common / ".current.templedb-lock").stat().st_mode) == 0o644

    def held() -> None:
        with routers().held(which, 0):
            pass

    in_child(lambda: as_another_user(held))


def test_command_router_has_no_lock_and_no_file() -> None:
    which = asking(RouterStatus(command="echo blue"))
    with routers().held(which, 0), routers().held(which, 0):
        assert routers().point(which, "green")()


READS = """
read = place / "current" / "name" if kind == "link" else place / "upstream.conf"
wrong, seen = 0, set()
print("reads", flush=True)
for _ in range(100_000):
    try:
        seen.add(read.read_text())
    except OSError:
        wrong += 1
print(wrong, sorted(seen), flush=True)
"""


@pytest.mark.parametrize("kind", ["link", "file"])
def test_reader_never_meets_a_gap_when_slots_are_switched_in_a_tight_loop(
    place: Path, kind: str
) -> None:
    """No read of 100,000 finds nothing, or half of something, while both slots are switched."""
    which, _ = placed(kind, place)
    routers().point(which, "blue")
    switches = 0
    with process(READS, kind, place) as reader:
        assert line(reader) == "reads"
        while reader.poll() is None:
            routers().point(which, ("green", "blue")[switches % 2])
            switches += 1
        expected = {"link": ["blue", "green"], "file": [BLUE.decode(), GREEN.decode()]}[kind]
        assert line(reader) == f"0 {expected}"
    assert switches > 100


# --- a status page ----------------------------------------------------------------------------


def page(talk: Talk, within_s: int = 60, **status: Any) -> RouterReading:
    with serving(talk) as server:
        asked = RouterStatus(url=server.url, timeout_s=within_s, **status)
        reading = routers().read(asking(asked))
        assert len(server.asked) == 1
        return reading


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "503 Down", "502 Bad Gateway"])
def test_header_names_the_slot_when_the_answer_has_any_status(status: str) -> None:
    reading = page(saying(b"", status, "x-slot:  blue "), header="X-Slot")
    assert named(reading) == "blue"
    assert reading.message.endswith(f"answered {status[:3]} with X-Slot: blue")


@pytest.mark.parametrize("body", [b"slot=blue\n", b"up\r\nslot=blue\r\nversion=3", b"slot= blue"])
def test_pattern_names_the_slot_when_the_body_matches(body: bytes) -> None:
    assert named(page(saying(body, "500 Oops"), pattern=r"slot=\s*(\S*)")) == "blue"


def test_header_names_the_slot_when_the_answer_is_a_redirect() -> None:
    talk = saying(b"", "302 Found", "Location: /login", "X-Slot: green")
    assert named(page(talk, header="X-Slot")) == "green"


@pytest.mark.parametrize("value", ["purple", "Blue", "blue2", "blue, green", "", "***"])
def test_header_names_no_slot_when_it_has_another_value(value: str) -> None:
    reading = page(saying(b"", "200 OK", f"X-Slot: {value}"), header="X-Slot")
    assert reading.state is RouterState.UNKNOWN
    assert f"X-Slot: {value}" in reading.message
    assert reading.message.endswith("which names none of the slots blue, green")


def test_headers_name_no_slot_when_they_differ() -> None:
    reading = page(saying(b"", "200 OK", "X-Slot: blue", "X-Slot: green"), header="X-Slot")
    assert reading.state is RouterState.UNKNOWN
    assert "X-Slot: blue, green: 2 different values" in reading.message
    same = page(saying(b"", "200 OK", "X-Slot: blue", "X-Slot: blue"), header="X-Slot")
    assert named(same) == "blue"


def test_answer_names_no_slot_when_the_header_is_missing() -> None:
    reading = page(saying(b"X-Slot: blue"), header="X-Slot")
    assert reading.state is RouterState.UNKNOWN
    assert "answered 200 without the header X-Slot" in reading.message


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "an empty body"),
        (b"<h1>\x1b[31mWelcome</h1>\n" + b"x" * 200, "body '<h1>\ufffd[31mWelcome</h1> xxx"),
    ],
)
def test_answer_names_no_slot_when_the_body_does_not_match(body: bytes, told: str) -> None:
    reading = page(saying(body), pattern=r"slot=(\w+)|nothing")
    assert reading.state is RouterState.UNKNOWN
    assert told in reading.message
    assert len(reading.message) < 250


def test_pattern_names_no_slot_when_its_group_took_no_part() -> None:
    assert page(saying(b"up"), pattern=r"slot=(\w+)|up").state is RouterState.UNKNOWN


def test_header_names_the_slot_when_the_body_never_ends() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Slot: blue\r\nContent-Length: 1000000\r\n\r\n"
    with serving(lambda *given: dripping(head, b".", lambda: server.stop)(*given)) as server:
        asked = RouterStatus(url=server.url, timeout_s=1, header="X-Slot")
        assert named(routers().read(asking(asked))) == "blue"
        asked = RouterStatus(url=server.url, timeout_s=1, pattern="(blue)")
        reading = routers().read(asking(asked))
    assert reading.state is RouterState.SILENT
    assert reading.message == f"{asked.url}: the body did not end within 1 s"


def test_router_is_silent_when_nobody_listens_at_the_port() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        reading = routers().read(asking(RouterStatus(url=url, header="X-Slot")))
    assert reading.state is RouterState.SILENT
    assert reading.message.startswith(f"{url}: ")
    assert "refused" in reading.message


def test_router_is_silent_when_the_server_never_answers() -> None:
    with serving(lambda *_: server.stop.wait() and None) as server:
        asked = RouterStatus(url=server.url, timeout_s=1, header="X-Slot")
        reading = routers().read(asking(asked))
        server.stop.set()
    assert reading.state is RouterState.SILENT
    assert "within 1 s" in reading.message


def test_router_is_silent_when_the_pattern_never_ends() -> None:
    reading = page(saying(b"a" * 40), within_s=1, pattern=r"^(a+)+$x")
    assert reading.state is RouterState.SILENT
    assert "the patterns may be too slow" in reading.message


def test_answer_is_masked_when_it_holds_a_secret() -> None:
    masker = Masker()
    masker.add("TOKEN", "correct-horse-battery")
    with serving(saying(b"", "200 OK", "X-Slot: correct-horse-battery")) as server:
        asked = RouterStatus(url=server.url, header="X-Slot")
        reading = routers(masker=masker).read(asking(asked))
    assert reading.state is RouterState.UNKNOWN
    assert "correct-horse" not in reading.message
    command = RouterStatus(command="echo correct-horse-battery >&2; exit 3")
    said = routers(masker=masker).read(asking(command)).message
    assert said == "the status command: exit status 3: ***[TOKEN]"


def test_status_url_is_asked_when_it_names_a_variable_that_has_a_value() -> None:
    with serving(saying(b"", "200 OK", "X-Slot: blue")) as server:
        asked = RouterStatus(url="http://{var:HOST}/", header="X-Slot")
        host = {"HOST": f"127.0.0.1:{server.port}"}
        reading = routers(values=host).read(asking(asked))
        assert named(reading) == "blue"
        assert reading.message == "http://{var:HOST}/ answered 200 with X-Slot: blue"
        silent = routers().read(asking(asked))
    assert silent.state is RouterState.SILENT
    assert silent.message == "http://{var:HOST}/: HOST has no value"


# --- a status command -------------------------------------------------------------------------


def command(text: str, *environment: tuple[str, str], within_s: int = 60) -> RouterReading:
    return routers().read(asking(RouterStatus(command=text, timeout_s=within_s), *environment))


@pytest.mark.parametrize(
    "text",
    [
        "echo blue",
        "printf blue",
        "echo green; printf ' blue \\r\\n\\n  \\n'",
        "echo blue; echo 'warning: green is deprecated' >&2",
        "cat <<'EOF'\n\"' $quoted\nblue\nEOF",
        "echo blue | cat",
    ],
)
def test_last_line_names_the_slot_when_the_command_writes_to_standard_output(text: str) -> None:
    assert named(command(text)) == "blue"


def test_status_command_gets_the_variables_of_its_group() -> None:
    text = 'echo "$WHICH"; [ "$TEMPLEDB_STEP" = switch ]'
    assert named(command(text, ("WHICH", "green"))) == "green"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("echo purple", "wrote 'purple', which names none of the slots blue, green"),
        ("echo blue green", "wrote 'blue green'"),
        ("echo blue >&2", "wrote nothing"),
        ("true", "wrote nothing"),
    ],
)
def test_status_command_names_no_slot_when_it_writes_something_else(text: str, told: str) -> None:
    reading = command(text)
    assert reading.state is RouterState.UNKNOWN
    assert told in reading.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("echo blue; exit 3", "the status command: exit status 3: blue"),
        ("echo blue; echo no route >&2; false", "the status command: exit status 1: no route"),
        ("echo blue; echo $nothing", "exit status 1"),
        ("false | echo blue", "the status command: exit status 1"),
        ("no-such-program", "exit status 127"),
    ],
)
def test_status_command_is_silent_when_it_fails(text: str, told: str) -> None:
    reading = command(text)
    assert reading.state is RouterState.SILENT
    assert told in reading.message


def test_status_command_is_silent_and_ended_when_it_takes_too_long(tmp_path: Path) -> None:
    reading = command(f"echo $$ > {tmp_path}/pid; echo blue; sleep 600", within_s=1)
    assert reading.state is RouterState.SILENT
    assert reading.message == "the status command: it did not end within 1 s"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_status_command_is_silent_when_its_folder_is_gone(tmp_path: Path) -> None:
    root = tmp_path / "gone"
    reading = routers(root).read(asking(RouterStatus(command="echo blue")))
    assert reading.state is RouterState.SILENT
    assert str(root) in reading.message


# --- the routers of a target ------------------------------------------------------------------


def config(router: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "web",
        "deploy_command": "true",
        "env": {"FIRST": "green"},
        "health_check": {"type": "tcp", "host": "127.0.0.1", "port": 1},
        "blue_green": {"slots": ["blue", "green"], "router": router},
    }


def of_target(terminal: Terminal, router: dict[str, Any], answer: Answer) -> None:
    """Give *answer* the routers of a target whose config has that router."""
    terminal.files(which="blue\n")
    terminal("project", "import", "app")
    terminal.config(config(router))
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "PAGE", "127.0.0.1:9", "--target", "staging")
    made = Container.open()
    with ExitStack() as held, made.state.transaction():
        case = made.plans.case(made.projects.pick("app"), "staging", sync=False)
        (group,) = case.current.config.groups
        assert group.blue_green is not None
        which = RoutedGroup(group=group.name, blue_green=group.blue_green, environment=group.env)
        tree = case.release.tree
        answer(routers_of(made.health_surroundings, case, tree, held), which)


def test_router_link_is_below_the_project_folder_when_taken_from_a_target(
    terminal: Terminal,
) -> None:
    def answer(found: Routers, which: RoutedGroup) -> None:
        assert found.read(which).state is RouterState.ABSENT
        (terminal.home / "app/slots/green").mkdir(parents=True)
        with found.held(which, 0):
            found.point(which, "green")
        assert named(found.read(which)) == "green"

    of_target(terminal, {"type": "symlink", "path": "current", "to": "slots/{slot}"}, answer)
    assert points_to(terminal.home / "app/current") == "slots/green"


@pytest.mark.parametrize(
    ("text", "slot"),
    [
        ("cat which", "blue"),
        ('echo "$FIRST"', "green"),
        ('test "$DEPLOYMENT_TARGET" = staging; echo blue', "blue"),
    ],
)
def test_status_command_runs_as_those_of_its_group_when_taken_from_a_target(
    terminal: Terminal, text: str, slot: str
) -> None:
    def answer(found: Routers, which: RoutedGroup) -> None:
        assert named(found.read(which)) == slot

    router = {"type": "command", "switch_command": "true", "status": {"command": text}}
    of_target(terminal, router, answer)


def test_status_url_gets_the_variables_of_the_target_when_it_names_them(terminal: Terminal) -> None:
    def answer(found: Routers, which: RoutedGroup) -> None:
        reading = found.read(which)
        assert reading.state is RouterState.SILENT
        assert reading.message.startswith("http://{var:PAGE}/status: ")
        assert "refused" in reading.message

    status = {"url": "http://{var:PAGE}/status", "header": "X-Slot"}
    router = {"type": "command", "switch_command": "true", "status": status}
    of_target(terminal, router, answer)


def test_status_url_is_refused_when_its_variable_is_malformed(terminal: Terminal) -> None:
    status = {"url": "http://{var: PAGE}/status", "header": "X-Slot"}
    router = {"type": "command", "switch_command": "true", "status": status}
    terminal.files(which="blue\n")
    terminal("project", "import", "app")
    path = terminal.file("config.json", json.dumps({"groups": [config(router)]}))
    said = terminal("deploy", "config", "app", "--set", str(path), code=78)
    assert "router.status.url: has a {var:…} that names no variable" in said.err
