"""`health check`: a target asked by real means, from the words to the exit code."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from templedb_nb.model.health import EVIDENCE
from tests.conftest import Shop, Terminal
from tests.health.test_health_http import HEAD, closed_port
from tests.health_servers import Server, dripping, saying, serving

QUICK = {"interval": 1, "failure_threshold": 1}
WEB = {"name": "web", "deploy_command": "true"}


def checks(shop: Shop, *found: dict[str, Any]) -> None:
    shop.config(WEB | {"health_checks": [QUICK | each for each in found]})


def check(shop: Shop, *words: str, code: int = 0) -> dict[str, Any]:
    said = shop.terminal("health", "check", "app", "--json", *words, code=code)
    header, report = said.json
    assert header == {"templedb": 1}
    assert report["kind"] == "HealthReport"
    return report


def row(shop: Shop, *words: str, code: int = 0) -> dict[str, Any]:
    (found,) = check(shop, *words, code=code)["rows"]
    return found


def cause(shop: Shop, found: dict[str, Any], code: int, *words: str) -> str:
    """Return the cause of the last try of one check of type sql or command."""
    checks(shop, found)
    return str(row(shop, *words, code=code)["tries"][-1]["cause"])


# --- outcomes and words -----------------------------------------------------------------------


def test_target_is_healthy_when_every_check_is_healthy(shop: Shop) -> None:
    with serving(saying(b"up")) as server:
        checks(
            shop,
            {"type": "http", "url": server.url, "expect_body": "^up$"},
            {"type": "tcp", "host": "127.0.0.1", "port": server.port},
            {"type": "command", "command": "true"},
            {"type": "sql", "query": "SELECT true"},
        )
        said = shop.terminal("health", "check", "app", "--target", "staging")
    assert said.out.startswith("staging of app: healthy\n")
    assert said.err.count(": healthy in ") == 4
    assert [each.split()[1] for each in said.out.splitlines()[1:]] == [
        "web/http", "web/tcp", "web/command", "web/sql",
    ]  # fmt: skip


def test_target_is_unhealthy_when_a_check_is_unhealthy_and_another_is_inconclusive(
    shop: Shop,
) -> None:
    nobody = {"type": "tcp", "host": "nobody.invalid", "port": 1, "timeout": 1, "deadline": 1}
    checks(shop, {"type": "command", "command": "true"}, nobody)
    assert [each["outcome"] for each in check(shop, code=14)["rows"]] == ["healthy", "inconclusive"]
    checks(shop, {"type": "command", "command": "exit 3"}, nobody)
    assert [each["outcome"] for each in check(shop, code=10)["rows"]] == [
        "unhealthy",
        "inconclusive",
    ]


def test_inconclusive_check_is_unhealthy_when_the_config_says_fail(shop: Shop) -> None:
    nobody = {"type": "tcp", "host": "nobody.invalid", "port": 1, "inconclusive": "fail"}
    checks(shop, nobody)
    found = row(shop, code=10)
    assert (found["outcome"], found["tries"][0]["outcome"]) == ("unhealthy", "inconclusive")


def test_target_is_never_healthy_when_it_has_no_check(shop: Shop) -> None:
    said = shop.terminal("health", "check", "app", code=78)
    assert "its health cannot be measured" in said.err


def test_tries_go_on_when_the_threshold_is_not_met(shop: Shop) -> None:
    marks = shop.terminal.home / "marks"
    command = f"echo . >> {marks}; test $(wc -l < {marks}) -gt 1"
    checks(shop, {"type": "command", "command": command, "failure_threshold": 9,
                  "success_threshold": 2, "initial_delay": 250})  # fmt: skip
    found = row(shop)
    assert [each["outcome"] for each in found["tries"]] == ["unhealthy", "healthy", "healthy"]
    assert len(row(shop, "--once")["tries"]) == 1


def test_check_tries_only_once_when_once_is_given(shop: Shop) -> None:
    checks(shop, {"type": "tcp", "host": "nobody.invalid", "port": 1, "timeout": 1})
    found = row(shop, "--once", code=14)
    assert len(found["tries"]) == 1
    assert found["message"].startswith("nobody.invalid does not resolve")


def test_http_check_is_unhealthy_when_the_body_drips_without_end(shop: Shop) -> None:
    server: Server
    with serving(dripping(HEAD + b"\r\nup", b".", lambda: server.stop)) as server:
        checks(shop, {"type": "http", "url": server.url, "timeout": 1})
        assert row(shop, code=10)["tries"][0]["cause"] == "body_timeout"


def test_try_is_not_counted_when_the_deadline_cuts_the_try(shop: Shop) -> None:
    """It had less than its timeout: it says nothing, and what was said before holds."""
    marks = shop.terminal.home / "marks"
    command = f"echo . >> {marks}; if test $(wc -l < {marks}) = 1; then exit 1; fi; sleep 300"
    checks(shop, {"type": "command", "command": command, "failure_threshold": 2, "timeout": 2,
                  "deadline": 2})  # fmt: skip
    found = row(shop, code=10)
    assert [each["cause"] for each in found["tries"]] == ["exit_status", "deadline"]


def test_health_check_tells_every_problem_before_asking_when_variables_have_no_value(
    shop: Shop,
) -> None:
    found = {
        "type": "http",
        "url": "{var:API_URL}",
        "headers": {"Authorization": "Bearer {var:TOKEN}"},
    }
    checks(shop, found)
    said = shop.terminal("health", "check", "app", code=78).err
    assert "API_URL of web/http has no value" in said
    assert "TOKEN of web/http has no value" in said
    assert "templedb env set app API_URL --target staging" in said


def test_json_path_is_a_config_problem_when_it_is_malformed(shop: Shop) -> None:
    for path in ("$..", "$[", "$.a b", "$.a[?(@.b)"):
        checks(
            shop,
            {
                "type": "http",
                "url": "http://127.0.0.1:1/",
                "expect_json": {"path": path, "above": 0},
            },
        )
        assert f"{path} is not a JSONPath" in shop.terminal("health", "check", "app", code=78).err


def test_health_check_names_the_library_and_its_installation_when_the_library_is_missing(
    shop: Shop,
) -> None:
    """In a process that has none of the extra's packages."""
    checks(shop, {"type": "http", "url": "http://127.0.0.1:1/"})
    (shop.terminal.home / "without.py").write_text(
        "import sys, importlib.util as u\n"
        "found = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'urllib3' else found(name, *more)\n"
        "from templedb_nb.__main__ import main\n"
        "main()\n"
    )
    import subprocess

    run = subprocess.run(
        [sys.executable, "without.py", "health", "check", "app"], cwd=shop.terminal.home,
        env={**os.environ, **shop.terminal.environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 78, run.stderr
    assert "pip install 'templedb-nb[health]'" in run.stderr


def test_variable_values_are_resolved_and_never_shown_when_a_check_fails(shop: Shop) -> None:
    secret = "opensesame-4711"

    def talk(connection: socket.socket, head: bytes) -> None:
        saying(head, "500 No")(connection, head)

    with serving(talk) as server:
        shop.terminal(
            "env",
            "set",
            "app",
            "API_URL",
            "--target",
            "staging",
            stdin=f"{server.url}?q=a-secret-q",
        )
        shop.terminal("env", "set", "app", "TOKEN", "--target", "staging", stdin=secret)
        checks(
            shop, {"type": "http", "url": "{var:API_URL}", "headers": {"X-Token": "{var:TOKEN}"}}
        )
        said = shop.terminal("health", "check", "app", code=10)
        assert secret.encode() in server.asked[0]
        as_json = shop.terminal("health", "check", "app", "--json", code=10)
    for text in (said.all, as_json.all):
        assert secret not in text
        assert "***[TOKEN]" in text


def test_health_check_takes_a_value_when_given_for_one_time_by_env(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        checks(shop, {"type": "tcp", "host": "{var:HOST}", "port": listening.getsockname()[1]})
        row(shop, "--env", "HOST=127.0.0.1")
    assert shop.terminal("health", "check", "app", code=78)


def test_health_check_expects_the_last_deployed_release_when_the_folder_has_moved_on(
    shop: Shop,
) -> None:
    """A folder that has moved on since is not what must answer."""
    command = 'printf "%s" "$TEMPLEDB_RELEASE" > answer'
    said: dict[str, bytes] = {}
    answer = shop.terminal.home / "app" / "answer"

    def talk(connection: socket.socket, head: bytes) -> None:
        saying(said.get("release") or answer.read_bytes())(connection, head)

    with serving(talk) as server:
        found = {"type": "http", "url": server.url, "expect_version": "{release}"} | QUICK
        web = {
            "name": "web",
            "workdir": "project",
            "deploy_command": command,
            "health_check": found,
        }
        shop.config(web)
        assert row(shop, "--once", code=14)["tries"][-1]["cause"] == "not_measured"
        shop.terminal.file("app/.templedbignore", "answer\n")
        shop.run()
        said["release"] = answer.read_bytes()
        assert len(said["release"]) == 12
        assert check(shop)["release"] == said["release"].decode()
        shop.terminal.file("app/more.txt", "more")
        shop.terminal("project", "sync", "app")
        row(shop)
        said["release"] = b"0" * 12
        assert row(shop, code=10)["tries"][-1]["cause"] == "version"


def test_target_has_its_own_checks_when_the_checked_in_file_names_them(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        tcp = {"type": "tcp", "host": "127.0.0.1", "port": listening.getsockname()[1]}
        text = {"groups": [WEB], "targets": {"dev": {"health_check": tcp}, "prod": {}}}
        terminal.files(**{"templedb.yaml": json.dumps(text)})
        terminal("project", "import", "app")
        said = terminal("health", "check", "app", "--target", "dev")
        assert "target/tcp" in said.out
        terminal("health", "check", "app", "--target", "prod", code=78)


def test_health_check_ends_with_all_its_processes_when_interrupted(shop: Shop) -> None:
    marks = shop.terminal.home / "pids"
    checks(
        shop,
        {
            "type": "command",
            "command": f"sleep 300 & echo $! > {marks}.x; mv {marks}.x {marks}; wait",
        },
    )
    process = shop.terminal.process("health", "check", "app")
    while not marks.exists():
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    assert not psutil.pid_exists(int(marks.read_text()))


# --- commands ---------------------------------------------------------------------------------


def test_command_check_is_unhealthy_and_killed_with_its_children_when_the_command_hangs(
    shop: Shop,
) -> None:
    marks = shop.terminal.home / "pids"
    deaf = "trap '' INT TERM; "
    command = f"{deaf} sleep 300 & echo $! >> {marks}; setsid sleep 301 & echo $! >> {marks}; wait"
    assert (
        cause(shop, {"type": "command", "command": command, "timeout": 1}, 10) == "command_timeout"
    )
    pids = [int(each) for each in marks.read_text().split()]
    assert len(pids) == 2
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


@pytest.mark.parametrize(
    ("command", "came", "code"),
    [
        ("exit 3", "exit_status", 10),
        ("false | true", "exit_status", 10),
        ("kill -9 $$", "command_killed", 10),
        ("no-such-program", "command_not_found", 14),
        ("./templedb.sql", "command_not_found", 14),
    ],
)
def test_command_check_is_judged_by_its_ending_when_the_command_ends_or_times_out(
    shop: Shop, command: str, came: str, code: int
) -> None:
    found = {"type": "command", "command": command, "timeout": 1, "deadline": 1}
    assert cause(shop, found, code) == came


def test_command_check_sees_the_release_files_and_its_variables(shop: Shop) -> None:
    shop.terminal("env", "set", "app", "SHELF", "top", "--target", "staging", "--plain")
    command = (
        'test "$SHELF" = top; test -f migrations/001_users.sql; test "$TEMPLEDB_TARGET" = staging'
    )
    checks(shop, {"type": "command", "command": command})
    row(shop)


def test_command_output_is_masked_and_cut_to_its_end_when_long_and_secret(shop: Shop) -> None:
    shop.terminal("env", "set", "app", "TOKEN", "--target", "staging", stdin="opensesame-4711")
    checks(shop, {"type": "command", "command": 'seq 5000; echo "<$TOKEN>"; exit 1'})
    found = row(shop, code=10)["tries"][0]["evidence"]
    assert found.endswith("<***[TOKEN]>\n")
    assert len(found.encode()) <= EVIDENCE


# --- sql --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expect", "came", "code"),
    [
        ("SELECT true", None, "met", 0),
        ("SELECT count(*) = 0 FROM pg_class WHERE false", None, "met", 0),
        ("SELECT false", None, "query_answer", 10),
        ("SELECT NULL::bool", None, "query_answer", 10),
        ("SELECT 't'", None, "query_answer", 10),
        ("SELECT 1", None, "query_answer", 10),
        ("SELECT true WHERE false", None, "query_answer", 10),
        ("SELECT true UNION ALL SELECT true", None, "query_answer", 10),
        ("SELECT count(*) FROM pg_class WHERE false", 0, "met", 0),
        ("SELECT 1 WHERE false", "empty", "met", 0),
        ("SELECT generate_series(1, 500)", "rows=500", "met", 0),
        ("SELECT generate_series(1, 501)", "rows=500", "query_answer", 10),
        ("SELECT nothing FROM nowhere", None, "query_failed", 10),
        ("SELECT 1/0", None, "query_failed", 10),
        ("SELECT pg_sleep(300)", None, "query_timeout", 10),
    ],
)
def test_sql_check_is_judged_by_its_answer_when_the_query_returns(
    shop: Shop, query: str, expect: object, came: str, code: int
) -> None:
    found = {"type": "sql", "query": query} | ({} if expect is None else {"expect": expect})
    found |= {"timeout": 2} if "sleep" in query else {}
    assert cause(shop, found, code) == came


def test_sql_check_writes_nothing_when_its_query_calls_a_writing_function(shop: Shop) -> None:
    shop.pg.query("CREATE TABLE marks (n int)")
    shop.pg.query(
        "CREATE FUNCTION mark() RETURNS bool LANGUAGE sql AS 'INSERT INTO marks VALUES (1) RETURNING true'"
    )
    assert cause(shop, {"type": "sql", "query": "SELECT mark()"}, 10) == "query_failed"
    assert shop.pg.query("SELECT count(*) FROM marks") == [(0,)]


def test_sql_check_is_unhealthy_when_its_table_is_locked(shop: Shop) -> None:
    with psycopg.connect(shop.pg.dsn) as other:
        other.execute("CREATE TABLE held (n int)")
        other.commit()
        other.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        found = {"type": "sql", "query": "SELECT count(*) = 0 FROM held", "timeout": 1}
        assert cause(shop, found, 10) == "query_timeout"
    assert cause(shop, found, 0) == "met"


def test_sql_check_is_inconclusive_when_the_role_may_not_read_the_table(shop: Shop) -> None:
    with psycopg.connect(shop.pg.server.database(shop.pg.name), autocommit=True) as admin:
        admin.execute("CREATE TABLE hidden (n int)")
    found = {"type": "sql", "query": "SELECT count(*) = 0 FROM hidden", "timeout": 1, "deadline": 1}
    assert cause(shop, found, 14) == "database"


def test_sql_check_tells_the_cause_when_the_database_cannot_be_reached(shop: Shop) -> None:
    found = {
        "type": "sql",
        "query": "SELECT true",
        "database": "OTHER_URL",
        "timeout": 2,
        "deadline": 2,
    }
    for place, came, code in (
        (f"127.0.0.1:{closed_port()}", "refused", 10),
        ("nobody.invalid", "name_unknown", 14),
    ):
        words = ("--env", f"OTHER_URL=postgresql://u:pw12345678@{place}/x")
        assert cause(shop, found, code, *words) == came


def test_sql_check_is_unhealthy_when_the_server_accepts_and_says_nothing(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = {"type": "sql", "query": "SELECT true", "database": "OTHER_URL", "timeout": 2}
        address = f"postgresql://u:pw12345678@127.0.0.1:{silent.getsockname()[1]}/x"
        assert cause(shop, found, 10, "--env", f"OTHER_URL={address}") == "query_timeout"


def test_sql_check_is_inconclusive_and_hides_the_password_when_the_password_is_wrong(
    shop: Shop,
) -> None:
    wrong = "opensesame-4711"
    address = psycopg.conninfo.conninfo_to_dict(shop.pg.dsn)
    url = f"postgresql://{address['user']}:{wrong}@{address['host']}:{address.get('port', 5432)}/{shop.pg.name}"
    checks(
        shop,
        {
            "type": "sql",
            "query": "SELECT true",
            "database": "OTHER_URL",
            "timeout": 5,
            "deadline": 5,
        },
    )
    said = shop.terminal("health", "check", "app", "--once", "--env", f"OTHER_URL={url}", code=14)
    assert wrong not in said.all


def test_rows_are_masked_when_a_query_answers_with_a_secret(shop: Shop) -> None:
    shop.terminal("env", "set", "app", "TOKEN", "--target", "staging", stdin="opensesame-4711")
    checks(shop, {"type": "sql", "query": "SELECT 'opensesame-' || 4711"})
    found = json.dumps(row(shop, code=10))
    assert "opensesame-4711" not in found
    assert "***[TOKEN]" in found


@pytest.fixture
def file(terminal: Terminal) -> Path:
    import duckdb

    path = terminal.home / "target.duckdb"
    duckdb.connect(str(path)).execute("CREATE TABLE t AS SELECT 1 AS n").close()
    terminal.files(**{"readme.txt": "x"})
    terminal("project", "import", "app")
    terminal("target", "add", "app", "local")
    terminal("env", "set", "app", "DATABASE_URL", f"duckdb://{path}", "--target", "local")
    return path


@pytest.mark.parametrize(
    ("query", "came", "code"),
    [
        ("SELECT count(*) = 1 FROM t", "met", 0),
        ("SELECT n FROM t", "query_answer", 10),
        ("SELECT x FROM nowhere", "query_failed", 10),
        ("SELECT count(*) > 0 FROM range(100000000) a, range(100000000) b", "query_timeout", 10),
    ],
)
def test_sql_check_is_judged_by_its_answer_when_the_database_is_a_duckdb_file(
    terminal: Terminal, file: Path, query: str, came: str, code: int
) -> None:
    assert file.exists()
    terminal.config(
        WEB | {"health_check": {"type": "sql", "query": query, "timeout": 5, "deadline": 5} | QUICK}
    )
    report = terminal("health", "check", "app", "--json", code=code).json[1]
    assert report["rows"][0]["tries"][0]["cause"] == came


def test_sql_check_is_inconclusive_when_another_process_holds_the_duckdb_file(
    terminal: Terminal, file: Path
) -> None:
    import subprocess

    holds = f"import duckdb, sys; c = duckdb.connect({str(file)!r}); print('held', flush=True); sys.stdin.read()"
    terminal.config(
        WEB | {"health_check": {"type": "sql", "query": "SELECT true", "timeout": 2, "deadline": 2}}
    )
    with subprocess.Popen(
        [sys.executable, "-c", holds], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        report = terminal("health", "check", "app", "--once", "--json", code=14).json[1]
        other.communicate()
    assert report["rows"][0]["tries"][0]["cause"] == "database"
    terminal("health", "check", "app", "--once")
