"""Values reach their place, and no other."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import psutil
import pytest

from tests.conftest import HARD_PASSWORD, MIGRATIONS, Database, Shop, Terminal


def everything_kept(terminal: Terminal) -> str:
    """Return every row of every table of the state, as text, and every other file below home."""
    parts = []
    with duckdb.connect(f"duckdb:{terminal.state}", read_only=True) as state:
        for (table,) in state.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            parts.append(str(state.execute(f'SELECT * FROM "{table}"').fetchall()))
    files = (each for each in terminal.home.rglob("*") if each.is_file())
    parts += [each.read_bytes().decode("latin-1") for each in files if each.suffix != ".duckdb"]
    return "\n".join(parts)


def test_password_is_nowhere_but_in_the_connection_when_a_run_fails(
    shop: Shop, pg: Database
) -> None:
    shop.migration("003_bad.sql", "SELECT nope;")
    shop.config(
        MIGRATIONS
        | {"pre_deploy": ["echo url $DATABASE_URL", "psql \"$DATABASE_URL\" -Atc 'SELECT 1'"]}
    )
    said = [shop.run(code=12).all, shop.run("--dry-run", code=None).all]
    said += [shop.terminal(*words).all for words in (
        ("target", "show"), ("target", "test"), ("env", "list"), ("deploy", "history"), ("status",),
        ("deploy", "plan", "--json"), ("env", "list", "--json"), ("target", "show", "--json"),
    )]  # fmt: skip
    assert "url ***[DATABASE_URL]" in said[0]
    kept = "\n".join([*said, everything_kept(shop.terminal)])
    written = pg.dsn.split(":", 2)[2].split("@")[0]
    for form in (HARD_PASSWORD, written, pg.dsn):
        assert form not in kept
    rows = pg.query("SELECT * FROM templedb.run") + pg.query("SELECT * FROM templedb.command")
    assert HARD_PASSWORD not in str(rows)


def test_process_list_shows_no_value_when_a_command_runs(shop: Shop, pg: Database) -> None:
    begun = shop.terminal.home / "begun"
    shop.config({"name": "x", "deploy_command": f"echo $$ > {begun}; sleep 300"})
    process = shop.terminal.process("deploy", "run", "app")
    try:
        end = time.monotonic() + 30
        while not begun.exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        me = psutil.Process(process.pid)
        lines = [" ".join(each.cmdline()) for each in [me, *me.children(recursive=True)]]
        assert len(lines) >= 3
        assert HARD_PASSWORD not in str(lines)
        assert pg.dsn not in str(lines)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_sealed_value_is_refused_when_moved_to_another_variable(shop: Shop) -> None:
    shop.terminal("env", "set", "TOKEN", "one-secret-value")
    with duckdb.connect(f"duckdb:{shop.terminal.state}") as state:
        state.execute("UPDATE variables SET name = 'OTHER' WHERE name = 'TOKEN'")
    shop.config({"name": "x", "deploy_command": "true"})
    assert "damaged, or belongs to another variable" in shop.run(code=78).err


def test_key_file_is_private_and_refused_when_others_can_read_the_file(shop: Shop) -> None:
    key = Path(os.environ["XDG_CONFIG_HOME"]) / "templedb" / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o644)
    assert "other users can read the key file" in shop.run(code=78).err


def test_key_is_refused_with_a_hint_when_the_environment_holds_a_malformed_key(shop: Shop) -> None:
    shop.terminal.set(TEMPLEDB_KEY="not a key")
    said = shop.terminal("env", "set", "TOKEN", "abcdefgh", code=78)
    assert "openssl rand -base64 32" in said.err


def test_state_files_are_private_when_a_run_has_written_them(shop: Shop) -> None:
    shop.run()
    for path in [shop.terminal.state, *shop.terminal.home.joinpath("state").rglob("*")]:
        assert not path.stat().st_mode & 0o077, path


def test_value_is_refused_when_it_is_too_short_to_be_masked(shop: Shop) -> None:
    said = shop.terminal("env", "set", "PIN", "123", code=78)
    assert "too short to be masked" in said.err
    shop.terminal("env", "set", "PIN", "123", "--plain")


def test_references_are_kept_as_references_and_read_when_a_run_needs_them(shop: Shop) -> None:
    shop.terminal("env", "set", "TOKEN", "env:CI_TOKEN")
    shop.terminal("env", "set", "CERT", f"file:{shop.terminal.home / 'cert'}")
    assert "env:CI_TOKEN" in shop.terminal("env", "list").out
    shop.config({"name": "x", "deploy_command": "echo $TOKEN $CERT"})
    said = shop.run(code=78)
    assert "CI_TOKEN" in said.err
    assert "cert" in said.err
    shop.terminal.set(CI_TOKEN="value-of-ci")
    shop.terminal.file("cert", "value-of-cert\n")
    assert "***[TOKEN] ***[CERT]" in shop.run().out


def test_required_variable_is_found_when_the_process_environment_holds_it(shop: Shop) -> None:
    shop.config(
        {
            "name": "x",
            "deploy_command": "test $CI_ONLY = from-the-pipeline",
            "required_env_vars": ["CI_ONLY"],
        }
    )
    assert "CI_ONLY has no value" in shop.run(code=78).err.replace(": ", " ")
    shop.terminal.set(CI_ONLY="from-the-pipeline")
    assert "CI_ONLY from process environment" in shop.run("--dry-run").out
    shop.run()


def test_missing_variable_alone_is_excused_when_validation_is_skipped(shop: Shop) -> None:
    shop.config({"name": "x", "deploy_command": "true", "required_env_vars": ["CI_ONLY"]})
    shop.run("--skip-validation")
    shop.migration("003.sql", "BEGIN; VACUUM; COMMIT;")
    shop.config(MIGRATIONS)
    assert "VACUUM" in shop.run("--skip-validation", code=78).err


def test_option_wins_over_group_target_and_project_when_all_set_a_variable(shop: Shop) -> None:
    group = {"name": "x", "deploy_command": 'echo "got <$WHO>"'}
    shop.terminal("env", "set", "WHO", "project", "--plain")
    shop.config(group)
    assert "got <project>" in shop.run().out
    shop.terminal("env", "set", "app", "WHO", "target", "--target", "staging", "--plain")
    assert "got <target>" in shop.run().out
    shop.config(group | {"env": {"WHO": "group"}})
    assert "got <group>" in shop.run().out
    assert "got <***[WHO]>" in shop.run("--env", "WHO=option").out


def test_dangerous_variable_is_left_out_when_the_group_does_not_allow_it(shop: Shop) -> None:
    shop.terminal("env", "set", "NODE_OPTIONS", "--plain", "--", "--require ./evil.js")
    shop.config({"name": "x", "deploy_command": 'echo "<${NODE_OPTIONS:-none}>"'})
    assert "<none>" in shop.run().out
    shop.config(
        {
            "name": "x",
            "deploy_command": 'echo "<${NODE_OPTIONS:-none}>"',
            "allow_dangerous_env": ["NODE_OPTIONS"],
        }
    )
    assert "<--require ./evil.js>" in shop.run().out


def test_env_file_is_taken_in_whole_or_not_at_all_when_a_line_is_wrong(shop: Shop) -> None:
    path = shop.terminal.file(
        "prod.env", "A=first-value\n# note\nexport B='second value'\nC=$A-not-expanded\n"
    )
    shop.terminal("env", "import", "app", str(path), "--target", "staging")
    said = shop.terminal("env", "list").out
    assert [name in said for name in ("A ", "B ", "C ")] == [True] * 3
    shop.config(
        {
            "name": "x",
            "deploy_command": "test \"$B\" = 'second value' -a \"$C\" = '$A-not-expanded'",
        }
    )
    shop.run()
    bad = shop.terminal.file("bad.env", "D=fourth-value\nthis is not a line\n")
    assert "bad.env:2" in shop.terminal("env", "import", "app", str(bad), code=78).err
    assert "D " not in shop.terminal("env", "list").out


def test_env_file_is_not_stored_when_it_lies_in_the_project(terminal: Terminal) -> None:
    terminal.file("web/.env", "TOKEN=in-the-folder")
    terminal.file("web/.env.example", "TOKEN=")
    terminal("project", "import", "web")
    said = terminal("project", "files").out
    assert ".env.example" in said
    assert " .env\n" not in said
    assert "in-the-folder" not in everything_kept(terminal).replace("TOKEN=in-the-folder", "", 1)


def test_variable_is_forgotten_when_unset(shop: Shop) -> None:
    shop.terminal("env", "set", "TOKEN", "abcdefgh")
    shop.terminal("env", "unset", "TOKEN")
    assert "TOKEN" not in shop.terminal("env", "list").out
    assert "has no variable TOKEN" in shop.terminal("env", "unset", "TOKEN", code=64).err


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:p@ss-word/x@127.0.0.1:1/db",
        "postgresql://u:secret-pw@127.0.0.1:notaport/db",
        "mysql://u:secret-pw@h/db",
    ],
)
def test_address_is_not_repeated_when_it_cannot_be_read(shop: Shop, address: str) -> None:
    shop.terminal("env", "set", "app", "DATABASE_URL", "env:ELSEWHERE", "--target", "staging")
    shop.terminal.set(ELSEWHERE=address)
    said = shop.run(code=78)
    assert "secret-pw" not in said.all
    assert "ss-word" not in said.all
    assert "DATABASE_URL" in said.err


def test_traceback_shows_no_value_when_the_program_has_a_defect(shop: Shop) -> None:
    """Even a defect is told through the mask; the program is made to have one."""
    code = (
        "import sys, templedb_nb.app.deploy.plans as p, templedb_nb.cli as c\n"
        "def broken(self, opened, options):\n"
        "    raise RuntimeError([url.reveal() for url in opened.urls.values()])\n"
        "p.Plans.preview = broken\n"
        "sys.exit(c.run(['deploy', 'plan', 'app']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, **shop.terminal.environ},
    )  # fmt: skip
    assert done.returncode == 1
    assert "RuntimeError" in done.stderr
    assert "***[DATABASE_URL]" in done.stderr
    assert HARD_PASSWORD not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("env", "set", "app", "DATABASE_URL", "--value", "postgresql://u:s3cretword@h/d"),
        ("env", "set", "app", "DATABASE_URL", "--value=postgresql://u:s3cretword@h/d"),
        ("env", "set", "app", "DATABASE_URL", "--stdin", "s3cretword"),
        ("env", "set", "app", "DATABASE_URL", "-ps3cretword"),
        ("env", "set", "app", "DATABASE_URL", "s3cretword", "--target", "staging", "more"),
        ("env", "set", "app", "DATABASE_URL=postgresql://u:s3cretword@h/d"),
        ("env", "import", "app", "postgresql://u:s3cretword@h/d"),
        ("env", "unset", "app", "X", "postgresql://u:s3cretword@h/d"),
        ("deploy", "run", "app", "--env", "DATABASE_URL postgresql://u:s3cretword@h/d"),
        ("target", "add", "app", "postgresql://u:s3cretword@h/d"),
        ("project", "show", "postgresql://u:s3cretword@h/d"),
        ("postgresql://u:s3cretword@h/d",),
        ("env", "set", "app", "s3cretword!"),
        ("env", "set", "app", "s3cretword!", "DATABASE_URL"),
        ("env", "unset", "app", "s3cretword!"),
        ("env", "list", "app", "s3cretword"),
        ("env", "check", "app", "s3cretword"),
        ("target", "test", "app", "staging", "s3cretword"),
        ("status", "postgresql://h/d?user=u&password=s3cretword"),
        ("status", "host=h password=s3cretword"),
        ("status", "host=h password='no s3cretword'"),
        ("status", "postgresql://u:a s3cretword@h/d"),
        ("env", "import", "app", "postgresql://u:it's:s3cretword@h/d"),
        ("state", "backup", "postgresql://u:s3cretword@h/d"),
        ("runbook", "run", "postgresql://u:s3cretword@h/d"),
    ],
)
def test_message_repeats_no_secret_when_the_arguments_are_mistaken(
    shop: Shop, words: tuple[str, ...]
) -> None:
    said = shop.terminal(*words, code=None)
    assert said.code in {64, 69, 78}, said.all
    assert "s3cretword" not in said.all


def test_password_is_not_recorded_when_a_reason_or_a_note_holds_an_address(shop: Shop) -> None:
    shop.run()
    why = "as postgresql://u:s3cretword@h/d says"
    shop.terminal("lock", "acquire", "app", "--reason", why)
    shop.terminal("lock", "release", "app", "--reason", why)
    shop.terminal(
        "deploy", "config", "app", "--set", str(shop.terminal.home / "config.json"), "--note", why
    )
    ledger = str(shop.pg.query("SELECT to_jsonb(e) FROM templedb.event e"))
    assert "as postgresql://u:***@h/d says" in ledger
    assert "s3cretword" not in ledger + everything_kept(shop.terminal)


def test_password_is_not_recorded_when_a_window_or_an_approval_holds_an_address(shop: Shop) -> None:
    why = "as postgresql://u:s3cretword@h/d says"
    window = f"allow * * * * * for 1h in UTC because {why}"
    shop.terminal(
        "target", "update", "app", "staging", "--protected", "--self-approval", "--window", window
    )
    from templedb_nb import Temple

    temple = Temple.open()
    plan = temple.plan("app", "staging")
    assert temple.approve(plan, why).reason == "as postgresql://u:***@h/d says"
    temple.run(plan=plan)
    asked = "SELECT to_jsonb(e) FROM templedb.{} e"
    kept = str([shop.pg.query(asked.format(each)) for each in ("event", "meta", "approval")])
    assert "as postgresql://u:***@h/d says" in kept
    assert "s3cretword" not in kept + everything_kept(shop.terminal)


@pytest.mark.parametrize("label", ["url", "host", "region", "provider"])
def test_target_label_is_refused_and_not_stored_when_it_holds_a_password(
    shop: Shop, label: str
) -> None:
    url = "https://rosa:s3cretword@app.example.com/"
    for words in (("add", "app", "other"), ("update", "app", "staging")):
        said = shop.terminal("target", *words, f"--{label}", url, code=None)
        assert said.code in {64, 78}
        assert "s3cretword" not in said.all
    assert "s3cretword" not in everything_kept(shop.terminal)
    shop.terminal.file(
        "app/templedb.yaml", f"groups: []\ntargets: {{staging: {{{label}: '{url}'}}}}\n"
    )
    shop.terminal("project", "sync", "app")
    said = shop.terminal("deploy", "config", "app", "--validate", code=None)
    if label == "url":
        assert "targets.staging.url: contains a password" in said.all
    assert "s3cretword" not in said.all


@pytest.mark.parametrize("words", [
    ("deploy", "run", "{}"), ("env", "unset", "app", "{}"), ("env", "set", "app", "{}"),
    ("env", "unset", "{}", "A"), ("target", "show", "app", "{}"), ("migration", "show", "app", "{}"),
    ("deploy", "plan", "app", "--skip-group", "{}"), ("deploy", "plan", "app", "--target", "{}"),
])  # fmt: skip
@pytest.mark.parametrize("typed", ["Zx9kPasSw0rdQ", "PASSWORD=Zx9k", "ghp_Zx9kPasSw0rdQ"])
def test_secret_is_not_repeated_when_typed_in_the_place_of_a_name(
    shop: Shop, words: tuple[str, ...], typed: str
) -> None:
    for more in ((), ("--json",)):
        said = shop.terminal(*(each.format(typed) for each in words), *more, code=None)
        assert said.code in {64, 78}, said.all
        assert "Zx9k" not in said.all


@pytest.mark.parametrize("typed", [
    "postgresql://u:Zx9kPasSw0rdQ@h/d", "host=h password=Zx9kPasSw0rdQ", "Zx9kPasSw0rdQ",
    "PGPASSWORD=Zx9kPasSw0rdQ",
])  # fmt: skip
def test_python_error_repeats_no_secret_when_a_secret_was_typed_for_a_name(
    shop: Shop, typed: str
) -> None:
    from templedb_nb import api
    from templedb_nb.errors import UnknownName

    temple = api.Temple.open(shop.terminal.home / "state.duckdb")
    for ask in (temple.run, temple.plan, temple.status, lambda t: temple.plan("app", t)):
        with pytest.raises(UnknownName) as found:
            ask(typed)
        told = "\n".join([str(found.value), repr(found.value), *found.value.lines()])
        assert "Zx9k" not in told


def test_unknown_name_is_repeated_when_it_is_an_ordinary_name(shop: Shop) -> None:
    for name in ("V20260101CreateUsers", "iPhone15ProMax", "a9f3c2e1d4b5", "20260101T120000Z"):
        assert name in shop.terminal("deploy", "run", name, code=64).err


def test_unknown_option_is_not_taken_for_a_value_when_a_variable_is_set(shop: Shop) -> None:
    said = shop.terminal("env", "set", "app", "OTHER", "--stdin", code=64)
    assert "there is no option --stdin: give the value on standard input" in said.err
    assert "OTHER" not in shop.terminal("env", "list", "app").out
    shop.terminal("env", "set", "app", "OTHER", "--", "-----BEGIN KEY-----")
    assert "OTHER" in shop.terminal("env", "list", "app").out


def test_env_check_names_the_variables_without_their_values_when_they_mask_badly(
    shop: Shop,
) -> None:
    set_ = ("env", "set", "app")
    shop.terminal(*set_, "GOOD", "x7Kp2mQ9vL4s")
    shop.terminal(*set_, "SHORT", "q7Kp2")
    shop.terminal(*set_, "COMMON", "Password")
    shop.terminal(*set_, "NAMED", "staging")
    shop.terminal(*set_, "PLAIN", "on", "--plain")
    said = shop.terminal("env", "check", "app").out
    assert "2 of 5 secret values of app are masked well" in said
    assert "SHORT of all targets has fewer than 8 characters" in said
    assert "COMMON of all targets is a common word" in said
    assert "NAMED of all targets is also a name that output shows" in said
    assert "q7Kp2" not in said
    assert "Password" not in said


def test_checked_in_reference_is_reported_when_it_leaves_the_project(shop: Shop) -> None:
    yaml = """
groups:
  - {name: migrations, file_patterns: ["migrations/*.sql"], env: {CA: "file:~/ca.pem"}}
variables: {IN: "file:conf/in.txt", LINK: "file:conf/link/a.txt", LOOP: "file:loop", UP: "file:conf/../../up.txt", DEV: "file:/dev/zero", TILDE: "file:./~/a"}
targets: {staging: {variables: {ALSO: "file:../also.txt"}}}
"""
    shop.terminal.file("app/templedb.yaml", yaml)
    shop.terminal.file("app/conf/in.txt", "in")
    shop.terminal.file("elsewhere/a.txt", "a")
    (shop.terminal.home / "app/conf/link").symlink_to("../../elsewhere")
    (shop.terminal.home / "app/loop").symlink_to("loop")
    shop.terminal("project", "sync", "app")
    said = shop.terminal("deploy", "config", "app", "--validate", code=None).out
    assert "variables.LINK: reads conf/link/a.txt, a link to" in said
    assert "variables.LOOP: reads" not in said
    for place, path in (("variables.UP", "conf/../../up.txt"), ("variables.DEV", "/dev/zero"),
                        ("targets.staging.variables.ALSO", "../also.txt"), ("groups.migrations.env.CA", "~/ca.pem")):  # fmt: skip
        assert f"{place}: reads {path}, which is outside of the project" in said
    assert "conf/in.txt" not in said
    assert "TILDE: reads" not in said
    shop.terminal.set(HOME=str(shop.terminal.home))
    planned = shop.terminal("deploy", "plan", "app", code=None).all
    assert planned.count("outside of the project") == 5


def test_reference_may_leave_the_project_but_not_read_a_device_when_a_person_set_it(
    shop: Shop,
) -> None:
    outside = shop.terminal.file("outside.txt", "a-value-of-rosa\n")
    shop.terminal("env", "set", "app", "OUT", f"file:{outside}")
    shop.config(MIGRATIONS | {"required_env_vars": ["OUT"]})
    assert "outside of the project" not in shop.run("--dry-run").all
    shop.terminal("env", "set", "app", "ZERO", "file:/dev/zero")
    assert "/dev/zero is not a file" in shop.run("--dry-run", code=78).all
