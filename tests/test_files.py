"""Folders become releases, and releases folders; what was hashed is what is stored."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templedb_nb.core import patterns
from templedb_nb.files.workfolder import Damaged, Occupied, Unfit, WorkFolder
from templedb_nb.model.file import FileEntry
from templedb_nb.model.plain import Digest
from tests.conftest import Terminal

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=("Cs",)),
    min_size=1,
    max_size=12,
).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 200)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=40), max_size=8
)


def entries(tree: dict[str, bytes]) -> tuple[list[FileEntry], dict[Digest, bytes]]:
    bodies = {Digest(hashlib.sha256(body).hexdigest()): body for body in tree.values()}
    found = [
        FileEntry(path=path, blob=Digest(hashlib.sha256(body).hexdigest()), size=len(body))
        for path, body in tree.items()
    ]
    return found, bodies


def materialise(folder: WorkFolder, tree: dict[str, bytes]) -> object:
    files, bodies = entries(tree)
    with folder.hold():
        return folder.materialise(files, lambda blobs: [(blob, bodies[blob]) for blob in blobs])


def on_disk(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def consistent(tree: dict[str, bytes]) -> bool:
    return not any(other.startswith(f"{path}/") for path in tree for other in tree)


# --- patterns -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*.sql", "a.sql", True),
        ("*.sql", "d/a.sql", False),
        ("d/*.sql", "d/e/a.sql", False),
        ("**/*.sql", "a.sql", True),
        ("**/*.sql", "d/e/a.sql", True),
        ("d/**", "d/e/a.sql", True),
        ("d/**/a.sql", "d/a.sql", True),
        ("a?.sql", "ab.sql", True),
        ("a?.sql", "a/.sql", False),
        ("[0-9]*.sql", "1.sql", True),
        ("[!0-9]*.sql", "1.sql", False),
        ("a.sql", "A.sql", False),
        ("{a,b}.sql", "a.sql", False),
    ],
)
def test_a_pattern_means_what_it_says(pattern: str, path: str, *, fits: bool) -> None:
    assert bool(patterns.match(pattern, [path])) is fits


@pytest.mark.parametrize(
    "pattern", ["", "/a", "../a", "a/../b", "./a", "a//b", "a\\b", "a**b", "[a", "a\0"]
)
def test_what_is_no_pattern_is_said(pattern: str) -> None:
    assert patterns.complaints(pattern)


@given(st.text(), st.text())
@settings(max_examples=200)
def test_no_pattern_breaks_the_matcher(pattern: str, path: str) -> None:
    if not patterns.complaints(pattern):
        patterns.match(pattern, [path])


# --- projects -------------------------------------------------------------------------------------


def test_unchanged_files_are_not_read_again_and_make_no_release(terminal: Terminal) -> None:
    terminal.files(a="one", b="two")
    assert "release 1, 2 files" in terminal("project", "import", "app").out
    assert "nothing changed" in terminal("project", "sync").out
    terminal.file("app/b", "three")
    said = terminal("project", "sync").out
    assert "release 2" in said
    assert "1 changed: b" in said


def test_a_change_that_keeps_size_and_time_is_seen(terminal: Terminal) -> None:
    path = terminal.file("app/a", "one")
    terminal("project", "import", "app")
    status = path.stat()
    path.write_text("two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "1 changed: a" in terminal("project", "sync").out


def test_an_execute_bit_is_part_of_a_release(terminal: Terminal) -> None:
    path = terminal.file("app/run", "#!/bin/sh\n")
    terminal("project", "import", "app")
    path.chmod(0o755)
    assert "1 changed: run" in terminal("project", "sync").out


def test_gitignore_and_templedbignore_are_honoured(terminal: Terminal) -> None:
    terminal.files(
        a="", b__keep="", b__drop="", c="", **{".gitignore": "/c\n", "b__.gitignore": "drop\n"}
    )
    terminal.file("app/.templedbignore", "a\n")
    terminal.file("app/node_modules/x/index.js", "")
    terminal("project", "import", "app")
    said = [row.split()[-1] for row in terminal("project", "files").out.splitlines()[1:]]
    assert said == [".gitignore", ".templedbignore", "b/.gitignore", "b/keep"]


def test_the_same_files_as_git_would_take(terminal: Terminal) -> None:
    rules = "*.log\n!keep.log\nbuild/\n/only-here\nd/**/deep\n# note\n\\#odd\nspace\\ \n[ab].txt\nsub/*.tmp\n"
    terminal.file("app/.gitignore", rules)
    for name in (
        "a.log", "keep.log", "x/keep.log", "build/x", "x/build/y", "only-here", "x/only-here", "d/deep", "d/e/f/deep",
        "#odd", "space ", "a.txt", "c.txt", "sub/a.tmp", "sub/x/a.tmp", "x/.gitignore", "x/y/z",
    ):  # fmt: skip
        terminal.file(f"app/{name}", "z\n" if name == "x/.gitignore" else "")
    root = terminal.home / "app"
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    terminal("project", "import", "app")
    ours = [row["path"] for row in terminal("project", "files", "--json").json[-1]["rows"]]
    assert sorted(ours) == sorted(filter(None, listed.stdout.split("\0")))


def test_a_file_that_cannot_be_read_is_named_and_nothing_is_stored(terminal: Terminal) -> None:
    terminal.files(a="one")
    os.mkfifo(terminal.home / "app" / "pipe")
    bad = os.fsencode(terminal.home / "app") + b"/bad-\xff"
    Path(os.fsdecode(bad)).write_text("x")
    said = terminal("project", "import", "app", code=78)
    assert "is not UTF-8" in said.err
    assert "no project" in terminal("project", "list").out
    Path(os.fsdecode(bad)).unlink()
    assert "pipe: is a named pipe" in terminal("project", "import", "app").out


@pytest.mark.parametrize("user", ["nobody"])
def test_what_may_not_be_read_is_named(tmp_path: Path, user: str) -> None:
    """Root reads everything; so it is somebody else who tries."""
    (tmp_path / "a").write_text("x")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from templedb_nb.files.scan import scan, Unreadable\n"
        "class Sink:\n"
        "    write = commit = discard = lambda *_: None\n"
        "try:\n"
        "    scan(Path(sys.argv[1]), {}, Sink(), known_at_ns=0)\n"
        "except Unreadable as error:\n"
        "    print([each.path for each in error.problems])\n"
    )
    import templedb_nb

    place = str(Path(templedb_nb.__file__).parent.parent)
    as_root = os.geteuid() == 0
    if as_root:
        for parent in (tmp_path, *tmp_path.parents[:3]):
            parent.chmod(parent.stat().st_mode | 0o055)
        os.setgroups(os.getgroups())
    prefix = "import sys, os\n" + (
        f"sys.path[:0] = {[place, *sys.path]!r}\nimport templedb_nb.files.scan\nimport pwd\nos.setuid(pwd.getpwnam({user!r}).pw_uid)\n"
        if as_root
        else f"sys.path.insert(0, {place!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", prefix + code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "['secret']", done.stderr


def test_large_and_binary_files_survive(terminal: Terminal) -> None:
    body = random.Random(1).randbytes(70 << 20)
    terminal.file("app/large.bin", body)
    terminal.file("app/empty", b"")
    terminal.file("app/run.sh", "sha256sum large.bin | cut -d' ' -f1; test ! -s empty")
    terminal("project", "import", "app")
    terminal("target", "add", "app", "local")
    terminal.config({"name": "x", "deploy_command": "bash run.sh"})
    assert hashlib.sha256(body).hexdigest() in terminal("deploy", "run").out


def test_an_older_release_can_be_deployed(terminal: Terminal) -> None:
    terminal.files(a="first\n")
    terminal("project", "import", "app")
    terminal("target", "add", "app", "local")
    terminal.config({"name": "x", "deploy_command": "cat a; ls"})
    terminal.files(a="second\n", b="more\n")
    said = terminal("deploy", "run").out
    assert "since the last release: 1 added: b" in said
    assert "| second" in said
    said = terminal("deploy", "run", "--release", "1").out
    assert "| first" in said
    assert "| b" not in said
    terminal.files(a="third\n")
    assert "| second" in terminal("deploy", "run", "--no-sync").out


def test_a_project_goes_on_from_its_store_when_its_folder_is_gone(terminal: Terminal) -> None:
    import shutil

    terminal.files(a="kept\n")
    terminal("project", "import", "app")
    terminal("target", "add", "app", "local")
    terminal.config({"name": "x", "deploy_command": "cat a"})
    shutil.rmtree(terminal.home / "app")
    assert "| kept" in terminal("deploy", "run").out
    assert "is gone" in terminal("project", "sync", code=78).err


def test_another_folder_under_the_same_slug_is_refused(terminal: Terminal) -> None:
    terminal.files(a="")
    terminal.file("other/app/a", "")
    terminal("project", "import", "app")
    assert "--slug ANOTHER" in terminal("project", "import", "other/app", code=78).err


def test_removing_a_project_with_targets_wants_to_be_sure(terminal: Terminal) -> None:
    terminal.files(a="")
    terminal("project", "import", "app")
    terminal("target", "add", "app", "local")
    assert "--yes" in terminal("project", "remove", "app", code=64).err
    terminal("project", "remove", "app", "--yes")
    assert "no project" in terminal("project", "list").out


# --- work folders ---------------------------------------------------------------------------------


@given(TREES.filter(consistent), TREES.filter(consistent))
@settings(max_examples=60, deadline=None)
def test_a_work_folder_becomes_the_release_whatever_it_was(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, bytes], two: dict[str, bytes]
) -> None:
    folder = WorkFolder(tmp_path_factory.mktemp("work"))
    for tree in (one, two, two):
        materialise(folder, tree)
        assert on_disk(folder.tree) == tree


def test_an_unchanged_file_is_not_written_again(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "w")
    materialise(folder, {"a": b"1", "b/c": b"2"})
    before = (folder.tree / "b" / "c").stat()
    done = materialise(folder, {"a": b"9", "b/c": b"2"})
    assert (done.written, done.kept) == (("a",), ("b/c",))  # type: ignore[attr-defined]
    assert (folder.tree / "b" / "c").stat() == before


def test_what_a_build_made_stays_and_files_of_an_older_release_go(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "w")
    materialise(folder, {"src/a": b"1", "old/b": b"2"})
    (folder.tree / "node_modules").mkdir()
    (folder.tree / "node_modules" / "x").write_bytes(b"made")
    materialise(folder, {"src/a": b"1"})
    assert on_disk(folder.tree) == {"src/a": b"1", "node_modules/x": b"made"}
    assert not (folder.tree / "old").exists()


def test_a_file_that_a_build_changed_is_written_again(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "w")
    materialise(folder, {"lock.json": b"1"})
    (folder.tree / "lock.json").write_bytes(b"2")
    materialise(folder, {"lock.json": b"1"})
    assert on_disk(folder.tree) == {"lock.json": b"1"}


def test_whatever_stands_in_the_way_is_removed(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "w")
    materialise(folder, {"x": b""})
    (folder.tree / "a").mkdir()
    (folder.tree / "a" / "deep").write_bytes(b"")
    (folder.tree / "b").write_bytes(b"")
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder.tree / "c").symlink_to(outside)
    (folder.tree / "d").symlink_to(tmp_path / "nowhere")
    tree = {"a": b"1", "b/f": b"2", "c/f": b"3", "d": b"4"}
    materialise(folder, tree)
    assert on_disk(folder.tree) == tree
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "a//b", "a/./b", "", "a\0b"])
def test_a_path_that_leads_out_is_refused_before_anything_is_written(
    tmp_path: Path, path: str
) -> None:
    folder = WorkFolder(tmp_path / "w")
    with pytest.raises(Unfit):
        materialise(folder, {"fine": b"", path: b"x"})
    assert not folder.tree.exists()


def test_bytes_that_are_not_what_they_are_called_are_refused(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "w")
    files, _ = entries({"a": b"1"})
    with folder.hold(), pytest.raises(Damaged):
        folder.materialise(files, lambda blobs: [(blob, b"other") for blob in blobs])


def test_two_cannot_work_in_one_folder(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "w")
    with folder.hold(), pytest.raises(Occupied), WorkFolder(tmp_path / "w").hold():
        pass


@pytest.mark.parametrize("seed", range(5))
def test_a_folder_whose_writer_was_killed_is_mended_by_the_next(tmp_path: Path, seed: int) -> None:
    code = (
        "import sys, hashlib, itertools\n"
        "from pathlib import Path\n"
        "from templedb_nb.files.workfolder import WorkFolder\n"
        "from templedb_nb.model.file import FileEntry\n"
        "folder = WorkFolder(Path(sys.argv[1]))\n"
        "for turn in itertools.count():\n"
        "    bodies = {f'd{n % 7}/f{n}': f'{turn}-{n}'.encode() * 50 for n in range(turn % 3, 90)}\n"
        "    by_hash = {hashlib.sha256(b).hexdigest(): b for b in bodies.values()}\n"
        "    files = [FileEntry(path=p, blob=hashlib.sha256(b).hexdigest(), size=len(b)) for p, b in bodies.items()]\n"
        "    with folder.hold():\n"
        "        folder.materialise(files, lambda blobs: [(x, by_hash[x]) for x in blobs])\n"
        "    print(turn, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "w")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(random.Random(seed).uniform(0.0, 0.15))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    tree = {f"d{n % 7}/f{n}": f"last-{n}".encode() for n in range(5, 60)}
    folder = WorkFolder(tmp_path / "w")
    materialise(folder, tree)
    assert on_disk(folder.tree) == tree
