"""What a terminal and a program see: aligned tables, JSON lines, exit codes, help."""

from __future__ import annotations

import click
import pytest

from templedb_nb.commands.tree import tree
from templedb_nb.views.format import duration, shown, size, table, width
from tests.conftest import MIGRATIONS, Shop, Terminal


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name, command in group.commands.items():
        found.append(((*path, name), command))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize(("path", "command"), commands(tree))
def test_every_command_has_help_that_is_a_sentence(
    path: tuple[str, ...], command: click.Command
) -> None:
    assert command.help, path
    first = command.help.split("\n\n")[0].strip()
    assert first[0].isupper()
    assert first.endswith((".", "`."))


def test_help_exits_with_0_and_usage_with_64_when_no_words_are_given(terminal: Terminal) -> None:
    assert "Usage: templedb" in terminal("--help").out
    assert "Usage: templedb migration" in terminal("migration", code=64).out
    assert "templedb 0." in terminal("--version").out


def test_json_lines_begin_with_the_version_when_a_command_prints_json(shop: Shop) -> None:
    header, plan = shop.terminal("deploy", "plan", "app", "--json").json
    assert header == {"templedb": 1}
    assert plan["kind"] == "Preview"
    assert len(plan["plan_id"]) == 64
    header, *events, result = shop.terminal("deploy", "run", "app", "--json").json
    assert header == {"templedb": 1}
    kinds = [each["event"]["kind"] for each in events]
    assert (kinds[0], kinds[-1]) == ("run_started", "run_finished")
    assert (result["kind"], result["applied"], result["outcome"]) == ("Result", 2, "succeeded")
    status = shop.terminal("migration", "status", "app", "--json").json[-1]
    assert (status["applied"], status["pending"]) == (2, 0)


READING = (
    "project list", "project show", "project files", "project sync", "deploy config", "deploy config --validate",
    "deploy config --history", "deploy config --schema", "deploy plan", "deploy history", "deploy show {run}",
    "migration list", "migration status", "migration history", "migration show 001", "target list", "target show",
    "target test", "target ledger-sql", "env list", "status", "state show",
)  # fmt: skip


@pytest.mark.parametrize("line", READING)
def test_every_value_has_words_and_json_when_shown(shop: Shop, line: str) -> None:
    run = shop.run().out.split("run ")[1].split(":")[0]
    words = line.format(run=run).split()
    assert shop.terminal(*words).out.strip()
    header, *values = shop.terminal(*words, "--json").json
    assert header == {"templedb": 1}
    assert all(value["kind"] for value in values)


def test_error_is_json_when_json_is_asked_for(shop: Shop) -> None:
    said = shop.terminal("migration", "show", "nobody", "--json", code=64)
    assert said.json[-1]["kind"] == "UnknownName"
    assert said.json[-1]["exit_code"] == 64


def test_columns_align_when_values_have_wide_or_control_characters() -> None:
    lines = table(["A", "B"], [["日本", "x"], ["e\u0301", "y\nz"], ["plain", ""]]).split("\n")
    assert [
        width(line[: line.index(each)]) for line, each in zip(lines[1:3], "xy", strict=True)
    ] == [7, 7]
    assert "y\\nz" in lines[2]


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0.00 s"),
        (40, "0.04 s"),
        (9_994, "9.99 s"),
        (12_340, "12.3 s"),
        (125_000, "2 min 05 s"),
        (3_720_000, "1 h 02 min"),
        (None, ""),
    ],
)
def test_duration_reads_well_when_shown_in_words(milliseconds: int | None, words: str) -> None:
    assert duration(milliseconds) == words


def test_size_reads_well_when_shown_in_words() -> None:
    assert [size(n) for n in (0, 1023, 1536, 5 << 20)] == ["0 B", "1023 B", "1.5 KiB", "5.0 MiB"]


def test_control_characters_are_made_visible_when_shown() -> None:
    assert shown("a\x1b[31m\nb") == "a\\x1b[31m\\nb"


@pytest.mark.parametrize(
    ("groups", "code"),
    [
        ([{"name": "x", "deploy_command": "true"}], 0),
        ([{"name": "x", "pre_deploy": ["false"], "deploy_command": "true"}], 10),
        ([{"name": "x", "build_command": "false"}], 10),
        ([{"name": "x", "deploy_command": "false"}], 12),
        ([{"name": "x", "deploy_command": "false", "mutates": False}], 10),
        ([{"name": "x", "build_command": "false", "mutates": True}], 12),
        ([{"name": "x", "deploy_command": "true", "post_deploy": ["false"]}], 0),
        (
            [
                {
                    "name": "x",
                    "deploy_command": "true",
                    "post_deploy": [{"command": "false", "critical": True}],
                }
            ],
            12,
        ),
        ([MIGRATIONS, {"name": "x", "build_command": "false"}], 12),
        ([{"name": "x", "build_command": "sleep 9", "timeout": 1}], 124),
        ([{"name": "x", "deploy_command": "no-such-program-here"}], 12),
    ],
)
def test_exit_code_says_how_far_the_run_came_when_a_command_fails(
    shop: Shop, groups: list[dict[str, object]], code: int
) -> None:
    shop.config(*groups)
    shop.run(code=code)


def test_run_succeeds_with_a_warning_when_a_post_hook_fails(shop: Shop) -> None:
    shop.config({"name": "x", "deploy_command": "true", "post_deploy": ["exit 5"]})
    said = shop.run().out
    assert "warned" in said
    run = said.split("run ")[1].split(":")[0]
    assert "exited with 5; the hook is not critical" in shop.terminal("deploy", "show", run).out


def test_later_groups_run_and_the_run_has_failed_when_the_config_says_continue_on_failure(
    shop: Shop,
) -> None:
    shop.config(
        {"name": "a", "build_command": "false", "continue_on_failure": True},
        {"name": "b", "deploy_command": "echo went on"},
    )
    said = shop.run(code=12).out
    assert "| went on" in said
    assert "failed" in said


def test_run_exits_with_69_and_says_the_address_when_the_database_is_unreachable(
    shop: Shop,
) -> None:
    shop.terminal(
        "env",
        "set",
        "app",
        "DATABASE_URL",
        "postgresql://u:secret-pw@127.0.0.1:1/db",
        "--target",
        "staging",
    )
    said = shop.run(code=69)
    assert "cannot reach u@127.0.0.1:1/db" in said.err
    assert "secret-pw" not in said.all
    assert "cannot reach" in shop.terminal("status").out


def test_connection_failure_is_told_without_the_password_when_the_password_is_wrong(
    shop: Shop,
) -> None:
    wrong = shop.pg.dsn.replace("p%40ss", "wrong")
    shop.terminal("env", "set", "app", "DATABASE_URL", wrong, "--target", "staging")
    said = shop.terminal("target", "test", code=69)
    assert "password authentication failed" in said.err


def test_next_step_is_told_when_a_project_has_no_config(terminal: Terminal) -> None:
    terminal.files(a="")
    terminal("project", "import", "app")
    terminal("target", "add", "app", "local")
    assert "templedb deploy init app" in terminal("deploy", "run", code=78).err
    assert "found nothing to deploy" in terminal("deploy", "init", code=78).err


def test_warnings_are_shown_before_the_run_when_a_plan_has_some(shop: Shop) -> None:
    shop.run()
    shop.migration("001_a.sql", "SELECT 1;")
    said = shop.run().out
    assert said.index("out of order") < said.index("run 0")
    assert "since the last successful run: 1 added" in said
