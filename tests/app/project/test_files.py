"""Projects and their releases, as a user imports, syncs and deploys them."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Terminal


def test_unchanged_files_make_no_release_when_synced_again(terminal: Terminal) -> None:
    terminal.files(a="one", b="two")
    assert "release 1, 2 files" in terminal("project", "import", "app").out
    assert "nothing changed" in terminal("project", "sync").out
    terminal.file("app/b", "three")
    said = terminal("project", "sync").out
    assert "release 2" in said
    assert "1 changed: b" in said


def test_changed_file_is_seen_when_its_size_and_time_are_unchanged(terminal: Terminal) -> None:
    path = terminal.file("app/a", "one")
    terminal("project", "import", "app")
    status = path.stat()
    path.write_text("two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "1 changed: a" in terminal("project", "sync").out


def test_execute_bit_makes_a_new_release_when_changed(terminal: Terminal) -> None:
    path = terminal.file("app/run", "#!/bin/sh\n")
    terminal("project", "import", "app")
    path.chmod(0o755)
    assert "1 changed: run" in terminal("project", "sync").out


def test_ignored_files_are_left_out_when_gitignore_or_templedbignore_names_them(
    terminal: Terminal,
) -> None:
    terminal.files(
        a="", b__keep="", b__drop="", c="", **{".gitignore": "/c\n", "b__.gitignore": "drop\n"}
    )
    terminal.file("app/.templedbignore", "a\n")
    terminal.file("app/node_modules/x/index.js", "")
    terminal("project", "import", "app")
    said = [row.split()[-1] for row in terminal("project", "files").out.splitlines()[1:]]
    assert said == [".gitignore", ".templedbignore", "b/.gitignore", "b/keep"]


def test_imported_files_are_those_of_git_when_gitignore_has_many_kinds_of_rules(
    terminal: Terminal,
) -> None:
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


def test_import_names_the_file_and_stores_nothing_when_a_name_is_not_utf8(
    terminal: Terminal,
) -> None:
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
def test_scan_names_the_file_when_its_permissions_forbid_reading(tmp_path: Path, user: str) -> None:
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


def test_large_and_binary_files_keep_their_bytes_when_deployed(terminal: Terminal) -> None:
    body = random.Random(1).randbytes(70 << 20)
    terminal.file("app/large.bin", body)
    terminal.file("app/empty", b"")
    terminal.file("app/run.sh", "sha256sum large.bin | cut -d' ' -f1; test ! -s empty")
    terminal("project", "import", "app")
    terminal("target", "add", "app", "local")
    terminal.config({"name": "x", "deploy_command": "bash run.sh"})
    assert hashlib.sha256(body).hexdigest() in terminal("deploy", "run").out


def test_older_release_is_deployed_when_release_or_no_sync_is_given(terminal: Terminal) -> None:
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


def test_run_deploys_from_the_store_when_the_project_folder_is_gone(terminal: Terminal) -> None:
    import shutil

    terminal.files(a="kept\n")
    terminal("project", "import", "app")
    terminal("target", "add", "app", "local")
    terminal.config({"name": "x", "deploy_command": "cat a"})
    shutil.rmtree(terminal.home / "app")
    assert "| kept" in terminal("deploy", "run").out
    assert "is gone" in terminal("project", "sync", code=78).err


def test_import_is_refused_when_another_folder_has_the_same_slug(terminal: Terminal) -> None:
    terminal.files(a="")
    terminal.file("other/app/a", "")
    terminal("project", "import", "app")
    assert "--slug ANOTHER" in terminal("project", "import", "other/app", code=78).err


def test_project_removal_needs_yes_when_the_project_has_targets(terminal: Terminal) -> None:
    terminal.files(a="")
    terminal("project", "import", "app")
    terminal("target", "add", "app", "local")
    assert "--yes" in terminal("project", "remove", "app", code=64).err
    terminal("project", "remove", "app", "--yes")
    assert "no project" in terminal("project", "list").out
