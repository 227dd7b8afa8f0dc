"""Going on writing another tool's table, so that one can go back to the tool on any day."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from templedb_nb.core.migrations.histories.known import TOOLS
from templedb_nb.core.migrations.histories.shadow import SHADOWED
from tests import postgres
from tests.app.migrations.test_adoption import (
    TABLES,
    by_dbmate,
    dbmate,
    fit_for_dbmate,
    half_done,
    owned,
    yoyo,
)
from tests.conftest import Database, Terminal, databases
from tests.corpus import Corpus, copied, deployed

COLUMNS = {
    "flyway": "version, description, type, script, checksum, success",
    "golang-migrate": "version, dirty",
    "dbmate": "version",
    "goose": "version_id, is_applied",
    "prisma": "migration_name, checksum, finished_at IS NULL, rolled_back_at, applied_steps_count",
    "supabase": "version, name",
    "sqlx": "version, success, checksum",
    "diesel": "version",
}


@pytest.fixture
def other(server: postgres.Server) -> Iterator[Database]:
    yield from databases(server)


def rows(pg: Database, tool: str, table: str) -> list[tuple[Any, ...]]:
    return sorted(pg.query(f"SELECT {COLUMNS[tool]} FROM {table}"), key=str)


def test_shadowed_tools_all_have_their_columns() -> None:
    assert set(COLUMNS) == set(SHADOWED)


@pytest.mark.parametrize("tool", SHADOWED)
def test_tool_finds_the_table_it_would_have_written_when_migrations_were_shadowed(
    tool: str, terminal: Terminal, pg: Database, other: Database, tmp_path: Path
) -> None:
    corpus, _, table = half_done(tool, terminal, pg, tmp_path)
    terminal("migration", "import", "app", "--shadow", "--reason", "we may go back")
    planned = terminal("deploy", "run", "app", "--dry-run").out
    assert f"{tool} (" in planned
    assert "is also written" in planned
    terminal("deploy", "run", "app")
    whole = [(path, (corpus.root / path).read_bytes()) for path, _ in corpus.ups()]
    versioned = [each for each in whole if not Path(each[0]).name.startswith("R__")]
    TABLES[tool](other, versioned)
    here = [row for row in rows(pg, tool, table) if row[0] is not None]
    assert here == rows(other, tool, table)
    owned(pg, "ALTER SCHEMA templedb RENAME TO before_that")
    terminal("target", "rebind", "app", "staging", "--reason", "gone back")
    (body,) = terminal("migration", "import", "app", "--dry-run", "--json").json[1:]
    assert body["pending"] == 0
    doubted = {"in doubt"} if tool == "dbmate" else set()  # of several parts it loses all but one
    assert {row["verdict"] for row in body["rows"]} <= {"verified", "assumed"} | doubted


def shadowed(tool: str, terminal: Terminal, pg: Database, tmp_path: Path) -> tuple[Corpus, str]:
    corpus, _, table = half_done(tool, terminal, pg, tmp_path)
    terminal("migration", "import", "app", "--shadow")
    terminal("deploy", "run", "app")
    return corpus, table


@pytest.mark.parametrize("tool", ["golang-migrate", "dbmate", "goose", "sqlx", "diesel", "prisma"])
def test_row_leaves_the_table_of_the_tool_when_a_migration_is_marked_as_reverted(
    tool: str, terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    _, table = shadowed(tool, terminal, pg, tmp_path)
    newest = pg.query(
        "SELECT file, key FROM templedb.migration WHERE state = 'applied' ORDER BY run_seq DESC"
    )[0][0]
    before = rows(pg, tool, table)
    said = terminal("migration", "mark-reverted", "app", newest, "--reason", "done by hand")
    assert said.code == 0
    after = rows(pg, tool, table)
    assert after != before
    terminal("migration", "mark-applied", "app", newest, "--reason", "and again")
    again = rows(pg, tool, table)
    if tool == "prisma":  # it keeps what was rolled back
        assert len(again) == len(before) + 1
    else:
        assert again == before


def test_row_leaves_the_table_of_the_tool_when_a_down_part_runs(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    _, table = shadowed("goose", terminal, pg, tmp_path)
    terminal.file(
        "project/migrations/00099_last.sql",
        "-- +goose Up\nCREATE TABLE last ();\n-- +goose Down\nDROP TABLE last;\n",
    )
    terminal("deploy", "run", "app")
    assert (99, True) in rows(pg, "goose", table)
    terminal("migration", "down", "app", "--steps", "1", "--reason", "no")
    assert (99, True) not in rows(pg, "goose", table)
    assert "last" not in pg.tables()


@pytest.fixture
def going_on(terminal: Terminal, pg: Database, tmp_path: Path) -> tuple[Path, str]:
    """A folder of dbmate's with one migration done by it, and its table written along."""
    folder = tmp_path / "project" / "db" / "migrations"
    folder.mkdir(parents=True)
    add(folder, "20260101_a", "CREATE TABLE a ();")
    owned(pg, "CREATE TABLE a ()")
    dbmate(pg, [("20260101_a.sql", b"")])
    terminal("project", "import", str(tmp_path / "project"), "--slug", "app")
    terminal.config({"name": "migrations", "file_patterns": ["db/migrations/*.sql"]})
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", "staging")
    terminal("migration", "import", "app", "--shadow")
    return folder, "schema_migrations"


def add(folder: Path, name: str, sql: str) -> None:
    (folder / f"{name}.sql").write_text(f"-- migrate:up\n{sql}\n")


def versions(pg: Database) -> list[str]:
    return [version for (version,) in pg.query("SELECT version FROM schema_migrations ORDER BY 1")]


def test_both_tables_stay_unchanged_when_a_migration_fails(
    going_on: tuple[Path, str], terminal: Terminal, pg: Database
) -> None:
    add(going_on[0], "20260102_b", "CREATE TABLE b (); SELECT nonsense;")
    terminal("deploy", "run", "app", code=10)
    assert versions(pg) == ["20260101"]
    assert pg.tables() == ["a", "schema_migrations"]


@pytest.mark.parametrize(("place", "stands"), [("apply.ran", False), ("apply.committed", True)])
def test_both_tables_say_the_same_when_the_run_dies(
    going_on: tuple[Path, str], terminal: Terminal, pg: Database, place: str, *, stands: bool
) -> None:
    add(going_on[0], "20260102_b", "CREATE TABLE b ();")
    terminal.set(TEMPLEDB_FAILPOINT=f"{place}:kill9")
    process = terminal.process("deploy", "run", "app")
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert ("20260102" in versions(pg)) is stands
    assert ("20260102" in pg.applied()) is stands
    assert ("b" in pg.tables()) is stands
    terminal.unset("TEMPLEDB_FAILPOINT")
    terminal("deploy", "run", "app")
    assert versions(pg) == ["20260101", "20260102"]


def test_row_is_written_with_the_last_step_when_a_file_runs_step_by_step(
    going_on: tuple[Path, str], terminal: Terminal, pg: Database
) -> None:
    (going_on[0] / "20260102_b.sql").write_text(
        "-- migrate:up transaction:false\nALTER TABLE a ADD COLUMN x int;\n"
        "CREATE INDEX CONCURRENTLY by_x ON a (x);\n"
    )
    terminal("deploy", "run", "app")
    assert versions(pg) == ["20260101", "20260102"]


def test_migration_is_not_run_again_when_the_tool_ran_it_meanwhile(
    going_on: tuple[Path, str], terminal: Terminal, pg: Database
) -> None:
    add(going_on[0], "20260102_b", "CREATE TABLE b ();")
    owned(pg, "CREATE TABLE b (); INSERT INTO schema_migrations VALUES ('20260102')")
    refused = terminal("deploy", "run", "app", code=78)
    assert "dbmate has run 1 of these files" in refused.err
    terminal("migration", "import", "app")
    add(going_on[0], "20260103_c", "CREATE TABLE c ();")
    terminal("deploy", "run", "app")
    assert versions(pg) == ["20260101", "20260102", "20260103"]


def test_migration_is_stopped_when_the_tool_wrote_its_row_after_the_plan(
    going_on: tuple[Path, str], terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    add(going_on[0], "20260102_b", "CREATE TABLE b ();")
    bundle = str(tmp_path / "plan.templedb")
    terminal("deploy", "plan", "app", "--out", bundle)
    owned(pg, "INSERT INTO schema_migrations VALUES ('20260102')")
    said = terminal("deploy", "run", "--plan", bundle, code=None)
    assert said.code in {10, 69}
    assert "says that 20260102 is applied" in said.all
    assert "b" not in pg.tables()


def test_run_is_refused_when_the_tool_holds_its_lock(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    shadowed("goose", terminal, pg, tmp_path)
    terminal.file("project/migrations/00099_last.sql", "-- +goose Up\nCREATE TABLE last ();\n")
    (lock,) = TOOLS["goose"].locks("public", "goose_db_version", pg.name)
    with psycopg.connect(pg.dsn, autocommit=True) as working:
        working.execute("SELECT pg_advisory_lock(%s)", [lock])
        said = terminal("deploy", "run", "app", code=None)
        assert said.code != 0
        assert "is running: its lock is held" in said.all
        assert "last" not in pg.tables()
    terminal("deploy", "run", "app")
    assert "last" in pg.tables()


def test_shadowing_can_begin_later_and_end_when_switched_on_and_off(
    going_on: tuple[Path, str], terminal: Terminal, pg: Database
) -> None:
    terminal("migration", "import", "app", "--no-shadow", "--reason", "we stay")
    add(going_on[0], "20260102_b", "CREATE TABLE b ();")
    assert "written along" not in terminal("deploy", "run", "app").all
    assert versions(pg) == ["20260101"]
    terminal("migration", "import", "app", "--shadow", "--reason", "or perhaps not")
    assert versions(pg) == ["20260101", "20260102"]
    assert "is also written" in terminal("deploy", "run", "app", "--dry-run").out
    ended = terminal("migration", "import", "app", "--no-shadow").code
    assert ended == 0
    assert "--shadow" in terminal("migration", "import", "app", "--no-shadow", code=64).err


def test_table_of_the_tool_is_written_when_a_fresh_state_runs(
    going_on: tuple[Path, str], terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    terminal.set(TEMPLEDB_STATE=str(tmp_path / "another" / "state.duckdb"))
    terminal("project", "import", str(tmp_path / "project"), "--slug", "app")
    terminal.config({"name": "migrations", "file_patterns": ["db/migrations/*.sql"]})
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", "staging")
    add(going_on[0], "20260102_b", "CREATE TABLE b ();")
    terminal("deploy", "run", "app")
    assert versions(pg) == ["20260101", "20260102"]


def test_plan_is_stale_when_shadowing_is_switched_after_planning(
    going_on: tuple[Path, str], terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    add(going_on[0], "20260102_b", "CREATE TABLE b ();")
    bundle = str(tmp_path / "plan.templedb")
    terminal("deploy", "plan", "app", "--out", bundle)
    terminal("migration", "import", "app", "--no-shadow")
    terminal("deploy", "run", "--plan", bundle, code=22)
    assert "b" not in pg.tables()


def test_shadowing_is_refused_when_the_table_of_the_tool_cannot_be_written(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    corpus = copied("yoyo", tmp_path / "project")
    yoyo(pg, [(path, b"") for path, _ in corpus.ups()])
    deployed(terminal, corpus, pg)
    said = terminal("migration", "import", "app", "--shadow", code=64)
    assert "the table of yoyo cannot be written by --shadow" in said.err
    assert "flyway" in said.err


# --- with the tool itself -----------------------------------------------------------------------


def test_dbmate_goes_on_when_templedb_has_applied_and_shadowed_the_rest(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    corpus = copied("dbmate", tmp_path / "project")
    fit_for_dbmate(corpus)
    later = sorted(corpus.folder.glob("*.sql"))[1:]
    for path in later:
        path.rename(tmp_path / path.name)
    by_dbmate(pg, corpus, "migrate")
    for path in later:
        (tmp_path / path.name).rename(path)
    deployed(terminal, corpus, pg)
    terminal("migration", "import", "app", "--shadow")
    terminal("deploy", "run", "app")
    assert "Pending: 0" in by_dbmate(pg, corpus, "status")
    (corpus.folder / "20990101000000_last.sql").write_text(
        "-- migrate:up\nCREATE TABLE last ();\n\n-- migrate:down\nDROP TABLE last;\n"
    )
    by_dbmate(pg, corpus, "migrate")
    assert "dbmate has run 1" in terminal("deploy", "run", "app", code=78).err
    terminal("migration", "import", "app")
    assert "no migration was pending" in terminal("deploy", "run", "app").out
