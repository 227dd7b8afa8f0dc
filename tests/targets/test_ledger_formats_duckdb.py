"""DuckDB ledgers that an earlier templedb made: read as they are, and brought up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from tests import former
from tests.conftest import MIGRATIONS, Terminal

COMMAND = {"name": "web", "deploy_command": "true"}
MORE = "CREATE TABLE more (id int);\n-- templedb:down\nDROP TABLE more;\n"


@pytest.fixture
def file(terminal: Terminal, tmp_path: Path) -> Path:
    """A DuckDB target whose ledger has rows of each kind."""
    path = tmp_path / "app.duckdb"
    terminal.file("app/migrations/001.sql", "CREATE TABLE users (id int);")
    terminal.file("app/migrations/002.sql", MORE)
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS, COMMAND)
    terminal("target", "add", "app", "staging", "--approvals", "1")
    terminal("env", "set", "app", "DATABASE_URL", f"duckdb://{path}", "--plain")
    former.deployed(terminal)
    terminal.file("app/migrations/003_marked.sql", "CREATE TABLE marked (id int);")
    former.deployed(
        terminal, "migration", "mark-applied", "app", "003_marked", "--reason", "by hand"
    )
    former.deployed(terminal, "migration", "down", "app", "002", "--reason", "a drill")
    (terminal.home / "app" / "migrations" / "002.sql").unlink()
    return path


def ask(path: Path) -> former.Query:
    def query(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(f"duckdb:{path}", read_only=True) as connection:
            return connection.execute(sql).fetchall()

    return query


SHAPES = """
SELECT table_name, sql FROM duckdb_tables() WHERE schema_name = 'templedb' ORDER BY 1
"""


@pytest.mark.parametrize("made_by", former.FORMATS)
def test_duckdb_ledger_is_upgraded_when_it_has_an_earlier_format(
    terminal: Terminal, file: Path, made_by: int
) -> None:
    query = ask(file)
    fresh = query(SHAPES)
    former.demote_file(file, made_by)
    before = former.kept(query)
    terminal.file("app/migrations/004_last.sql", "CREATE TABLE last (id int);")
    assert "004_last.sql" in terminal("deploy", "plan", "app").out
    for words in (
        ("migration", "status", "app"),
        ("drift", "check", "app"),
        ("lock", "show", "app"),
    ):
        terminal(*words)
    assert query("SELECT v FROM templedb.meta WHERE k = 'format'") == [(str(made_by),)]
    former.deployed(terminal)
    assert query("SELECT v FROM templedb.meta WHERE k = 'format'") == [("4",)]
    assert query(SHAPES) == fresh
    former.still_there(query, before)
    kinds = query("SELECT kind, count(*) FROM templedb.run GROUP BY 1 ORDER BY 1")
    assert kinds == [("amend", 1), ("deploy", 2), ("down", 1)]


@pytest.mark.parametrize("made_by", former.FORMATS)
@pytest.mark.parametrize("how", ["kill9", "error"])
def test_duckdb_ledger_stays_as_it_was_when_its_upgrade_breaks_off(
    terminal: Terminal, file: Path, made_by: int, how: str
) -> None:
    query = ask(file)
    former.demote_file(file, made_by)
    before, shapes = former.kept(query), query(SHAPES)
    terminal.file("app/migrations/004_last.sql", "CREATE TABLE last (id int);")
    plan = terminal("deploy", "run", "app", code=20).err.split("templedb approve ")[1].split()[0]
    former.approved(terminal, plan)
    terminal.set(TEMPLEDB_FAILPOINT=f"ledger.made:{how}")
    process = terminal.process("deploy", "run", "app")
    process.communicate(timeout=120)
    assert process.returncode != 0
    terminal.unset("TEMPLEDB_FAILPOINT")
    assert query(SHAPES) == shapes
    former.still_there(query, before)
    terminal("deploy", "run", "app")
    assert query("SELECT v FROM templedb.meta WHERE k = 'format'") == [("4",)]
    former.still_there(query, before)


def test_duckdb_upgrade_waits_when_a_run_of_an_earlier_templedb_uses_the_file(
    terminal: Terminal, file: Path
) -> None:
    """It closes the file while a command runs, and compares the tables afterwards."""
    query = ask(file)
    former.demote_file(file, 3)
    with duckdb.connect(f"duckdb:{file}") as connection:
        connection.execute(
            "INSERT INTO templedb.lock VALUES ('billing', 'r', 'zoe', 'ci', 7, 'deploy run', now())"
        )
    terminal.file("app/migrations/004_last.sql", "CREATE TABLE last (id int);")
    plan = terminal("deploy", "run", "app", code=20).err.split("templedb approve ")[1].split()[0]
    former.approved(terminal, plan)
    with FileLock(file.with_name(f".{file.name}.billing.templedb-lock")):
        said = terminal("deploy", "run", "app", code=24).err
        assert "it is in use by zoe: deploy run" in said
    assert query("SELECT v FROM templedb.meta WHERE k = 'format'") == [("3",)]
    terminal("deploy", "run", "app")
    assert query("SELECT v FROM templedb.meta WHERE k = 'format'") == [("4",)]
