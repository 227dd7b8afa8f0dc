"""Words that people try: each is answered with the command that was meant, and does nothing."""

from __future__ import annotations

import json

import pytest

from templedb_nb.commands.suggestions import nearest, slip
from tests.conftest import MIGRATIONS, Terminal

SECRET = "correct-horse-battery"


@pytest.fixture
def there(terminal: Terminal) -> Terminal:
    """Give a project `shop` with targets `staging` and `production`."""
    terminal.file("shop/migrations/001_a.sql", "CREATE TABLE a (id int);\n")
    terminal("project", "import", "shop")
    terminal.config(MIGRATIONS, project="shop")
    for each in ("staging", "production"):
        terminal("target", "add", "shop", each)
    return terminal


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("rollback shop", "deploy rollback shop"),
        ("plan shop --target staging", "deploy plan shop --target staging"),
        ("migrate", "deploy run"),
        ("migrations", "migration list"),
        ("migration ls shop", "migration list shop"),
        ("target rm shop staging", "target remove shop staging"),
        ("project rm shop", "project remove shop"),
        ("logs", "deploy logs"),
        ("history shop", "deploy history shop"),
        ("undo", "deploy rollback"),
        ("rnu", "deploy run"),
        ("rnu cancel", "run cancel"),
        ("deploy rnu shop", "deploy run shop"),
        ("deploy hisotry", "deploy history"),
        ("dploy run shop", "deploy run shop"),
        ("dploy rnu shop", "deploy run shop"),
        ("stauts", "status"),
        ("run deploy shop", "deploy run shop"),
        ("run shop", "deploy run shop"),
        ("add target shop", "target add shop"),
        ("shop deploy run", "deploy run shop"),
        ("-v status", "status -v"),
        ("--json -t staging deploy run shop", "deploy run shop --json -t staging"),
        ("deploy run shop production", "deploy run shop --target production"),
        ("deploy run production shop", "deploy run shop --target production"),
        ("deploy run shop prodution", "deploy run shop --target production"),
        ("deploy plan shop staging", "deploy plan shop --target staging"),
        ("migration status shop staging", "migration status shop --target staging"),
        ("target show staging shop", "target show shop NAME"),
        ("env set DATABASE_URL shop x", "env set shop NAME"),
    ],
)
def test_command_that_was_meant_is_named_when_the_words_are_none(
    there: Terminal, typed: str, meant: str
) -> None:
    said = there(*typed.split(), code=64)
    assert f"did you mean: templedb {meant}\n" in said.err
    assert said.out == ""


@pytest.mark.parametrize("words", ["enb set shop KEY", "set shop KEY", "env st shop KEY"])
def test_secret_is_not_repeated_when_the_command_is_misspelt(there: Terminal, words: str) -> None:
    said = there(*words.split(), SECRET, code=64)
    assert "did you mean: templedb env set shop …" in said.err
    assert SECRET not in said.err


@pytest.mark.parametrize("form", ["-p{}", "--{}", "--password={}", "-{}"])
def test_secret_is_not_repeated_when_it_looks_like_an_option(there: Terminal, form: str) -> None:
    said = there("enb", "set", "shop", "KEY", form.format(SECRET), code=64)
    assert SECRET not in said.err


@pytest.mark.parametrize("words", ["deploy run --target", "status --target", "target show"])
def test_misspelt_target_is_never_answered_with_the_command_that_would_create_it(
    there: Terminal, words: str
) -> None:
    said = there(*words.split(), "stagign", code=64).err
    assert "did you mean staging" in said
    assert "target add" not in said


def test_misspelt_project_is_not_answered_with_an_import_when_there_are_projects(
    there: Terminal,
) -> None:
    said = there("deploy", "run", "shpo", code=64).err
    assert "did you mean shop" in said
    assert "project import" not in said


def test_nothing_is_suggested_when_nothing_is_near(there: Terminal) -> None:
    assert "did you mean" not in there("frobnicate", "shop", code=64).err


def test_project_of_a_name_that_is_near_a_verb_is_deployed_when_it_exists(
    there: Terminal,
) -> None:
    there.file("runs/migrations/001.sql", "SELECT 1;")
    there("project", "import", "runs")
    assert "project runs has no target yet" in there("deploy", "runs", code=64).err


def test_help_and_version_are_understood_as_words(terminal: Terminal) -> None:
    assert terminal("version").out == terminal("--version").out
    assert terminal("help").out == terminal("--help").out
    assert terminal("help", "deploy", "run").out == terminal("deploy", "run", "--help").out
    assert terminal("deploy", "help").out == terminal("deploy", "--help").out


def test_value_on_standard_input_is_called_empty_when_it_is(there: Terminal) -> None:
    words = ("env", "set", "shop", "DATABASE_URL", "--target", "staging")
    for empty in ("", "\n", "  \n"):
        assert "on standard input is empty" in there(*words, stdin=empty, code=64).err
    for words in (("env", "import", "shop", "-"), ("config", "set", "shop", "-")):
        assert "standard input is empty" in there(*words, stdin="\n", code=78).err


def test_import_counts_files_by_folder_when_they_are_many(terminal: Terminal) -> None:
    for number in range(30):
        terminal.file(f"big/db/migrations/{number:03}.sql", "SELECT 1;")
        terminal.file(f"big/src/part{number}/a.ts", "x")
    terminal.file("big/README.md", "x")
    said = terminal("project", "import", "big").out
    assert "61 added: db/ 30 files, src/ 30 files, 1 beside them" in said
    assert "000.sql" not in said


def test_reason_of_a_78_is_on_standard_error_too_when_a_plan_is_json(there: Terminal) -> None:
    said = there("deploy", "run", "shop", "--target", "staging", "--dry-run", "--json", code=78)
    assert "DATABASE_URL" in said.err
    assert all(json.loads(line) for line in said.out.splitlines())


@pytest.mark.parametrize(
    ("one", "other", "letters"),
    [("rnu", "run", 1), ("run", "run", 0), ("hisotry", "history", 1), ("stats", "status", 1),
     ("a", "abcd", 3), ("deplyo", "deploy", 1)],
)  # fmt: skip
def test_slip_counts_letters_that_are_wrong(one: str, other: str, letters: int) -> None:
    assert slip(one, other) == letters


def test_nearest_is_nothing_when_a_short_word_is_two_letters_away() -> None:
    assert nearest("rx", ["run"]) == ""
