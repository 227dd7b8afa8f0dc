"""How a project's folder is read: each byte once, nothing outside, all problems at once."""

import hashlib
import multiprocessing
import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from templedb_nb.files.scan import PART, Unreadable, scan

EVER = 10**30
SECOND = 10**9


class Kept:
    """A sink that keeps everything, and may do something mean at the first bytes of a file."""

    def __init__(self, meanwhile=None):
        self.blobs = {}
        self.parts = []
        self.discarded = 0
        self._open = []
        self._meanwhile = meanwhile

    def write(self, part):
        if self._meanwhile:
            meanwhile, self._meanwhile = self._meanwhile, None
            meanwhile()
        self.parts.append(len(part))
        self._open.append(part)

    def commit(self, blob, size):
        body = b"".join(self._open)
        assert (hashlib.sha256(body).hexdigest(), len(body)) == (blob, size)
        self.blobs[blob] = body
        self._open = []

    def discard(self):
        self.discarded += 1
        self._open = []


def read(root, sink=None, known=(), known_at_ns=0):
    sink = sink or Kept()
    return scan(root, {each.path: each for each in known}, sink, known_at_ns=known_at_ns), sink


def paths(found):
    return [each.path for each in found.files]


def test_every_file_is_addressed_by_the_bytes_that_were_handed_on(tmp_path):
    write(tmp_path / "b/c.sql", b"SELECT 1")
    write(tmp_path / "a.sh", b"#!/bin/sh", mode=0o755)
    found, sink = read(tmp_path)
    bodies = {each.path: sink.blobs[each.blob] for each in found.files}
    assert bodies == {"a.sh": b"#!/bin/sh", "b/c.sql": b"SELECT 1"}
    assert [(each.size, each.executable) for each in found.files] == [(9, True), (8, False)]
    assert found.fresh == {"a.sh", "b/c.sql"}


def test_scan_gives_paths_in_order_when_names_have_mixed_characters(tmp_path):
    for name in ("b", "a/z", "a.b", "a-b", "B", "é", "a0"):
        write(tmp_path / name, b"")
    found, _ = read(tmp_path)
    assert paths(found) == sorted(paths(found)) == ["B", "a-b", "a.b", "a/z", "a0", "b", "é"]


def test_file_is_read_in_parts_by_its_size_when_empty_small_or_large(tmp_path):
    write(tmp_path / "empty", b"")
    _, sink = read(tmp_path)
    assert sink.parts == []
    assert list(sink.blobs.values()) == [b""]
    write(tmp_path / "empty", b"x" * PART)
    _, sink = read(tmp_path)
    assert sink.parts == [PART]
    write(tmp_path / "empty", b"x" * (2 * PART + 1))
    _, sink = read(tmp_path)
    assert sink.parts == [PART, PART, 1]


def test_file_is_neither_read_nor_told_when_ignored(tmp_path):
    write(tmp_path / ".env", b"SECRET=1")
    write(tmp_path / "node_modules/a.js", b"")
    write(tmp_path / "sub/out/b", b"")
    write(tmp_path / "sub/.gitignore", b"out/\n*.lnk\n")
    (tmp_path / "sub/x.lnk").symlink_to("nowhere")
    found, _ = read(tmp_path)
    assert paths(found) == ["sub/.gitignore"]
    assert found.skipped == ()


def test_file_is_not_read_again_when_unchanged(tmp_path):
    write(tmp_path / "a", b"1")
    first, _ = read(tmp_path)
    again, sink = read(tmp_path, known=first.files, known_at_ns=EVER)
    assert again.files == first.files
    assert again.fresh == frozenset()
    assert sink.blobs == {}


def test_file_is_read_again_when_touched_shortly_before_the_last_scan(tmp_path):
    write(tmp_path / "a", b"1")
    first, _ = read(tmp_path)
    touched = first.files[0].ctime_ns
    shortly, _ = read(tmp_path, known=first.files, known_at_ns=touched + SECOND)
    later, _ = read(tmp_path, known=first.files, known_at_ns=touched + 3 * SECOND)
    assert (shortly.fresh, later.fresh) == ({"a"}, set())


def test_file_is_read_again_when_changed_at_equal_size_with_its_time_put_back(tmp_path):
    write(tmp_path / "a", b"1")
    first, _ = read(tmp_path)
    write(tmp_path / "a", b"2")
    os.utime(tmp_path / "a", ns=(first.files[0].mtime_ns, first.files[0].mtime_ns))
    again, sink = read(tmp_path, known=first.files, known_at_ns=EVER)
    assert list(sink.blobs.values()) == [b"2"]
    assert again.fresh == {"a"}


def test_file_is_read_again_when_replaced_by_another_with_the_same_size_and_time(tmp_path):
    write(tmp_path / "a", b"1")
    first, _ = read(tmp_path)
    write(tmp_path / "b", b"2")
    os.utime(tmp_path / "b", ns=(first.files[0].mtime_ns, first.files[0].mtime_ns))
    (tmp_path / "b").replace(tmp_path / "a")
    _, sink = read(tmp_path, known=first.files, known_at_ns=EVER)
    assert list(sink.blobs.values()) == [b"2"]


def test_file_is_told_as_changed_when_its_execute_bit_changes(tmp_path):
    write(tmp_path / "a", b"1")
    first, _ = read(tmp_path)
    (tmp_path / "a").chmod(0o755)
    again, _ = read(tmp_path, known=first.files, known_at_ns=EVER)
    assert again.files[0].executable
    assert again.fresh == {"a"}


def test_links_are_told_and_never_followed_when_they_lie_in_the_folder(tmp_path):
    outside = write(tmp_path / "outside/secret", b"secret")
    root = tmp_path / "root"
    write(root / "a", b"1")
    (root / "file").symlink_to(outside)
    (root / "folder").symlink_to(outside.parent)
    (root / "broken").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    (root / "within").symlink_to("a")
    found, sink = read(root)
    assert paths(found) == ["a"]
    assert list(sink.blobs.values()) == [b"1"]
    assert [each.path for each in found.skipped] == ["broken", "file", "folder", "loop", "within"]
    out = {each.path for each in found.skipped if each.reason.endswith("leads out of the project")}
    assert out == {"file", "folder"}
    assert all(each.reason.startswith("is a symbolic link") for each in found.skipped)


def test_ignore_file_has_no_effect_when_it_is_a_link(tmp_path):
    rules = write(tmp_path / "rules", b"*\n")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/.gitignore").symlink_to(rules)
    write(tmp_path / "root/a", b"")
    assert paths(read(tmp_path / "root")[0]) == ["a"]


def test_scan_reads_the_folder_when_its_root_is_a_link(tmp_path):
    write(tmp_path / "root/a", b"")
    (tmp_path / "link").symlink_to("root")
    assert paths(read(tmp_path / "link")[0]) == ["a"]


def test_pipes_and_sockets_are_told_when_they_lie_in_the_folder(short_path):
    os.mkfifo(short_path / "pipe")
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(str(short_path / "socket"))
        found, _ = read(short_path)
    assert [(each.path, each.reason) for each in found.skipped] == [
        ("pipe", "is a named pipe"),
        ("socket", "is a socket"),
    ]


def test_scan_tells_the_root_when_the_root_is_missing(tmp_path):
    assert troubles(tmp_path / "nowhere") == {".": "cannot be read: No such file or directory"}


def test_scan_tells_all_unreadable_paths_together_when_there_are_several(common):
    write(common / "fine", b"")
    write(common / "closed/a", b"")
    write(common / "listed/a", b"")
    write(common / "listed/b/c", b"")
    write(common / "locked", b"", mode=0)
    write(common / "rules/.gitignore", b"", mode=0)
    write(common / "quiet/node_modules/a", b"")
    (common / "closed").chmod(0)
    (common / "listed").chmod(0o600)
    (common / "quiet/node_modules").chmod(0)
    denied = "cannot be read: Permission denied"

    def check():
        names = ("closed/", "listed/a", "listed/", "locked", "rules/.gitignore")
        assert troubles(common) == dict.fromkeys(names, denied)

    as_nobody(common, check)


def test_file_name_is_told_unless_ignored_when_it_is_not_utf8(tmp_path):
    try:
        Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.sql")).touch()
        Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.log")).touch()
        Path(os.fsdecode(bytes(tmp_path) + b"/d\xff")).mkdir()
    except OSError:
        return  # this file system takes no such name, so no project can have one
    write(tmp_path / ".gitignore", b"*.log\n")
    reason = "has a name that is not UTF-8"
    assert troubles(tmp_path) == {"caf\\xe9.sql": reason, "d\\xff": reason}


def test_scan_tells_the_folder_when_it_vanishes_during_the_scan(tmp_path):
    write(tmp_path / "a", b"1")
    write(tmp_path / "z/b", b"2")
    found = troubles(tmp_path, meanwhile=lambda: shutil.rmtree(tmp_path / "z"))
    assert found == {"z/": "vanished while the folder was read"}


def test_scan_leads_nowhere_when_a_folder_is_swapped_for_a_link(tmp_path):
    write(tmp_path / "outside/secret", b"secret")
    root = tmp_path / "root"
    write(root / "a", b"1")
    write(root / "z/b", b"2")

    def swap():
        (root / "z").rename(tmp_path / "elsewhere")
        (root / "z").symlink_to(tmp_path / "outside")

    sink = Kept(swap)
    with pytest.raises(Unreadable) as caught:
        read(root, sink)
    assert [each.path for each in caught.value.problems] == ["z/"]
    assert list(sink.blobs.values()) == [b"1"]


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_scan_tells_the_file_when_it_is_swapped_at_the_last_instant(tmp_path, kind):
    outside = write(tmp_path / "outside/secret", b"secret")
    file = write(tmp_path / "root/a", b"1")
    spare = tmp_path / "spare"
    spare.symlink_to(outside) if kind == "link" else os.mkfifo(spare)

    def swap_before_open(event, facts):
        if event == "open" and facts[0] == "a" and os.path.lexists(spare):
            spare.replace(file)

    def check():
        sys.addaudithook(swap_before_open)
        sink = Kept()
        with pytest.raises(Unreadable) as caught:
            read(file.parent, sink)
        assert [each.path for each in caught.value.problems] == ["a"]
        assert sink.blobs == {}

    in_child(check)


def test_scan_does_not_follow_when_a_folder_is_moved_away_while_being_read(tmp_path):
    root = tmp_path / "root"
    write(root / "a/b/c/file", b"1")
    write(root / "a/other", b"")
    write(tmp_path / "outside/secret", b"secret")
    write(tmp_path / "outside/deep/secret", b"secret")
    sink = Kept(lambda: (root / "a/b").rename(tmp_path / "outside/b"))
    with pytest.raises(Unreadable) as caught:
        read(root, sink)
    assert "was moved while it was read" in str(caught.value)
    assert b"secret" not in sink.blobs.values()


def test_scan_tells_the_folder_and_reads_the_rest_when_it_was_moved_before_entry(tmp_path):
    root = tmp_path / "root"
    write(root / "a/file", b"1")
    write(root / "a/b/other", b"2")
    found = troubles(root, meanwhile=lambda: (root / "a").rename(tmp_path / "a"))
    assert found == {"a/": "was moved while it was read"}


def test_file_is_read_again_when_it_changes_while_being_read(tmp_path):
    file = write(tmp_path / "a", b"1" * (PART + 1))
    sink = Kept(lambda: write(file, b"2" * (PART + 7)))
    found, _ = read(tmp_path, sink)
    assert sink.discarded == 1
    assert list(sink.blobs.values()) == [b"2" * (PART + 7)]
    assert found.files[0].size == PART + 7


def test_file_is_told_when_it_never_stops_changing(tmp_path):
    file = write(tmp_path / "log", b"1")

    class Restless(Kept):
        def write(self, part):
            with file.open("ab") as more:
                more.write(b"2")
            super().write(part)

    sink = Restless()
    with pytest.raises(Unreadable) as caught:
        read(tmp_path, sink)
    assert caught.value.problems[0].reason == "changes while it is read"
    assert sink.blobs == {}


def test_scan_ends_with_the_error_of_the_sink_when_the_sink_fails(tmp_path):
    write(tmp_path / "a", b"1")

    def fail():
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        read(tmp_path, Kept(fail))


def test_scan_leaves_no_descriptor_open_when_it_succeeds_or_fails(tmp_path):
    write(tmp_path / "a/b/c/d", b"1")
    (tmp_path / "e").mkdir()
    before = open_descriptors()
    read(tmp_path)
    with pytest.raises(Unreadable):
        read(tmp_path, Kept(lambda: (tmp_path / "a/b").rename(tmp_path / "b")))
    assert open_descriptors() == before


def test_tree_is_read_when_deeper_than_the_limits_of_descriptors_and_frames(tmp_path):
    depth = 1500
    fd = os.open(tmp_path, os.O_RDONLY)
    for n in range(depth):
        os.close(os.open(f"f{n}", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)

    def check():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        found, _ = read(tmp_path)
        assert len(found.files) == depth
        assert "d/" * 1400 + "f1400" in {each.path for each in found.files}

    in_child(check)
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


HOSTILE = [
    "it's", 'say "so"', "line\nbreak", "$(touch x).sql", "-e.sql", "a b", " ", ".hidden", "`id`.sql",
    "back\\slash", "*", "[a]", "#no", "!no", "%s", "~", "tab\t", "💾", "a" * 255, "con", "a;b", "a|b",
    unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "ü"),
]  # fmt: skip
NAMES = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda name: name not in {".", ".."})
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=50), max_size=8
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tree=TREES)
def test_file_is_read_like_any_other_when_its_name_is_hostile(tree):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        planted = {path for path, body in tree.items() if plant(root, path, body)}
        found, sink = read(root)
        assert set(paths(found)) <= planted
        for each in found.files:
            body = Path(f"{root}/{each.path}").read_bytes()
            assert sink.blobs[each.blob] == body
        ignored = {".gitignore", ".templedbignore", ".env", ".git", ".hg", ".svn", ".templedb"}
        if not any(ignored & set(path.split("/")) or "." in path for path in planted):
            assert set(paths(found)) == planted


def plant(root, path, body):
    """Write a file, unless the file system has another in its way or takes no such name."""
    file = Path(f"{root}/{path}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as new:
            new.write(body)
    except OSError:
        return False
    return True


def write(file, body, mode=0o644):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    file.chmod(mode)
    return file


def open_descriptors():
    return sorted(each.name for each in Path("/dev/fd").iterdir())


def troubles(root, meanwhile=None):
    with pytest.raises(Unreadable) as caught:
        read(root, Kept(meanwhile))
    return {each.path: each.reason for each in caught.value.problems}


def in_child(check):
    """Run *check* in a process of its own, since what it does to itself lasts."""
    child = multiprocessing.get_context("fork").Process(target=check)
    child.start()
    child.join()
    assert child.exitcode == 0, "the child failed: its traceback is on stderr"


def as_nobody(folder, check):
    """Run *check* as somebody whom modes bind: root may read everything."""
    if os.geteuid() != 0:
        check()
        return
    for each in [folder, *folder.rglob("*")]:
        os.chown(each, 65534, 65534)

    def drop():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        check()

    in_child(drop)


@pytest.fixture
def common():
    """A folder that every user can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for each in (folder / "closed", folder / "listed", folder / "quiet/node_modules"):
        each.chmod(stat.S_IRWXU)
    shutil.rmtree(folder)


@pytest.fixture
def short_path():
    """A folder whose name leaves room for a socket's."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
