"""A release as a folder: whole after any crash, private, and never outside of its place."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import stat
import tempfile
import threading
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from templedb_nb.files import workfolder
from templedb_nb.files.scan import scan
from templedb_nb.files.workfolder import BlobDamaged, FolderOccupied, PathsUnfit, WorkFolder
from templedb_nb.model.file import FileEntry

FORK = multiprocessing.get_context("fork")


class Release:
    """Files in memory, and a store that remembers what it was asked for."""

    def __init__(self, tree, executable=()):
        self.tree = {path: as_bytes(body) for path, body in tree.items()}
        self.files = [
            FileEntry(path=p, blob=sha(b), size=len(b), executable=p in executable)
            for p, b in self.tree.items()
        ]
        self.bodies = {sha(body): body for body in self.tree.values()}
        self.asked = []

    def read(self, blobs):
        self.asked.append(list(blobs))
        return {blob: self.bodies[blob] for blob in blobs}.items()


@pytest.fixture
def folder(tmp_path):
    return WorkFolder(tmp_path / "state" / "work" / "shop" / "production")


def put(folder, release):
    with folder.hold():
        return folder.materialise(release.files, release.read)


def test_work_folder_holds_the_files_when_a_release_is_put(folder):
    release = Release({"a.sh": "#!", "b/c/d.sql": "SELECT 1", "b/empty": ""}, executable=["a.sh"])
    done = put(folder, release)
    assert content(folder.tree) == release.tree
    assert sorted(done.written) == ["a.sh", "b/c/d.sql", "b/empty"]
    assert (done.kept, done.removed) == ((), ())


@pytest.mark.parametrize("umask", [0, 0o077, 0o222])
def test_work_folder_is_private_when_the_umask_is_any(folder, umask):
    release = Release({"a.sh": "#!", "b/c": "1"}, executable=["a.sh"])

    def check():
        os.umask(umask)
        put(folder, release)

    in_child(check)
    assert {mode(each) for each in (folder.path, folder.tree, folder.tree / "b")} == {0o700}
    assert (mode(folder.tree / "a.sh"), mode(folder.tree / "b/c")) == (0o700, 0o600)


def test_parent_folders_are_private_when_the_work_folder_is_made(folder):
    put(folder, Release({"a": "1"}))
    assert {mode(each) for each in list(folder.path.parents)[:3]} == {0o700}


def test_work_folder_is_closed_when_it_was_open_to_others(folder):
    folder.path.mkdir(parents=True)
    folder.path.chmod(0o755)
    put(folder, Release({"a": "1"}))
    assert mode(folder.path) == 0o700


def test_file_is_not_asked_for_or_written_again_when_it_stands_already(folder):
    release = Release({"a": "1", "b/c": "2"})
    put(folder, release)
    inodes = {path: (folder.tree / path).stat().st_ino for path in release.tree}
    release.asked.clear()
    done = put(folder, release)
    assert (done.written, sorted(done.kept)) == ((), ["a", "b/c"])
    assert release.asked == []
    assert inodes == {path: (folder.tree / path).stat().st_ino for path in release.tree}


def test_file_is_written_only_when_it_differs(folder):
    put(folder, Release({"a": "1", "b": "2", "c": "3"}))
    release = Release({"a": "1", "b": "new", "c": "3", "d": "4"}, executable=["c"])
    assert sorted(put(folder, release).written) == ["b", "c", "d"]
    assert content(folder.tree) == release.tree
    assert mode(folder.tree / "c") == 0o700


def test_blob_is_asked_for_once_when_several_files_have_equal_bytes(folder):
    release = Release({"a": "same", "b/c": "same", "d": "same"})
    put(folder, release)
    assert release.asked == [[sha(b"same")]]
    assert content(folder.tree) == release.tree


def damage_append(file):
    with file.open("ab") as more:
        more.write(b"!")


def damage_same_size_and_time(file):
    before = file.stat()
    file.write_bytes(file.read_bytes().swapcase())
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def damage_mode(file):
    file.chmod(0o644)


def damage_delete(file):
    file.unlink()


def damage_link(file):
    file.unlink()
    file.symlink_to("/etc/hostname")


def damage_folder(file):
    file.unlink()
    (file / "deep").mkdir(parents=True)
    (file / "deep" / "output").touch()


def damage_parent(file):
    shutil.rmtree(file.parent)
    file.parent.touch()


DAMAGES = [
    damage_append,
    damage_same_size_and_time,
    damage_mode,
    damage_delete,
    damage_link,
    damage_folder,
    damage_parent,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_file_is_written_again_when_a_build_changed_it(folder, damage):
    release = Release({"src/a": "abc", "b": "1"})
    put(folder, release)
    damage(folder.tree / "src" / "a")
    done = put(folder, release)
    assert (done.written, done.kept) == (("src/a",), ("b",))
    assert content(folder.tree) == release.tree
    assert mode(folder.tree / "src" / "a") == 0o600


def test_change_is_noticed_when_made_in_the_very_next_instant(folder):
    release = Release({"a": "old"})
    for n in range(30):
        put(folder, release)
        fd = os.open(folder.tree / "a", os.O_WRONLY)
        os.write(fd, b"new")
        os.close(fd)
        assert put(folder, release).written == ("a",), f"round {n}"


def test_file_is_removed_with_its_empty_folders_when_a_newer_release_lacks_it(folder):
    put(folder, Release({"a": "1", "old/deep/b": "2", "old/c": "3", "stays/d": "4"}))
    done = put(folder, Release({"a": "1", "stays/e": "5"}))
    assert sorted(done.removed) == ["old/c", "old/deep/b", "stays/d"]
    assert sorted(p.name for p in folder.tree.rglob("*")) == ["a", "e", "stays"]


def test_build_output_stays_when_another_release_is_put(folder):
    put(folder, Release({"old/a": "1", "b": "2"}))
    write(folder.tree / "node_modules/x/index.js", b"made")
    write(folder.tree / "old/made", b"made")
    put(folder, Release({"b": "3"}))
    made = {"node_modules/x/index.js": b"made", "old/made": b"made"}
    assert content(folder.tree) == {"b": b"3", **made}


def test_folder_of_a_build_stays_when_it_replaced_a_file_of_an_old_release(folder):
    put(folder, Release({"a": "1", "b": "2"}))
    (folder.tree / "a").unlink()
    write(folder.tree / "a/made", b"made")
    put(folder, Release({"b": "2"}))
    assert content(folder.tree) == {"b": b"2", "a/made": b"made"}


def test_path_is_replaced_when_a_file_becomes_a_folder_or_a_folder_a_file(folder):
    for tree in ({"a": "1", "b/c": "2"}, {"a/x": "1", "b": "2"}, {"a": "1", "b/c": "2"}):
        release = Release(tree)
        put(folder, release)
        assert content(folder.tree) == release.tree


def test_build_output_is_removed_when_it_is_in_the_way_of_a_release(folder):
    put(folder, Release({"x": "1"}))
    write(folder.tree / "dist/deep/made", b"made")
    write(folder.tree / "lib", b"made")
    release = Release({"x": "1", "dist": "file", "lib/a": "folder"})
    put(folder, release)
    assert content(folder.tree) == release.tree


def test_link_is_replaced_and_not_followed_when_it_took_the_place_of_a_folder(folder, tmp_path):
    write(tmp_path / "outside/a", b"theirs")
    write(tmp_path / "outside/gone", b"theirs")
    put(folder, Release({"src/a": "1", "src/gone": "2", "b/c/d": "3"}))
    for path in ("src", "b"):
        shutil.rmtree(folder.tree / path)
        (folder.tree / path).symlink_to(tmp_path / "outside")
    release = Release({"src/a": "1", "b/c/d": "3", "new/e": "4"})
    put(folder, release)
    assert content(folder.tree) == release.tree
    assert content(tmp_path / "outside") == {"a": b"theirs", "gone": b"theirs"}


def test_file_behind_a_link_is_kept_when_the_link_leads_to_an_old_path(folder, tmp_path):
    write(tmp_path / "outside/gone", b"theirs")
    put(folder, Release({"src/gone": "2", "b": "1"}))
    shutil.rmtree(folder.tree / "src")
    (folder.tree / "src").symlink_to(tmp_path / "outside")
    put(folder, Release({"b": "1"}))
    assert content(tmp_path / "outside") == {"gone": b"theirs"}


def test_link_is_replaced_when_the_file_behind_it_is_equal(folder, tmp_path):
    release = Release({"src/a": "1"})
    put(folder, release)
    (folder.tree / "src").rename(tmp_path / "outside")
    (folder.tree / "src").symlink_to(tmp_path / "outside")
    assert put(folder, release).written == ("src/a",)
    assert not (folder.tree / "src").is_symlink()


def test_link_is_replaced_when_it_took_the_place_of_the_whole_tree(folder, tmp_path):
    write(tmp_path / "outside/theirs", b"theirs")
    release = Release({"a": "1"})
    put(folder, release)
    shutil.rmtree(folder.tree)
    folder.tree.symlink_to(tmp_path / "outside")
    put(folder, release)
    assert content(folder.tree) == release.tree
    assert content(tmp_path / "outside") == {"theirs": b"theirs"}


def test_link_is_not_followed_when_it_lies_below_a_folder_that_is_removed(folder, tmp_path):
    write(tmp_path / "outside/theirs", b"theirs")
    put(folder, Release({"x": "1"}))
    (folder.tree / "dist").mkdir()
    (folder.tree / "dist" / "link").symlink_to(tmp_path / "outside")
    put(folder, Release({"x": "1", "dist": "2"}))
    assert content(tmp_path / "outside") == {"theirs": b"theirs"}


@pytest.mark.parametrize("modes", [(0, 0), (0o500, 0o500), (0o400, 0o700)])
def test_folder_is_opened_again_when_a_build_closed_it(common, modes):
    def check():
        folder = WorkFolder(common / "work")
        put(folder, Release({"a/b/c": "1", "a/old/d": "2", "e": "3"}))
        write(folder.tree / "cache/deep/made", b"made")
        for path, its_mode in zip(("a/b", "a", "cache/deep", "cache"), modes * 2, strict=True):
            (folder.tree / path).chmod(its_mode)
        release = Release({"a/b/c": "new", "e": "3", "cache": "file"})
        put(folder, release)
        assert content(folder.tree) == release.tree

    as_nobody(common, check)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/etc/passwd", "../x", "a/../../x", "a/..", "..", ".", "./a", "a/./b"),
        *("a//b", "a/", "/", "a\0b", "\0", "a\udcff", "//x"),
    ],
)
def test_release_is_refused_before_anything_is_written_when_a_path_could_lead_elsewhere(
    folder, path
):
    with pytest.raises(PathsUnfit):
        put(folder, Release({"fine": "1", path: "2"}))
    assert not (folder.tree / "fine").exists()


def test_paths_are_all_named_at_once_when_several_are_unfit(folder):
    with pytest.raises(PathsUnfit) as caught:
        put(folder, Release({"../a": "", "b": "", "/c": "", "d//e": ""}))
    assert len(caught.value.problems) == 3


def test_release_is_refused_when_a_path_is_given_twice(folder):
    release = Release({"a": "1"})
    release.files *= 2
    with pytest.raises(PathsUnfit):
        put(folder, release)


def test_release_is_refused_when_a_file_is_below_another_file(folder):
    with pytest.raises(PathsUnfit):
        put(folder, Release({"a": "1", "a/b/c": "2"}))
    assert not (folder.tree / "a").exists()


@pytest.mark.parametrize("pair", [("readme", "README"), ("caf\u00e9", "cafe\u0301"), ("A", "a/b")])
def test_release_is_refused_when_two_names_mean_the_same_file_on_the_file_system(
    folder, tmp_path, pair
):
    first, second = (tmp_path / "probe" / name.partition("/")[0] for name in pair)
    first.parent.mkdir()
    first.touch()
    release = Release(dict.fromkeys(pair, "x"))
    if second.exists():
        with pytest.raises(PathsUnfit):
            put(folder, release)
    else:
        put(folder, release)
        assert content(folder.tree) == release.tree


def test_blob_is_not_written_when_damaged_or_missing(folder):
    put(folder, Release({"a": "old"}))
    for bodies in ({}, {sha(b"new"): b"nwe"}, {sha(b"new"): b""}):
        release = Release({"a": "new"})
        with pytest.raises(BlobDamaged, match="a: blob"), folder.hold():
            folder.materialise(release.files, lambda _, bodies=bodies: bodies.items())
        assert content(folder.tree) == {"a": b"old"}
    release = Release({"a": "new"})
    put(folder, release)
    assert content(folder.tree) == release.tree


def test_blobs_are_asked_for_in_bounded_batches_when_a_release_has_many(folder, monkeypatch):
    monkeypatch.setattr(workfolder, "BATCH", 10)
    release = Release({f"f{n}": f"{n}" * 4 for n in range(7)} | {"big": "x" * 50})
    put(folder, release)
    assert content(folder.tree) == release.tree
    sizes = [[len(release.bodies[blob]) for blob in asked] for asked in release.asked]
    assert all(sum(each) <= 10 or each == [50] for each in sizes)


def test_manifest_is_not_trusted_when_it_is_not_ours(folder):
    victim = write(folder.path.parent / "victim", b"theirs")
    release = Release({"a": "1"})
    put(folder, release)
    good = json.loads((folder.path / "manifest.json").read_text())
    for text in (
        "",
        "{",
        "[]",
        "null",
        '{"format": 1}',
        json.dumps(good | {"format": 99}),
        json.dumps(good | {"uncertain": ["../../victim", str(victim)]}),
        json.dumps(good | {"uncertain": [7]}),
        json.dumps(good | {"seen": [[1, 2]]}),
    ):
        write(folder.tree / "stale", b"of an older release")
        (folder.path / "manifest.json").write_text(text)
        put(folder, release)
        assert content(folder.tree) == release.tree, text
    assert victim.read_bytes() == b"theirs"


def test_work_folder_is_written_anew_when_its_manifest_is_lost(folder):
    release = Release({"a": "1"})
    put(folder, release)
    write(folder.tree / "stale", b"")
    (folder.path / "manifest.json").unlink()
    put(folder, release)
    assert content(folder.tree) == release.tree


def test_second_process_is_kept_out_when_the_first_holds_the_folder(folder):
    ours, theirs = FORK.Pipe()

    def hold_for_ever():
        with WorkFolder(folder.path).hold():
            theirs.send("held")
            signal.pause()

    holder = FORK.Process(target=hold_for_ever)
    holder.start()
    assert ours.recv() == "held"
    with pytest.raises(FolderOccupied, match="another process"), folder.hold():
        pass
    holder.kill()
    holder.join()
    with folder.hold():
        pass


def test_error_reaches_the_caller_when_raised_by_the_holder_of_the_folder(folder):
    with pytest.raises(ZeroDivisionError), folder.hold():
        raise ZeroDivisionError
    with folder.hold():
        pass


OLD = {"same": "s", "changed": "old", "gone/deep/a": "g", "b/file": "1", "swap": "f", "z/1": "1"}
NEW = {"same": "s", "changed": "new!", "added/c": "a", "b/file": "2", "swap/d": "g", "z/2": "1"}


def test_next_call_mends_the_folder_when_a_call_was_killed_between_any_two_steps(tmp_path):
    old, new = Release(OLD), Release(NEW)
    wholes = {*old.tree.items(), *new.tree.items(), ("made", b"by a build")}
    killed = True
    step = 0
    while killed:
        step += 1
        folder = WorkFolder(tmp_path / f"work{step}")
        put(folder, old)
        write(folder.tree / "made", b"by a build")
        killed = die_at(step, lambda folder=folder: put(folder, new))
        assert content(folder.tree).items() <= wholes, f"half a file after step {step}"
        release = old if step % 2 else new
        put(folder, release)
        assert content(folder.tree) == release.tree | {"made": b"by a build"}, f"step {step}"
        assert put(folder, release).written == ()
    assert step > 30


def test_next_call_mends_the_folder_when_the_very_first_call_was_killed(tmp_path):
    release = Release(NEW)
    killed = True
    step = 0
    while killed:
        step += 1
        folder = WorkFolder(tmp_path / f"work{step}")
        killed = die_at(step, lambda folder=folder: put(folder, release))
        put(folder, release)
        assert content(folder.tree) == release.tree, f"step {step}"
    assert step > 15


def test_next_call_mends_the_folder_when_killed_at_any_moment_of_many_calls(folder):
    releases = [
        Release({f"d{n % 7}/f{n}": f"{which}{n}" * 50 for n in range(which, 60 + which)})
        for which in range(3)
    ]
    wholes = {item for release in releases for item in release.tree.items()}

    def work_for_ever(told):
        while True:
            for release in releases:
                put(folder, release)
                told.send_bytes(b".")

    for moment in range(25):
        ours, theirs = FORK.Pipe()
        worker = FORK.Process(target=work_for_ever, args=(theirs,))
        worker.start()
        for _ in range(moment % 5):
            ours.recv_bytes()
        sum(range(moment * 20_000))
        worker.kill()
        worker.join()
        if folder.tree.exists():
            assert content(folder.tree).items() <= wholes
        put(folder, releases[moment % 3])
        assert content(folder.tree) == releases[moment % 3].tree


def test_reader_finds_every_file_whole_when_releases_are_put_meanwhile(folder):
    releases = [Release({"src/a": text * 100_000}) for text in ("old", "new")]
    put(folder, releases[0])
    stop, found = threading.Event(), set()

    def look():
        while not stop.is_set():
            try:
                found.add((folder.tree / "src/a").read_bytes()[:3])
                found.add(len((folder.tree / "src/a").read_bytes()))
            except OSError as error:
                found.add(error.errno)

    reader = threading.Thread(target=look)
    reader.start()
    for n in range(100):
        put(folder, releases[n % 2])
    stop.set()
    reader.join()
    assert found <= {b"old", b"new", 300_000}


def test_descriptors_are_all_closed_when_puts_have_succeeded_or_failed(folder):
    before = open_descriptors()
    put(folder, Release({"a/b/c": "1", "d": "2"}))
    with pytest.raises(BlobDamaged), folder.hold():
        folder.materialise(Release({"e/f": "3"}).files, lambda _: ())
    put(folder, Release({"a": "1"}))
    assert open_descriptors() == before


HOSTILE = [
    "it's", 'say "so"', "line\nbreak", "$(touch x).sql", "-e.sql", "a b", " ", ".hidden", "`id`.sql",
    "back\\slash", "*", "%s", "~", "tab\t", "💾", "part", "manifest.json", "lock", "tree", "a" * 255,
    unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "ü"),
]  # fmt: skip
NAMES = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda name: name not in {".", ".."})
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=50), max_size=8
)


class Blobs(dict):
    """What a scan read, to be materialised."""

    def __init__(self):
        super().__init__()
        self._open = []

    def write(self, part):
        self._open.append(part)

    def commit(self, blob, size):
        self[blob] = b"".join(self._open)
        assert len(self[blob]) == size
        self._open = []

    def discard(self):
        self._open = []


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees=st.lists(TREES, min_size=1, max_size=3))
def test_materialised_tree_equals_the_scanned_tree_when_names_are_arbitrary(trees):
    with tempfile.TemporaryDirectory() as place:
        folder = WorkFolder(Path(place) / "work")
        for n, tree in enumerate(trees):
            root = Path(place) / f"project{n}"
            root.mkdir()
            for path, body in tree.items():
                plant(root, path, body)
            blobs = Blobs()
            found = scan(root, {}, blobs, known_at_ns=0)
            with folder.hold():
                folder.materialise(
                    [each.entry for each in found.files],
                    lambda wanted, blobs=blobs: ((blob, blobs[blob]) for blob in wanted),
                )
            assert content(folder.tree) == {each.path: blobs[each.blob] for each in found.files}


def as_bytes(body):
    return body.encode() if isinstance(body, str) else body


def sha(body):
    return hashlib.sha256(body).hexdigest()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def content(root):
    """Return every regular file below *root*; a link is a failure."""
    found = {}
    for here, folders, files in os.walk(root):
        for name in (*folders, *files):
            assert not (Path(here) / name).is_symlink(), f"{name} is a link"
        for name in files:
            found[os.path.relpath(f"{here}/{name}", root)] = Path(f"{here}/{name}").read_bytes()
    return found


def write(file, body):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    return file


def plant(root, path, body):
    """Write a file, unless the file system has another in its way or takes no such name."""
    try:
        write(Path(f"{root}/{path}"), body)
    except OSError:
        return


def open_descriptors():
    return sorted(each.name for each in Path("/dev/fd").iterdir())


def die_at(step, work):
    """Do *work* in a process that kills itself before its step-th call of the system."""

    def count_and_die(event, _facts, left=[step]):  # noqa: B006 - the counter of one process
        if event == "open" or event.startswith(("os.", "fcntl.", "shutil.")):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def run():
        import sys

        sys.addaudithook(count_and_die)
        work()

    child = FORK.Process(target=run)
    child.start()
    child.join()
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode != 0


def in_child(check):
    """Run *check* in a process of its own, since what it does to itself lasts."""
    child = FORK.Process(target=check)
    child.start()
    child.join()
    assert child.exitcode == 0, "the child failed: its traceback is on stderr"


def as_nobody(folder, check):
    """Run *check* as somebody whom modes bind: root may write everywhere."""
    if os.geteuid() != 0:
        check()
        return
    os.chown(folder, 65534, 65534)

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
    for here, folders, _ in os.walk(folder):
        for name in folders:
            (Path(here) / name).chmod(0o700)
    shutil.rmtree(folder)
