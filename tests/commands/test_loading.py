"""The start of the program: what it loads, and which streams it has."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import click
import pytest

from templedb_nb.commands.lazy import LazyCommands
from templedb_nb.commands.tree import tree

_LOADED = """
import sys
from templedb_nb.__main__ import main
sys.argv = ["templedb", *{words!r}]
try:
    main()
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""


def loaded(*words: str, tells: str = "templedb") -> set[str]:
    """Return the modules that a command has loaded by its end."""
    code = _LOADED.format(words=words)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert tells in done.stdout
    return set(done.stderr.split())


def test_version_loads_neither_click_nor_the_commands() -> None:
    found = loaded("--version")
    assert "templedb_nb.version" in found
    assert not {"click", "templedb_nb.commands", "templedb_nb.errors"} & found


def test_help_loads_no_values_and_no_database() -> None:
    found = loaded("--help")
    assert {"click", "templedb_nb.commands.tree"} <= found
    heavy = {"templedb_nb.model.plan", "templedb_nb.app", "templedb_nb.core", "duckdb", "psycopg"}
    assert not heavy & found


def test_help_of_a_noun_loads_no_other_noun() -> None:
    found = loaded("deploy", "--help")
    assert "templedb_nb.commands.deploy" in found
    others = {"templedb_nb.commands.runbook", "templedb_nb.commands.env", "templedb_nb.model.plan"}
    assert not others & found


def test_completion_of_nouns_loads_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TEMPLEDB_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "templedb de")
    monkeypatch.setenv("COMP_CWORD", "1")
    found = loaded("de", tells="plain,deploy")
    assert not {"templedb_nb.commands.deploy", "templedb_nb.commands.env"} & found


@pytest.mark.parametrize("name", sorted(tree.commands))
def test_command_is_listed_with_its_own_summary(name: str) -> None:
    commands = tree.commands
    assert isinstance(commands, LazyCommands)
    paragraph = inspect.cleandoc(commands[name].help or "").split("\n\n")[0]
    assert commands.places[name].told == " ".join(paragraph.split())
    listed = tree.listed(name)
    assert commands[name].name == name
    assert commands[name].get_short_help_str(70) == listed.get_short_help_str(70)
    assert not commands[name].hidden


def test_table_of_commands_stays_as_it_is_when_somebody_adds_or_removes_one() -> None:
    with pytest.raises(TypeError, match="needs a place"):
        tree.add_command(click.Command("other"))
    with pytest.raises(TypeError, match="stays"):
        del tree.commands["deploy"]
    assert "other" not in tree.commands
    assert len(tree.commands) == len(list(tree.commands))


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["--version", "--help", "project list"])
def test_command_ends_in_order_when_the_caller_closed_a_stream(
    closed: str, words: str, tmp_path: Path
) -> None:
    home = {"HOME": str(tmp_path), "TEMPLEDB_STATE": str(tmp_path / "state.duckdb")}
    command = f"exec {sys.executable} -m templedb_nb {words} {closed}"
    done = subprocess.run(
        ["sh", "-c", command], check=False, capture_output=True, text=True, env=home
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_state_stays_whole_when_the_output_of_a_run_was_closed(tmp_path: Path) -> None:
    root = tmp_path / "app"
    root.mkdir()
    (root / "templedb.yaml").write_text(
        "groups: [{name: talk, kind: commands, build_command: echo said}]\n"
        "targets: {site: {type: static_site}}\n"
    )
    home = {
        "HOME": str(tmp_path),
        "TEMPLEDB_STATE": str(tmp_path / "state.duckdb"),
        "PATH": "/usr/bin:/bin",
    }
    ours = f"{sys.executable} -m templedb_nb"
    command = f"{ours} project import {root} >&- 2>&- <&- && {ours} deploy run app >&- 2>&- <&-"
    subprocess.run(["sh", "-c", command], check=True, env=home)
    shown = [sys.executable, "-m", "templedb_nb", "deploy", "history", "app", "--json"]
    done = subprocess.run(shown, check=True, capture_output=True, text=True, env=home)
    assert '"succeeded"' in done.stdout


def test_command_of_a_run_has_its_streams_when_the_caller_closed_them(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; from templedb_nb.__main__ import _open_streams; _open_streams();"
        "sys.exit(subprocess.run(['sh', '-c', 'echo said; echo told >&2']).returncode)"
    )
    for closed in (">&-", "2>&-", "<&- >&- 2>&-"):
        command = f'{sys.executable} -c "{code}" {closed}'
        done = subprocess.run(["sh", "-c", command], check=False, cwd=tmp_path)
        assert done.returncode == 0, closed
