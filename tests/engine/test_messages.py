"""What servers say beside their answers, and rows that nobody takes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import psycopg
import pytest

from templedb_nb.engine.broadcast import LONGEST
from templedb_nb.engine.messages import KEPT
from templedb_nb.model.history import DeployHistory
from templedb_nb.views.frames import COLUMNS, RAN
from tests import postgres
from tests.conftest import HARD_PASSWORD, MIGRATIONS, Said, Shop, Terminal, databases

SAYS = """SELECT 1;
DO $$ BEGIN
  RAISE WARNING 'look here' USING DETAIL = 'It is old.', HINT = 'Drop it.';
  RAISE NOTICE 'by the way';
  RAISE INFO 'for your information';
END $$;
CREATE TABLE IF NOT EXISTS users (id int);
SELECT * FROM generate_series(1, 41);
"""


def run_of(said: Said) -> str:
    return said.out.split("run ", 1)[1].split(":", 1)[0]


def ran(shop: Shop, *words: str, code: int = 0) -> dict[str, Any]:
    """Deploy, and return the run as JSON has it."""
    return shop.run("--json", *words, code=code).json[-1]


def said(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (each["level"], each["message"]) for step in result["steps"] for each in step["messages"]
    ]


def test_run_shows_warnings_and_keeps_notices_and_rows_when_a_migration_raises_them(
    shop: Shop,
) -> None:
    shop.migration("003_says.sql", SAYS)
    done = shop.run()
    assert "WARNING  migrations/003_says.sql:2: look here (It is old. Drop it.)" in done.out
    assert "by the way" not in done.out
    assert ": app to staging: succeeded, 1 warning in " in done.out
    assert "003_says.sql  (" in done.out
    assert "1 warning, 3 notices, 42 rows returned)" in done.out
    run = run_of(done)
    assert f"the server sent 3 notices: templedb deploy logs {run}" in done.out
    logs = shop.terminal("deploy", "logs", run).out
    assert "NOTICE  migrations/003_says.sql:2: by the way" in logs
    assert "INFO  migrations/003_says.sql:2: for your information" in logs
    assert 'NOTICE  migrations/003_says.sql:7: relation "users" already exists, skipping' in logs
    shown = shop.terminal("deploy", "show", run).out
    assert "WARNING  migrations/003_says.sql:2: look here" in shown
    result = shop.terminal("deploy", "show", run, "--json").json[-1]
    assert (result["warnings"], result["notices"]) == (1, 3)
    assert result["outcome"] == "succeeded"
    (first,) = [m for m in result["steps"][2]["messages"] if m["level"] == "WARNING"]
    assert first | {"kind": "message_received"} == {
        "kind": "message_received", "step": 2, "level": "WARNING", "message": "look here",
        "sqlstate": "01000", "detail": "It is old.", "hint": "Drop it.", "statement": 2, "line": 2,
        "in_output": False,
    }  # fmt: skip


def test_server_messages_do_not_count_when_statements_of_templedb_cause_them(shop: Shop) -> None:
    """The ledger, the twins of probes and what cleans the session say things, too."""
    shop.pg.query(f'ALTER ROLE "{shop.pg.role}" SET client_min_messages = debug1')
    shop.migration("003_quiet.sql", "CREATE TEMP TABLE t (id int); SET lock_timeout = '1s';\n")
    shop.migration("004_built.sql", "CREATE INDEX CONCURRENTLY i ON users (id);\n")
    result = ran(shop)
    levels = {level for level, _ in said(result)}
    assert not levels & {"WARNING", "NOTICE", "INFO"}
    assert result["warnings"] == 0
    again = ran(shop)
    assert (again["warnings"], again["notices"]) == (0, 0)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("-- templedb:no-transaction\nDO $$ BEGIN RAISE WARNING 'w'; END $$;\n", 1),
        ("CREATE INDEX CONCURRENTLY i ON users (id);\nDO $$ BEGIN RAISE WARNING 'w'; END $$;\n", 1),
        ("BEGIN; DO $$ BEGIN RAISE WARNING 'w'; END $$; COMMIT;\nVACUUM users;\n", 1),
        ("BEGIN; DO $$ BEGIN RAISE WARNING 'w'; END $$; ROLLBACK;\nVACUUM users;\n", 1),
        ("CALL warns();\nCALL warns();\n", 2),
        ("COPY watched FROM stdin;\n1\n2\n\\.\n", 2),
        ("-- templedb:verify SELECT warned()\nCREATE TABLE t (id int);\n", 1),
        ("-- templedb:verify SELECT warned()\nVACUUM users;\n", 1),
        ("INSERT INTO deferred VALUES (1);\n", 1),
        ("BEGIN; INSERT INTO deferred VALUES (1); COMMIT;\nVACUUM users;\n", 1),
        ("SET client_min_messages = error; CALL warns();\n", 0),
    ],
)
def test_warning_is_counted_when_raised_in_each_way_a_statement_can_run(
    shop: Shop, sql: str, told: int
) -> None:
    shop.migration("000_first.sql", WARNERS)
    shop.run()
    shop.migration("003_says.sql", sql)
    assert ran(shop)["warnings"] == told


WARNERS = """
CREATE PROCEDURE warns() LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'called'; END $$;
CREATE FUNCTION warned() RETURNS bool LANGUAGE plpgsql AS
  $$ BEGIN RAISE WARNING 'verified'; RETURN true; END $$;
CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE WARNING 'fired'; RETURN NEW; END $$;
CREATE TABLE watched (id int);
CREATE TRIGGER fires BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION fired();
CREATE TABLE deferred (id int);
CREATE CONSTRAINT TRIGGER fires AFTER INSERT ON deferred DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION fired();
"""


def test_warning_is_counted_when_raised_by_migration_down(shop: Shop) -> None:
    down = "-- templedb:down\nDO $$ BEGIN RAISE WARNING 'going'; END $$; DROP TABLE t;\n"
    shop.migration("003_t.sql", f"CREATE TABLE t (id int);\n{down}")
    shop.run()
    words = ("migration", "down", "app", "003_t", "--target", "staging", "--reason", "x")
    assert "succeeded, 1 warning" in shop.terminal(*words).out


def test_warning_is_kept_when_the_migration_fails_afterwards(shop: Shop) -> None:
    shop.migration("003_fails.sql", "DO $$ BEGIN RAISE WARNING 'soon'; END $$;\nSELECT nope;\n")
    done = shop.run(code=12)
    assert "failed, 1 warning" in done.out
    assert "003_fails.sql:1: soon" in done.out


def test_messages_are_bounded_and_the_rest_is_counted_when_a_migration_sends_thousands(
    shop: Shop,
) -> None:
    loop = "DO $$ BEGIN FOR i IN 1..20000 LOOP RAISE {} 'n %', i; END LOOP; END $$;\n"
    shop.migration("003_warns.sql", loop.format("WARNING"))
    shop.migration("004_notes.sql", loop.format("NOTICE"))
    shop.migration("005_debugs.sql", f"SET client_min_messages = debug1;\n{loop.format('DEBUG')}")
    result = ran(shop)
    counts = [(len(s["messages"]), s["more_warnings"], s["more_messages"]) for s in result["steps"]]
    kept, noted, debugged = KEPT["warnings"], KEPT["notices"], KEPT["details"]
    assert counts[2] == (kept, 20000 - kept, 0)
    assert counts[3] == (noted, 0, 20000 - noted)
    assert counts[4] == (debugged, 0, 20000 - debugged)
    assert (result["warnings"], result["notices"]) == (20000, 40000)
    shown = shop.terminal("deploy", "show", result["run"]).out
    assert "n 10" in shown
    assert "… and 19990 more warnings" in shown
    logs = shop.terminal("deploy", "logs", result["run"]).out
    assert "… and 19900 more warnings" in logs
    assert "… and 19900 more notices" in logs


def test_long_message_is_cut_and_masked_when_a_secret_stands_at_the_cut(shop: Shop) -> None:
    secret = HARD_PASSWORD.replace("'", "''")
    pad = "x" * (LONGEST - 5)
    raised = f"DO $$ BEGIN RAISE WARNING '{pad}%', '{secret}' USING DETAIL = '{secret}'; END $$;\n"
    shop.migration("003_tells.sql", raised)
    done = shop.run()
    run = run_of(done)
    shown = shop.terminal("deploy", "show", run, "--json").json[-1]
    (message,) = shown["steps"][2]["messages"]
    assert message["message"].startswith("x" * 1900)
    assert len(message["message"]) < LONGEST + 40
    assert "p@ss" not in message["message"] + done.all
    assert "***[DATABASE_URL]" in message["detail"]


def test_messages_count_once_when_their_transaction_is_retried(shop: Shop) -> None:
    shop.run()
    shop.migration(
        "003_late.sql",
        "-- templedb:lock-timeout 300ms\nDO $$ BEGIN RAISE WARNING 'here'; END $$;\n"
        "SELECT 1;\nALTER TABLE users ADD COLUMN late int;\nCREATE TABLE t (id int);\n",
    )
    with psycopg.connect(shop.pg.server.database(shop.pg.name)) as other:
        other.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        lines = []
        with shop.terminal.process("deploy", "run", "app", "--json") as process:
            assert process.stdout is not None
            assert process.stderr is not None
            for line in process.stdout:
                lines.append(json.loads(line))
                if lines[-1].get("event", {}).get("kind") == "transaction_retried":
                    other.rollback()
            assert process.wait() == 0, process.stderr.read()
    kinds = [each["event"]["kind"] for each in lines if "event" in each]
    assert kinds.count("message_received") >= 2
    result = lines[-1]
    assert result["warnings"] == 1
    assert result["steps"][-1]["rows"] == 1
    (steps,) = shop.terminal(
        "sql", f"SELECT warnings, rows FROM steps WHERE run = '{result['run']}'", "--json"
    ).json[-1]["rows"]
    assert steps == [1, 1]
    (count,) = shop.terminal(
        "sql", f"SELECT count(*) FROM messages WHERE run = '{result['run']}'", "--json"
    ).json[-1]["rows"]
    assert count == [1]


# --- psql ---------------------------------------------------------------------------------------

PSQL = {**MIGRATIONS, "executor": "psql"}


def test_messages_count_and_appear_once_when_psql_executes_the_migration(shop: Shop) -> None:
    shop.config(PSQL)
    shop.terminal.file("app/sub/more.sql", "DO $$ BEGIN RAISE WARNING 'nested'; END $$;\n")
    shop.migration("003_says.sql", f"{SAYS}\\i sub/more.sql\n")
    done = shop.run()
    assert "succeeded, 2 warnings" in done.out
    assert done.out.count("look here") == 1
    result = shop.terminal("deploy", "show", run_of(done), "--json").json[-1]
    assert ("WARNING", "sub/more.sql:1: nested") in said(result)
    assert result["notices"] == 3
    assert shop.terminal("deploy", "logs", run_of(done)).out.count("look here") == 1


def test_run_does_not_claim_that_nothing_was_applied_when_a_nested_file_rolls_back(
    shop: Shop,
) -> None:
    """A program may have committed what stands behind its ROLLBACK: the outcome is unknown."""
    shop.config(PSQL)
    shop.terminal.file("app/sub/more.sql", "BEGIN;\nCREATE TABLE gone (id int);\nROLLBACK;\n")
    shop.migration("003_n.sql", "\\i sub/more.sql\nCREATE TABLE behind (id int);\n")
    done = shop.run(code=13)
    assert "rolled back its transaction" in done.out
    assert "nothing of migrations/003_n.sql was applied" not in done.out
    assert "behind" not in shop.pg.tables(), "no COMMIT of the file, and none of psql's own"
    assert "migrations/003_n.sql" not in shop.pg.applied()


@pytest.fixture(scope="module")
def german() -> Iterator[postgres.Server]:
    """A server that speaks German, where the locale's source is here to make it from."""
    program = shutil.which("localedef")
    with tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as name:
        place = Path(name)
        (place / "server").mkdir()
        place.chmod(0o755)
        made = place / "de_DE.UTF-8"
        if program:
            subprocess.run(
                [program, "-i", "de_DE", "-f", "UTF-8", made], capture_output=True, check=False
            )
        if not made.exists():
            pytest.skip("no locale but C can be made here")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LOCPATH", str(place))
            with postgres.started(postgres.binaries(), place / "server") as server:
                with psycopg.connect(server.admin, autocommit=True) as admin:
                    admin.execute("ALTER SYSTEM SET lc_messages = 'de_DE.UTF-8'")
                    admin.execute("SELECT pg_reload_conf()")
                yield server


@pytest.fixture
def berlin(terminal: Terminal, german: postgres.Server) -> Iterator[Shop]:
    for pg in databases(german):
        with psycopg.connect(german.database(pg.name), autocommit=True) as look:
            try:
                look.execute("SELECT nope")
            except psycopg.Error as error:
                if error.diag.severity != "FEHLER":
                    pytest.skip("the server has no German words")
        made = Shop(terminal=terminal, pg=pg)
        made.migration("001_users.sql", "CREATE TABLE users (id int PRIMARY KEY);\n")
        terminal("project", "import", "app")
        made.config(MIGRATIONS)
        terminal("target", "add", "app", "staging")
        terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", "staging")
        yield made


@pytest.mark.parametrize("group", [MIGRATIONS, PSQL], ids=["native", "psql"])
def test_messages_are_understood_when_the_server_speaks_another_language(
    berlin: Shop, group: dict[str, Any]
) -> None:
    berlin.config(group)
    berlin.migration("003_says.sql", SAYS)
    result = ran(berlin)
    assert (result["warnings"], result["notices"]) == (1, 3)
    assert ("NOTICE", "by the way") in said(result)


# --- where the count is ---------------------------------------------------------------------------


def test_reports_and_frames_carry_the_warning_count_when_a_migration_warns(
    shop: Shop, tmp_path: Path
) -> None:
    shop.migration("003_says.sql", SAYS)
    done = shop.run("--junit", str(tmp_path / "j.xml"), "--summary", str(tmp_path / "s.md"))
    suite = ET.parse(tmp_path / "j.xml").getroot()[0]
    found = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert found == {"warnings": "1", "notices": "3", "health": "no gate"}
    assert suite.get("tests") == str(len(suite.findall("testcase")))
    assert any("look here" in (each.text or "") for each in suite.iter("system-err"))
    summary = (tmp_path / "s.md").read_text()
    assert "succeeded, 1 warning" in summary
    assert "look here" in summary
    rows = shop.terminal("deploy", "history", "app", "--json").json[-1]["rows"]
    assert rows[0]["warnings"] == 1
    ask = f"SELECT warnings FROM runs WHERE run LIKE '{run_of(done)}%'"
    assert shop.terminal("sql", ask, "--json").json[-1]["rows"] == [[1]]


def test_github_job_gets_annotations_when_a_migration_warns(shop: Shop, tmp_path: Path) -> None:
    shop.migration("003_says.sql", SAYS)
    shop.terminal.set(
        GITHUB_ACTIONS="true",
        GITHUB_WORKSPACE=str(shop.terminal.home),
        GITHUB_OUTPUT=str(tmp_path / "out"),
    )
    done = shop.run()
    assert "::warning file=app/migrations/003_says.sql,line=2," in done.out
    assert "warnings<<" in (tmp_path / "out").read_text()


def test_frames_keep_the_position_of_the_warnings_column_when_others_follow() -> None:
    assert [name for name, _, _ in COLUMNS[DeployHistory]][14:16] == ["warnings", "health"]
    assert [name for name, _, _ in RAN][-3:] == ["warnings", "notices", "rows"]


def test_duckdb_run_counts_rows_and_no_warnings_when_a_migration_selects(
    shop: Shop, tmp_path: Path
) -> None:
    url = f"duckdb://{tmp_path}/t.duckdb"
    shop.terminal("env", "set", "app", "DATABASE_URL", url, "--target", "staging")
    shop.migration("003_asks.sql", "SELECT * FROM range(25000);\n")
    result = ran(shop)
    assert result["steps"][2]["rows"] == 25000
    assert result["warnings"] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_is_cancelled_when_interrupted_in_a_storm_of_notices(
    shop: Shop, number: signal.Signals
) -> None:
    """Each notice calls into Python, where an interrupt is raised, and the driver swallows it."""
    shop.migration("003_storm.sql", "DO $$ BEGIN LOOP RAISE NOTICE 'storm'; END LOOP; END $$;\n")
    with shop.terminal.process("deploy", "run", "app", "--json") as process:
        assert process.stdout is not None
        while "message_received" not in process.stdout.readline():
            pass
        process.send_signal(number)
        told, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    result = json.loads(told.splitlines()[-1])
    assert result["outcome"] == "cancelled"
    assert shop.pg.applied() == ["migrations/001_users.sql", "migrations/002_orders.sql"]
