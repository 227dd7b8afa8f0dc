"""A program that cannot be started changes nothing: exit 10, and the message says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from templedb_nb.core.config.shebang import shebang
from tests.conftest import MIGRATIONS, Shop

ELF_OF_ANOTHER_MACHINE = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xff\x7f" + bytes(44)
SCRIPTS = {
    "interpreter": (b"#!/opt/none/bash\necho ran\n", "its interpreter /opt/none/bash: does not exist"),
    "env": (b"#!/usr/bin/env nonesuch\necho ran\n", "its interpreter nonesuch, which /usr/bin/env needs, is not on PATH"),
    "env -S": (b"#!/usr/bin/env -S nonesuch -e\necho ran\n", "its interpreter nonesuch"),
    "crlf": (b"#!/bin/bash\r\necho ran\r\n", "its interpreter '/bin/bash\\r': does not exist"),
    "env crlf": (b"#!/usr/bin/env bash\r\necho ran\r\n", "its interpreter 'bash\\r'"),
    "folder": (b"#!/usr\necho ran\n", "its interpreter /usr: Permission denied"),
    "not executable": (b"#!/etc/passwd\necho ran\n", "its interpreter /etc/passwd: Permission denied"),
    "nothing": (b"echo ran\n", "its first line names no interpreter"),
    "empty line": (b"#!\necho ran\n", "its first line names no interpreter"),
    "mark": (b"\xef\xbb\xbf#!/bin/bash\necho ran\n", "it begins with a byte-order mark"),
    "machine": (ELF_OF_ANOTHER_MACHINE, "it is a program for another kind of machine"),
}  # fmt: skip


def script(shop: Shop, body: bytes, mode: int = 0o755) -> Path:
    """Let the project have no groups and a deploy.sh; its target is a database with a ledger."""
    shop.config()
    path = shop.terminal.file("app/deploy.sh", body)
    path.chmod(mode)
    return path


def commands(shop: Shop) -> list[tuple[object, ...]]:
    return shop.pg.query(
        "SELECT step, state, exit_status FROM templedb.command ORDER BY started_at"
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_target_stays_unchanged_when_a_script_cannot_be_started(shop: Shop, name: str) -> None:
    body, why = SCRIPTS[name]
    script(shop, body)
    said = shop.run(code=10)
    assert f"deploy.sh cannot be started: {why}" in said.out
    assert "the target is unchanged" in said.out
    assert "hint: " in said.out
    assert commands(shop) == [("deploy.sh --target staging", "not started", None)]
    script(shop, b"#!/usr/bin/env -S bash -eu\necho ran\n")
    assert "| ran" in shop.run().out


@pytest.mark.parametrize("body", [b"#!/opt/none\necho ran\n", b"echo ran\n"])
def test_script_is_run_by_bash_when_not_executable(shop: Shop, body: bytes) -> None:
    script(shop, body, 0o644)
    assert "| ran" in shop.run().out


def test_script_fails_after_its_start_when_it_has_windows_line_ends(shop: Shop) -> None:
    script(shop, b"set -e\r\nfalse\r\n", 0o644)
    shop.run(code=12)


def test_command_fails_with_127_when_its_program_is_not_found(shop: Shop) -> None:
    shop.config({"name": "x", "deploy_command": "no-such-program --now"})
    said = shop.run(code=12)
    assert "exited with 127" in said.out
    assert commands(shop) == [("no-such-program --now", "failed", 127)]


def test_command_is_not_started_when_bash_is_not_on_the_path(shop: Shop) -> None:
    shop.config({"name": "x", "deploy_command": "echo ran"})
    shop.terminal.set(PATH=str(shop.terminal.home / "empty"))
    said = shop.run(code=10)
    assert "bash cannot be started: it is not on PATH" in said.out
    assert commands(shop) == [("echo ran", "not started", None)]


def test_run_fails_with_126_when_a_script_lost_its_execute_bit(shop: Shop) -> None:
    shop.config(
        {"name": "a", "order": 1, "workdir": "project", "build_command": "chmod -x tool"},
        {"name": "b", "order": 2, "workdir": "project", "deploy_command": "./tool"},
    )
    shop.terminal.file("app/tool", "#!/bin/sh\necho ran\n").chmod(0o755)
    said = shop.run(code=12)
    assert "exited with 126" in said.out


def test_target_stays_unchanged_when_the_project_folder_is_gone(shop: Shop) -> None:
    """The plan holds: a build took the folder away before the command was to begin."""
    shop.config(
        {"name": "a", "order": 1, "workdir": "project", "build_command": "mv ../app ../gone"},
        {"name": "b", "order": 2, "workdir": "project", "deploy_command": "echo ran"},
    )
    said = shop.run(code=10)
    assert "works in the project's folder, which is gone" in said.out
    assert commands(shop) == []


def test_run_reports_a_changed_target_when_a_command_cannot_start_after_a_migration(
    shop: Shop,
) -> None:
    shop.config(
        MIGRATIONS | {"order": 1},
        {"name": "b", "order": 2, "workdir": "project", "deploy_command": "echo ran"},
        {"name": "a", "order": 3, "workdir": "project", "deploy_command": "mv ../app ../gone"},
        {"name": "c", "order": 4, "workdir": "project", "deploy_command": "echo never"},
    )
    said = shop.run(code=12)
    assert "the target changed before that" in said.out


def test_failed_attempt_counts_when_its_retry_cannot_be_started(
    shop: Shop,
) -> None:
    shop.config(
        {"name": "a", "workdir": "project", "retry_attempts": 2,
         "deploy_command": "mv ../app ../gone; exit 1"},
    )  # fmt: skip
    said = shop.run(code=12)
    assert "which is gone" in said.out
    assert [state for _, state, _ in commands(shop)] == ["failed"]


def test_hook_failure_is_tolerated_when_a_hook_that_is_not_critical_cannot_be_started(
    shop: Shop,
) -> None:
    shop.config(
        {"name": "a", "workdir": "project", "deploy_command": "mv ../app ../gone",
         "post_deploy": [{"command": "echo told", "critical": False}]},
    )  # fmt: skip
    shop.run()
    (run,) = shop.terminal("deploy", "history", "app", "--json").json[-1]["rows"]
    shown = shop.terminal("deploy", "show", run["run"]).out
    assert "which is gone; the hook is not critical" in shown


def test_killed_run_is_failed_in_the_history_when_its_command_could_not_be_started(
    shop: Shop,
) -> None:
    script(shop, b"#!/opt/none\necho ran\n")
    shop.terminal.set(TEMPLEDB_FAILPOINT="step.done:kill9")
    process = shop.terminal.process("deploy", "run", "app")
    shop.terminal.unset("TEMPLEDB_FAILPOINT")
    process.communicate(timeout=60)
    (row,) = shop.terminal("deploy", "history", "app", "--json").json[-1]["rows"]
    assert (row["outcome"], row["exit_code"]) == ("failed", 10)
    assert "could not be started" in row["message"]
    assert shop.run(code=10)


@pytest.mark.parametrize(
    ("head", "interpreter", "through_env"),
    [
        (b"#!/bin/sh -e\n", "/bin/sh", ""),
        (b"#! /usr/bin/env  python3\n", "/usr/bin/env", "python3"),
        (b"#!/usr/bin/env -S python3 -I\n", "/usr/bin/env", "python3"),
        (b"#!/usr/bin/env -i bash\n", "/usr/bin/env", ""),
        (b"#!/usr/bin/env PATH=/bin bash\n", "/usr/bin/env", ""),
        (b"#!/usr/bin/env /bin/bash\n", "/usr/bin/env", ""),
        (b"#!/usr/bin/env", "/usr/bin/env", ""),
    ],
)
def test_shebang_is_read_as_by_the_kernel_when_it_names_env_or_options(
    head: bytes, interpreter: str, through_env: str
) -> None:
    line = shebang(head)
    assert line is not None
    assert (line.interpreter, line.through_env) == (interpreter, through_env)


@pytest.mark.parametrize("head", [b"", b"#", b"echo\n", b"#!", b"#! \n", b"\n#!/bin/sh\n"])
def test_shebang_is_missing_when_the_first_line_names_no_interpreter(head: bytes) -> None:
    assert shebang(head) is None
