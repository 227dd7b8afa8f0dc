"""Projects of the older TempleDB, from the SQLite file that it kept."""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import Database, Terminal

TABLES = """
CREATE TABLE projects (id INTEGER PRIMARY KEY, slug TEXT, name TEXT, deployment_config TEXT);
CREATE TABLE project_files (id INTEGER PRIMARY KEY, project_id INTEGER, file_path TEXT,
  status TEXT DEFAULT 'active');
CREATE TABLE content_blobs (hash_sha256 TEXT PRIMARY KEY, content_text TEXT, content_blob BLOB,
  encoding TEXT DEFAULT 'utf-8', storage_location TEXT DEFAULT 'inline', compression TEXT);
CREATE TABLE file_contents (id INTEGER PRIMARY KEY, file_id INTEGER, content_hash TEXT,
  is_current INTEGER);
CREATE TABLE checkouts (id INTEGER PRIMARY KEY, project_id INTEGER, checkout_path TEXT,
  checkout_at TEXT);
CREATE TABLE deployment_targets (id INTEGER PRIMARY KEY, project_id INTEGER, target_name TEXT,
  target_type TEXT, host TEXT, region TEXT, provider TEXT, access_url TEXT, connection_string TEXT);
CREATE TABLE environment_variables (id INTEGER PRIMARY KEY, scope_type TEXT, scope_id INTEGER,
  var_name TEXT, var_value TEXT, value_type TEXT);
CREATE TABLE migration_history (id INTEGER PRIMARY KEY, project_id INTEGER, target_name TEXT,
  migration_file TEXT, migration_checksum TEXT, applied_at TEXT, applied_by TEXT,
  execution_time_ms INTEGER, status TEXT, error_message TEXT);
CREATE TABLE deployment_history (id INTEGER PRIMARY KEY, project_id INTEGER, target TEXT,
  deployed_at TEXT, deployed_by TEXT, status TEXT, exit_code INTEGER, duration_seconds REAL,
  notes TEXT);
"""
CONFIG = {
    "groups": [
        {
            "name": "migrations",
            "order": 1,
            "file_patterns": ["migrations/*.sql"],
            "deploy_command": "psql $DATABASE_URL -f {file}",
            "required_env_vars": ["DATABASE_URL"],
            "hook_timeout": 30,
        }
    ],
    "health_check": {"url": "https://example.com/health"},
}
FIRST, SECOND, THIRD = (f"CREATE TABLE {name} (id int);\n" for name in ("one", "two", "three"))
PASSWORD = "a-pass-that-nobody-sees"


class Older:
    """A file as the older TempleDB left it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(TABLES)

    def add(self, table: str, **row: Any) -> int:
        marks = ", ".join("?" * len(row))
        with closing(sqlite3.connect(self.path)) as connection:
            sql = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"
            found = connection.execute(sql, list(row.values())).lastrowid
            connection.commit()
        return int(found or 0)

    def file(self, path: str, text: str | bytes, *, project: int = 1, **how: Any) -> str:
        body = text.encode() if isinstance(text, str) else text
        key = hashlib.sha256(body).hexdigest()
        columns = {"content_text": text} if isinstance(text, str) else {"content_blob": text}
        self.add("content_blobs", hash_sha256=key, **columns | how)
        number = self.add("project_files", project_id=project, file_path=path)
        self.add("file_contents", file_id=number, content_hash=key, is_current=1)
        return key

    def migration(self, file: str, checksum: str, status: str = "success", **more: Any) -> None:
        row = {"project_id": 1, "target_name": "production", "migration_file": file}
        row |= {"migration_checksum": checksum, "status": status, "applied_by": "emil"}
        self.add("migration_history", **row | {"applied_at": "2025-03-04 05:06:07"} | more)


@pytest.fixture
def older(tmp_path: Path, pg: Database) -> Older:
    made = Older(tmp_path / "templedb.sqlite")
    made.add("projects", slug="woofs", deployment_config=json.dumps(CONFIG))
    sums = [made.file(f"migrations/00{n}.sql", sql) for n, sql in ((1, FIRST), (2, SECOND))]
    made.file("migrations/003.sql", THIRD)
    made.file("logo.bin", gzip.compress(b"\x00\x01"), compression="gzip")
    made.file("big.bin", b"elsewhere", storage_location="external")
    made.file(".env", "TOKEN=nobody-takes-this\n")
    made.add("deployment_targets", project_id=1, target_name="production", target_type="database",
             provider="supabase", host="db.example.com", connection_string=pg.dsn)  # fmt: skip
    variables = {"production:API_TOKEN": PASSWORD, "default:STAGE": "production", "X": "1"}
    for name, value in variables.items():
        made.add("environment_variables", scope_type="project", scope_id=1, var_name=name,
                 var_value=value, value_type="static")  # fmt: skip
    made.add("environment_variables", scope_type="project", scope_id=1, var_name="default:SEALED",
             value_type="secret_ref")  # fmt: skip
    made.migration("migrations/001.sql", sums[0])
    made.migration("migrations/002.sql", hashlib.sha256(b"another text").hexdigest())
    deployed = {"project_id": 1, "target": "production", "deployed_by": "emil"}
    made.add("deployment_history", **deployed, deployed_at="2025-03-04 05:06:00", status="success",
             exit_code=0, duration_seconds=12.5)  # fmt: skip
    made.add("deployment_history", **deployed, deployed_at="2025-03-05 05:06:00", status="failed",
             exit_code=1, duration_seconds=1.0, notes="psql broke")  # fmt: skip
    made.add("deployment_history", **deployed, deployed_at="2025-03-06 05:06:00",
             status="in_progress")  # fmt: skip
    return made


def take_over(terminal: Terminal, older: Older, *words: str) -> str:
    return terminal("project", "import", "--from-templedb", str(older.path), *words).out


def test_import_brings_everything_of_a_project_when_taken_from_an_older_version(
    terminal: Terminal, older: Older
) -> None:
    before = older.path.read_bytes()
    said = take_over(terminal, older)
    assert "config: migrations" in said
    assert "3 deployments of the history" in said
    assert "migration import woofs --target production --from templedb" in said
    files = terminal("project", "files", "woofs").out
    assert "migrations/003.sql" in files
    assert "logo.bin" in files
    for path, why in (("big.bin", "external"), (".env", "secrets"), ("SEALED", "secret_ref")):
        assert why in next(line for line in said.splitlines() if path in line)
    assert "health_check is not imported" in said
    shown = terminal("target", "show", "woofs", "production").out
    assert "supabase" in shown
    assert PASSWORD not in shown + said
    assert "API_TOKEN" in shown
    assert older.path.read_bytes() == before


def test_history_reads_on_when_imported_from_an_older_version(
    terminal: Terminal, older: Older
) -> None:
    take_over(terminal, older)
    rows = terminal("deploy", "history", "woofs", "--json").json[-1]["rows"]
    assert [row["outcome"] for row in rows] == ["unknown", "failed", "succeeded"]
    assert rows[2]["elapsed_ms"] == 12_500
    assert rows[2]["started_at"].startswith("2025-03-04T05:06:00")
    assert "psql broke" in terminal("deploy", "show", rows[1]["run"]).out


def test_remaining_migrations_are_applied_when_the_older_version_applied_some(
    terminal: Terminal, older: Older, pg: Database
) -> None:
    with psycopg.connect(pg.dsn) as connection:
        connection.execute((FIRST + SECOND).encode())
    take_over(terminal, older)
    asked = ("migration", "import", "woofs", "--target", "production", "--from", "templedb")
    said = terminal(*asked, "--file", str(older.path), "--dry-run").out
    lines = [line for line in said.splitlines() if "migrations/00" in line]
    assert [line.split()[:2] for line in lines] == [
        ["verified", "migrations/001.sql"],
        ["edited", "migrations/002.sql"],
    ]
    terminal(*asked, "--file", str(older.path), "--reason", "we move over")
    entry = pg.query("SELECT applied_by, finished_at::text FROM templedb.migration ORDER BY key")[0]
    assert entry[0] == "emil"
    assert entry[1].startswith("2025-03-04 05:06:07")
    run = terminal("deploy", "run", "woofs", "--target", "production", "--no-sync")
    assert "1 migration applied" in run.out
    assert pg.query("SELECT count(*) FROM three") == [(0,)]


def test_run_is_stopped_until_resolved_when_an_imported_migration_had_failed(
    terminal: Terminal, older: Older
) -> None:
    older.migration("migrations/003.sql", "", "failed", error_message="syntax error")
    take_over(terminal, older)
    words = ("migration", "import", "woofs", "--target", "production", "--from", "templedb")
    terminal(*words, "--file", str(older.path))
    said = terminal("deploy", "run", "woofs", "--target", "production", "--no-sync", code=None)
    assert said.code != 0
    assert "003.sql" in said.all
    assert "resolve" in said.all


def test_import_keeps_nothing_when_it_is_a_dry_run(terminal: Terminal, older: Older) -> None:
    assert "would be imported" in take_over(terminal, older, "--dry-run")
    assert terminal("project", "list", "--json").json[-1]["rows"] == []
    assert not (terminal.home / "config" / "templedb" / "key").exists()


def test_import_changes_nothing_when_repeated(terminal: Terminal, older: Older) -> None:
    take_over(terminal, older)
    terminal("target", "update", "woofs", "production", "--provider", "ours")
    said = take_over(terminal, older)
    assert "nothing new" in said
    assert len(terminal("deploy", "history", "woofs", "--json").json[-1]["rows"]) == 3
    assert "ours" in terminal("target", "show", "woofs", "production").out


def test_import_tells_the_problem_and_brings_the_rest_when_an_older_config_is_invalid(
    terminal: Terminal, older: Older
) -> None:
    older.add("projects", slug="cats", deployment_config='{"groups": [{"order": "x"}]}')
    said = take_over(terminal, older, "--slug", "cats")
    assert "project cats is imported" in said
    assert "groups[0]" in said
    assert "woofs" not in said


def test_import_is_refused_when_the_file_is_not_an_older_state(
    terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "letter.txt").write_text("dear all")
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as connection:
        connection.execute("CREATE TABLE letters (id int)")
    for name, told in (("letter.txt", "SQLite"), ("other.sqlite", "older"), ("gone", "not a file")):
        said = terminal("project", "import", "--from-templedb", str(tmp_path / name), code=None)
        assert said.code != 0
        assert told in said.err
        assert "Traceback" not in said.err


def test_migration_import_is_refused_when_file_or_tool_is_given_alone(
    terminal: Terminal, older: Older
) -> None:
    take_over(terminal, older)
    words = ("migration", "import", "woofs", "--target", "production")
    assert "--file" in terminal(*words, "--from", "templedb", code=64).err
    assert "--from" in terminal(*words, "--file", str(older.path), code=64).err
