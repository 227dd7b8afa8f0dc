"""What is large, deep or full is refused in a sentence, and costs no more than it states."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from templedb_nb.app.findings.lint import complaints
from templedb_nb.core.lint.linter import Pending
from templedb_nb.core.migrations.script import read_script, without_data
from templedb_nb.engine.observe import ReadCache
from templedb_nb.errors import InvalidConfig
from templedb_nb.files.document import parse_document
from templedb_nb.model.layout import Layout, Reading
from templedb_nb.shell import squawk
from tests.conftest import MIGRATIONS, Terminal


@pytest.fixture
def shop(terminal: Terminal) -> Terminal:
    """Return a terminal with a project whose target is a DuckDB file."""
    terminal.file("app/migrations/001_users.sql", "CREATE TABLE users (id int);\n")
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "DATABASE_URL", f"duckdb:///{terminal.home}/t.duckdb", "--target", "staging")  # fmt: skip
    return terminal


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{"groups": ' + "[" * 20_000 + "]" * 20_000 + "}"),
        ("c.json", '{"a":' * 20_000 + "1" + "}" * 20_000),
        ("c.json", '{"groups": ' + "[" * 60 + "]" * 60 + "}"),
        ("c.yaml", "groups: " + "[" * 5_000 + "]" * 5_000),
        ("c.yaml", "groups: " + "{a: " * 5_000 + "1" + "}" * 5_000),
        ("c.yaml", "\n".join(f"{'  ' * n}a:" for n in range(300))),
        ("c.toml", "a = " + "[" * 5_000 + "]" * 5_000),
        ("c.toml", ".".join("a" * 60) + " = 1"),
        ("-", "[" * 5_000 + "]" * 5_000),
    ],
)
def test_document_is_refused_when_nested_too_deeply(name: str, text: str) -> None:
    with pytest.raises(InvalidConfig, match="nested more than 50 levels deep"):
        parse_document(text, name)


def test_yaml_document_is_read_when_aliases_multiply_or_refer_to_themselves() -> None:
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    document = parse_document("\n".join(["a0: &a0 [x]", *rows]), "c.yaml")
    assert isinstance(document, dict)
    assert len(document) == 40
    assert parse_document("a: &a [*a]", "c.yaml")


def test_duplicate_key_is_named_when_the_document_has_ten_thousand_keys() -> None:
    keys = [f"k{n}" for n in range(10_000)]
    text = json.dumps(dict.fromkeys(keys, 1))
    assert parse_document(text, "c.json") == dict.fromkeys(keys, 1)
    with pytest.raises(InvalidConfig, match="k7 appears twice"):
        parse_document(f'{text[:-1]}, "k7": 2}}', "c.json")
    with pytest.raises(InvalidConfig, match=r"c\.yaml:3: b appears twice"):
        parse_document("a: 1\nb: 2\nb: 3\n", "c.yaml")


def test_notebook_is_refused_when_nested_too_deeply(terminal: Terminal) -> None:
    terminal.file("deep.ipynb", '{"nbformat": 4, "cells": ' + "[" * 20_000 + "]" * 20_000 + "}")
    assert "deep.ipynb is not a notebook: it is nested" in terminal("runbook", "run", "deep.ipynb", code=78).err  # fmt: skip
    assert "deep.ipynb is not a notebook: it is nested" in terminal("notebook", "check", "deep.ipynb", code=78).err  # fmt: skip


def bundle(shop: Terminal) -> Path:
    path = shop.home / "plan.templedb"
    shop("deploy", "plan", "app", "--out", str(path))
    return path


def test_bundle_entry_is_refused_unread_when_its_release_does_not_name_it(shop: Terminal) -> None:
    path = bundle(shop)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("blobs/" + "0" * 64, b"\0" * (300 << 20))
    limit = """
import resource, sys
from templedb_nb import cli
resource.setrlimit(resource.RLIMIT_DATA, (250 << 20, 250 << 20))
sys.exit(cli.run(["deploy", "run", "--plan", sys.argv[1]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", limit, str(path)],
        capture_output=True, text=True, check=False, cwd=shop.home,
    )  # fmt: skip
    assert done.returncode == 22, done.stderr
    assert "belongs to no file of its release" in done.stderr


def test_bundle_entry_is_refused_when_longer_than_its_release_says(shop: Terminal) -> None:
    path = bundle(shop)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    blob = next(name for name in parts if name.startswith("blobs/"))
    parts[blob] = b"x" * 100_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            archive.writestr(name, body)
    said = shop("deploy", "run", "--plan", str(path), code=78).err
    assert "is longer than 29 bytes" in said


@pytest.mark.parametrize("damage", ["deep", "list", "cut"])
def test_bundle_is_refused_when_cut_or_malformed(shop: Terminal, damage: str) -> None:
    path = bundle(shop)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("bundle.json", "[" * 30_000 if damage == "deep" else "[1]")
    assert "plan.templedb is not a plan bundle" in shop("deploy", "run", "--plan", str(path), code=78).err  # fmt: skip


COPY = "COPY t FROM stdin;\n1\tx\n2\ty; DROP TABLE z;\n\\.\nDROP TABLE users;\n"


def test_squawk_input_has_no_copy_data_and_keeps_its_lines_when_a_script_copies_data() -> None:
    script = read_script(f"{COPY}{COPY}SELECT 1;\n".encode())
    assert without_data(script) == (
        "COPY t FROM stdin;\n\n\n\\.\nDROP TABLE users;\n" * 2 + "SELECT 1;\n"
    )


@pytest.mark.skipif(squawk.program() is None, reason="squawk is not installed")
def test_squawk_complaint_names_its_line_when_it_stands_below_copy_data() -> None:
    pending = Pending(file="a.sql", database="DATABASE_URL", script=read_script(COPY.encode()))
    found, notes, _ = complaints([pending], {}, ReadCache())
    assert not notes
    assert {each.line for each in found if "drop" in each.rule} == {5}


@pytest.mark.skipif(squawk.program() is None, reason="squawk is not installed")
def test_squawk_complaints_appear_once_when_several_changesets_share_a_file() -> None:
    each = "--changeset me:{0}\nDROP TABLE t{0};\nALTER TABLE u{0} ADD COLUMN a int NOT NULL;\n\n"
    same = "--changeset me:{0}\nALTER TABLE u ADD COLUMN b int NOT NULL;\n\n"
    text = "--liquibase formatted sql\n" + "".join(each.format(n) for n in range(3))
    raw = (text + same.format(3) + same.format(4)).encode()
    pending = [
        Pending(
            file="a.sql",
            database="DATABASE_URL",
            script=read_script(raw, Reading(layout=Layout.LIQUIBASE, part=f"{n}::me")),
        )
        for n in range(5)
    ]
    cache = ReadCache()
    for _ in ("asked", "remembered"):
        found, notes, _ = complaints(pending, {}, cache)
        assert not notes
        told = [(one.line, one.rule) for one in found]
        assert len(told) == len(set(told)), told
        assert [line for line, rule in told if rule == "drop-table"] == [3, 7, 11]
        assert [line for line, rule in told if rule == "adding-required-field"] == [
            4,
            8,
            12,
            15,
            18,
        ]


WRITERS = [
    ("migration", "lint", "app", "--offline", "--output"),
    ("deploy", "plan", "app", "--out"),
    ("deploy", "plan", "app", "--summary"),
    ("deploy", "run", "app", "--junit"),
    ("state", "backup"),
    ("ci", "github", "app", "--target", "staging", "--out"),
]


@pytest.mark.parametrize("words", WRITERS, ids=lambda words: " ".join(words))
@pytest.mark.parametrize(
    "where", ["gone/out", "file/out", "x" * 300, "full", "~nobody-of-that-name/out", "loop/out"]
)
def test_output_path_is_named_in_one_line_when_it_cannot_be_written(
    shop: Terminal, words: tuple[str, ...], where: str
) -> None:
    shop.file("file", "a file, no folder")
    (shop.home / "loop").symlink_to("loop")
    path = "/dev/full" if where == "full" else where
    said = shop(*words, path, code=None)
    if said.code == 0 and words[0] == "ci":  # it makes folders that are not there
        assert where in {"gone/out", "~nobody-of-that-name/out"}
        return
    if said.code == 0:  # the run succeeded, whether its report can be written or not
        assert words[:2] == ("deploy", "run")
        assert said.err.count("the report is missing") == 1
    assert said.code in {0, 64, 69, 78}
    assert path[:250] in said.err
    assert "Traceback" not in said.err
    assert "defect" not in said.err


@pytest.mark.parametrize("words", WRITERS, ids=lambda words: " ".join(words))
def test_argument_is_a_usage_error_when_it_contains_a_nul(
    shop: Terminal, words: tuple[str, ...]
) -> None:
    assert "contains a NUL character" in shop(*words, "a\0b", code=64).err


def test_runbook_names_its_output_path_when_the_outcome_cannot_be_written(shop: Terminal) -> None:
    shop.file(
        "n.ipynb",
        '{"nbformat": 4, "nbformat_minor": 5, "cells": [], "metadata": {"kernelspec": {"language": "python"}}}',
    )
    for path in ("x" * 300, "n.ipynb/out", "/dev/full/out"):
        said = shop("runbook", "run", "n.ipynb", "-o", path, code=78).err
        assert said.startswith(f"error: cannot write {path}")


READERS = [
    ("notebook", "check"),
    ("runbook", "run"),
    ("runbook", "inspect"),
    ("migration", "new", "app", "name", "--file"),
    ("env", "import", "app"),
    ("deploy", "config", "app", "--set"),
    ("deploy", "plan", "app", "--overlay"),
    ("deploy", "run", "--plan"),
    ("target", "update", "app", "staging", "--signers"),
    ("project", "import", "--from-templedb"),
]


@pytest.mark.parametrize("words", READERS, ids=lambda words: " ".join(words))
def test_input_is_read_up_to_a_limit_when_it_never_ends(
    shop: Terminal, words: tuple[str, ...]
) -> None:
    limit = """
import resource, sys
from templedb_nb import cli
resource.setrlimit(resource.RLIMIT_DATA, (900 << 20, 900 << 20))
sys.exit(cli.run(sys.argv[1:]))
"""
    for path in ("/dev/zero", "~nobody-of-that-name/x"):
        done = subprocess.run(
            [sys.executable, "-c", limit, *words, path],
            capture_output=True, text=True, check=False, cwd=shop.home,
        )  # fmt: skip
        assert done.returncode in {64, 69, 78}, done.stderr[-500:]
        assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_run_keeps_its_exit_code_and_says_one_line_when_standard_output_is_full(
    shop: Terminal,
) -> None:
    def into_full(*words: str) -> subprocess.CompletedProcess[str]:
        with Path("/dev/full").open("w") as full:
            return subprocess.run([sys.executable, "-m", "templedb_nb", *words], stdout=full,
                stderr=subprocess.PIPE, text=True, check=False, cwd=shop.home)  # fmt: skip

    told = "error: cannot write standard output: No space left on device\n"
    for words in (("deploy", "plan", "app"), ("status",), ("deploy", "plan", "app", "--json")):
        done = into_full(*words)
        assert (done.returncode, done.stderr) == (78, told)
    done = into_full("deploy", "run", "app")
    assert (done.returncode, done.stderr) == (0, told)
    shop.file("app/migrations/002_bad.sql", "SELECT nope;\n")
    assert into_full("deploy", "run", "app").returncode == 10
    assert into_full("--help").returncode == 78


def test_run_keeps_its_exit_code_when_standard_output_is_closed(shop: Terminal) -> None:
    shop.file("app/migrations/002_bad.sql", "SELECT nope;\n")
    process = shop.process("deploy", "run", "app")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == 12
    assert process.stderr is not None
    process.stderr.close()


def test_migration_is_planned_when_it_nests_hundreds_of_parentheses(shop: Terminal) -> None:
    shop.file("app/migrations/002_deep.sql", f"SELECT {'(' * 600}1{')' * 600};\n")
    assert "002_deep.sql" in shop("deploy", "plan", "app").out


SWALLOWS = """
import os, signal, sys, threading, duckdb
from templedb_nb.cli import Terminated
from templedb_nb.errors import raising, swallowed

def handler(number, frame):
    raise raising(Terminated())

signal.signal(signal.SIGTERM, handler)
connection = duckdb.connect()
while True:
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    try:
        while True:
            connection.execute("SELECT sum(range * range) FROM range(3000000)")
    except Terminated:
        continue  # it was heard between two queries
    except RuntimeError as error:
        assert swallowed(RuntimeError("another")) is None
        assert type(swallowed(error)) is Terminated
        break
"""


def test_interrupt_is_kept_when_duckdb_swallows_it() -> None:
    """It raises RuntimeError in place of what the handler of the signal raised (2.0.1)."""
    subprocess.run([sys.executable, "-c", SWALLOWS], check=True, timeout=120)


@pytest.mark.parametrize(
    ("key", "value"),
    [("known_as", {"kind": "x"}), ("known_as", None), ("config", []), ("config", "{"), ("slug", ""),
     ("origin", 7), ("files", [{}])],
)  # fmt: skip
def test_bundle_is_refused_when_it_holds_values_of_other_types(
    shop: Terminal, key: str, value: object
) -> None:
    path = shop.home / "a.bundle"
    shop("deploy", "plan", "app", "--out", str(path))
    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    head = json.loads(kept["bundle.json"]) | {key: value}
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in (kept | {"bundle.json": json.dumps(head).encode()}).items():
            archive.writestr(name, body)
    said = shop("deploy", "run", "--plan", str(path), code=None)
    assert said.code in {22, 78}, said.err
    assert "is not a plan bundle" in said.err or "was changed after it was made" in said.err


@pytest.mark.parametrize("source", [["a", 1], [None], "\ud800", ["\ud800"], {"a": 1}])
def test_notebook_check_does_not_crash_when_a_cell_source_is_not_text(
    shop: Terminal, source: object
) -> None:
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": source}
    body = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell]}
    (shop.home / "n.ipynb").write_text(json.dumps(body))
    assert shop("notebook", "check", "n.ipynb", code=None).code in {0, 10, 78}
