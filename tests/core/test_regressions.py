"""What the older TempleDB's own orchestrator got wrong, each fault a test."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from templedb_nb.core.config import globs
from tests.conftest import MIGRATIONS, Shop


def run_id(said: str) -> str:
    return said.split("run ", 1)[1].split(":", 1)[0]


def test_variable_keeps_its_value_when_its_name_begins_with_another_name(shop: Shop) -> None:
    """$VAR was put in by str.replace in dict order: $DB ate $DB_URL."""
    shop.terminal("env", "set", "DB", "prod", "--plain")
    shop.terminal("env", "set", "DB_URL", "https://right.example", "--plain")
    shop.config({"name": "show", "deploy_command": 'echo "<$DB_URL|$DB>"'})
    assert "<https://right.example|prod>" in shop.run().out


def test_value_is_not_parsed_by_the_shell_nor_in_an_argument_when_it_has_special_characters(
    shop: Shop,
) -> None:
    """Values landed in argv, where ps shows them, and were parsed by the shell."""
    value = "a b; touch broken $(touch broken) `touch broken` 'quoted'"
    shop.terminal("env", "set", "WEIRD", value)
    shop.config(
        {
            "name": "show",
            "workdir": "project",
            "deploy_command": 'test "$WEIRD" = "$(cat expected)"; ps -eo args > processes',
        }
    )
    shop.terminal.file("app/expected", value)
    shop.run()
    assert not list(shop.terminal.home.rglob("broken"))
    assert "touch broken" not in (shop.terminal.home / "app" / "processes").read_text()


def test_child_processes_end_when_their_command_times_out(shop: Shop) -> None:
    """With shell=True and a timeout, the children lived on."""
    marks = shop.terminal.home / "pids"
    shop.config(
        {
            "name": "slow",
            "timeout": 1,
            "deploy_command": f"sleep 300 & echo $! >> {marks}; sleep 301 & echo $! >> {marks}; wait",
        }
    )
    said = shop.run(code=124)
    assert "took longer than its timeout" in said.out
    pids = [int(each) for each in marks.read_text().split()]
    assert len(pids) == 2
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_command_gets_its_own_variables_only_when_our_environment_has_others(shop: Shop) -> None:
    """Every hook got the whole of os.environ and all secrets."""
    shop.terminal.set(UNRELATED_TOKEN="from our own environment")
    shop.terminal("target", "add", "app", "production")
    shop.terminal(
        "env", "set", "app", "PRODUCTION_ONLY", "not for staging", "--target", "production"
    )
    shop.config({"name": "show", "deploy_command": "env | cut -d= -f1 | sort"})
    said = shop.run("--target", "staging").out
    assert "UNRELATED_TOKEN" not in said
    assert "PRODUCTION_ONLY" not in said
    assert "| PATH" in said
    assert "| DATABASE_URL" in said
    assert "| TEMPLEDB_RUN_ID" in said


def test_plan_is_stopped_when_a_migration_file_vanishes(shop: Shop) -> None:
    """A missing file was printed, skipped, and the run succeeded."""
    shop.run()
    (shop.terminal.home / "app" / "migrations" / "001_users.sql").unlink()
    said = shop.terminal("migration", "status").out
    assert "missing" in said
    assert "restore the file" in said
    shop.config(MIGRATIONS | {"file_patterns": ["migrations/*.sql", "more/*.sql"]})
    refused = shop.run(code=78)
    assert "'more/*.sql' matches no file" in refused.err


def test_run_fails_when_a_script_fails_in_sql(shop: Shop) -> None:
    """Success was an exit code, and psql without ON_ERROR_STOP exits with 0."""
    shop.migration("003_bad.sql", "CREATE TABLE before (id int);\nSELECT nope;\n")
    shop.config(MIGRATIONS | {"deploy_command": "psql $DATABASE_URL -f {file}"})
    shop.run(code=12)
    assert "before" not in shop.pg.tables()


def test_deploy_command_runs_when_its_group_has_one(shop: Shop) -> None:
    """Groups of any other kind were counted as deployed, and nothing ran."""
    shop.config(
        {"name": "functions", "deploy_command": "echo deployed > marker", "workdir": "project"}
    )
    shop.run()
    assert (shop.terminal.home / "app" / "marker").read_text() == "deployed\n"


def test_config_is_refused_when_a_group_has_nothing_to_do(shop: Shop) -> None:
    said = shop.terminal(
        "deploy",
        "config",
        "--set",
        "-",
        code=78,
        stdin='{"groups": [{"name": "x", "file_patterns": ["a.txt"]}]}',
    )
    assert "has nothing to do" in said.err


def test_tests_run_after_the_build_when_a_group_has_both(shop: Shop) -> None:
    """Tests ran before the build."""
    shop.config({"name": "b", "test_command": "cat built", "build_command": "echo fresh > built"})
    assert "| fresh" in shop.run().out


@pytest.mark.parametrize(
    "group",
    [
        {"name": "x", "deploy_command": "true", "required_env_vars": ["NOT_SET"]},
        {"name": "x", "deploy_command": "exit 3"},
        {"name": "x", "pre_deploy": ["exit 3"], "deploy_command": "true"},
    ],
)
def test_run_is_not_left_in_progress_when_it_ends_early(
    shop: Shop, group: dict[str, object]
) -> None:
    """Early returns left the tracking row "in progress" for ever."""
    shop.config(group)
    shop.run(code=None)
    assert "running" not in shop.terminal("deploy", "history").out
    assert shop.pg.query("SELECT 1 FROM pg_tables WHERE schemaname = 'templedb'") == [] or (
        shop.pg.query("SELECT count(*) FROM templedb.run WHERE state = 'running'") == [(0,)]
    )


def test_plan_is_stopped_when_a_secret_cannot_be_opened(shop: Shop) -> None:
    """Secrets that failed to decrypt were skipped, and the deployment went ahead."""
    shop.terminal("env", "set", "API_TOKEN", "a secret of ours")
    shop.config({"name": "x", "deploy_command": "true"})
    shop.terminal.set(TEMPLEDB_KEY="A" * 43 + "=")
    said = shop.run(code=78)
    assert "wrong key" in said.err
    key = Path(os.environ["XDG_CONFIG_HOME"]) / "templedb" / "key"
    shop.terminal.unset("TEMPLEDB_KEY")
    key.unlink()
    assert "there is no key" in shop.run(code=78).err


def test_star_matches_no_slash_when_a_file_stands_in_a_subfolder() -> None:
    """fnmatch("migrations/sub/x.sql", "migrations/*.sql") is true."""
    assert globs.match("migrations/*.sql", ["migrations/sub/x.sql"]) == ()
    assert globs.match("migrations/**/*.sql", ["migrations/sub/x.sql"]) == ("migrations/sub/x.sql",)


def test_link_is_left_out_when_a_project_contains_a_symbolic_link(shop: Shop) -> None:
    """Symlinked files were followed."""
    outside = shop.terminal.file("outside.sql", "CREATE TABLE stolen (id int);")
    folder = shop.terminal.home / "app" / "migrations"
    (folder / "003_link.sql").symlink_to(outside)
    (shop.terminal.home / "app" / "linked").symlink_to(shop.terminal.home)
    said = shop.terminal("project", "sync", "app").out
    assert "left out: migrations/003_link.sql: is a symbolic link" in said
    shop.run()
    assert "stolen" not in shop.pg.tables()


def test_run_is_not_called_healthy_when_its_health_check_cannot_be_measured(shop: Shop) -> None:
    """Without a health template, blue-green said "healthy"."""
    check = {"type": "tcp", "host": "127.0.0.1", "port": 1, "failure_threshold": 1}
    shop.config({"name": "x", "deploy_command": "true", "health_check": check})
    assert "x/tcp" in shop.run("--dry-run").out
    said = shop.run(code=12).out
    assert "unhealthy" in said
    assert "succeeded" not in said


def test_config_is_refused_when_it_has_a_key_for_what_is_not_built_yet(shop: Shop) -> None:
    """A rollback swap that skipped its health check looked like any other swap."""
    said = shop.terminal(
        "deploy", "config", "--set", "-", code=78,
        stdin='{"groups": [{"name": "x", "deploy_command": "true", "blue_green": {"skip_health_check": true}}]}',
    )  # fmt: skip
    assert "blue_green.skip_health_check: is not a known key" in said.err


def test_file_is_never_seen_missing_when_it_is_replaced(tmp_path: Path) -> None:
    """A switch by unlink and symlink failed 83 % of the readers in between."""
    import hashlib
    import threading

    from templedb_nb.files.workfolder import WorkFolder
    from templedb_nb.model.file import FileEntry
    from templedb_nb.model.serialization import Digest

    folder = WorkFolder(tmp_path / "work")
    bodies = {Digest(hashlib.sha256(b).hexdigest()): b for b in (b"old" * 9000, b"new" * 9000)}
    missed, stop = [], threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                if (folder.tree / "live").read_bytes() not in bodies.values():
                    missed.append("torn")
            except FileNotFoundError:
                missed.append("missing")

    with folder.hold():
        for turn in range(300):
            blob = list(bodies)[turn % 2]
            folder.materialise(
                [FileEntry(path="live", blob=blob, size=27000)],
                lambda b: [(x, bodies[x]) for x in b],
            )
            if turn == 0:
                reader = threading.Thread(target=read)
                reader.start()
    stop.set()
    reader.join()
    assert missed == []


def test_step_is_on_record_when_its_run_is_killed_in_a_command(shop: Shop) -> None:
    """State was written after the switch: a crash between made the next one overwrite the live slot."""
    begun = shop.terminal.home / "begun"
    shop.config({"name": "switch", "deploy_command": f"echo $$ > {begun}; sleep 300"})
    process = shop.terminal.process("deploy", "run", "app")
    _await(begun)
    process.kill()
    process.communicate()
    said = shop.run(code=13)
    assert "its outcome is unknown" in said.err
    run = said.err.split("run resolve ")[1].split()[0]
    shop.config({"name": "switch", "deploy_command": "echo switched"})
    shop.run(code=13)
    shop.terminal("run", "resolve", run, "--reason", "looked: the old slot is live")
    assert "switched" in shop.run().out


def test_history_keeps_no_value_when_a_command_prints_a_secret(shop: Shop) -> None:
    """Snapshots of the environment kept secrets in plain text."""
    secret = "a-very-special-value"
    shop.terminal("env", "set", "SPECIAL", secret)
    shop.config({"name": "x", "deploy_command": "echo $SPECIAL"})
    assert "***[SPECIAL]" in shop.run().out
    _assert_nowhere(shop.terminal.home, secret.encode())


def test_webhook_address_is_masked_when_a_command_prints_it(shop: Shop) -> None:
    """The address of a webhook was logged."""
    address = "https://hooks.example.com/services/T000/B000/abcdefgh"
    shop.terminal("env", "set", "WEBHOOK_URL", address)
    shop.config(
        {
            "name": "x",
            "post_deploy": ["echo posting to $WEBHOOK_URL; exit 7"],
            "deploy_command": "true",
        }
    )
    said = shop.run().out
    assert "posting to ***[WEBHOOK_URL]" in said
    assert "abcdefgh" not in said
    _assert_nowhere(shop.terminal.home, b"T000/B000/abcdefgh")


def test_command_is_tried_again_when_it_fails_and_the_config_allows_retries(shop: Shop) -> None:
    """One attempt with a fixed timeout was all there was."""
    count = shop.terminal.home / "count"
    shop.config(
        {
            "name": "x",
            "retry_attempts": 2,
            "deploy_command": f"echo x >> {count}; test $(wc -l < {count}) -eq 3",
        }
    )
    said = shop.run().out
    assert said.count("trying again") == 2
    assert "(3 attempts)" in shop.terminal("deploy", "show", run_id(said)).out
    count.unlink()
    shop.config({"name": "x", "retry_attempts": 1, "deploy_command": f"echo x >> {count}; exit 9"})
    shop.run(code=12)
    assert count.read_text() == "x\nx\n"


def test_deploy_sh_does_not_run_when_the_run_is_dry(shop: Shop) -> None:
    """deploy.sh got --dry-run; a script that ignores unknown words really deployed."""
    shop.terminal.file(
        "plain/deploy.sh", 'echo ran > ran; echo "words: $*"; echo $DEPLOYMENT_TARGET\n'
    )
    shop.terminal("project", "import", "plain")
    shop.terminal("target", "add", "plain", "live")
    planned = shop.terminal("deploy", "run", "plain", "--dry-run").out
    assert "deploy.sh --target live" in planned
    assert not list(shop.terminal.home.rglob("ran"))
    said = shop.terminal("deploy", "run", "plain").out
    assert "| words: --target live" in said
    assert "| live" in said


def _await(path: Path) -> None:
    end = time.monotonic() + 30
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.02)


def _assert_nowhere(home: Path, secret: bytes) -> None:
    import gzip

    for path in home.rglob("*"):
        if path.is_file():
            body = path.read_bytes()
            body += gzip.decompress(body) if path.suffix == ".gz" else b""
            assert secret not in body, path


assert sys.platform != "win32"
