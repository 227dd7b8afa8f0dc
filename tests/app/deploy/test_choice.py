"""Which project and target the words mean; never a silent guess."""

from __future__ import annotations

from tests.conftest import Database, Shop, Terminal


def test_command_needs_no_name_when_there_is_one_project_and_one_target(shop: Shop) -> None:
    assert "Pending: 2" in shop.terminal("migration", "status").out


def test_targets_are_listed_instead_of_guessed_when_there_are_several(shop: Shop) -> None:
    shop.terminal("target", "add", "app", "production")
    said = shop.terminal("deploy", "run", "app", code=64)
    assert "which target of app?" in said.err
    assert "production" in said.err
    assert "staging" in said.err
    assert shop.pg.tables() == []


def test_projects_are_listed_instead_of_guessed_when_there_are_several(shop: Shop) -> None:
    shop.terminal.file("other/x.sql", "")
    shop.terminal("project", "import", "other")
    said = shop.terminal("migration", "status", code=64)
    assert "app" in said.err
    assert "other" in said.err


def test_project_and_target_are_chosen_when_the_environment_names_them(shop: Shop) -> None:
    shop.terminal("target", "add", "app", "production")
    shop.terminal.set(TEMPLEDB_PROJECT="app", TEMPLEDB_TARGET="staging")
    assert "Pending: 2" in shop.terminal("migration", "status").out
    assert "Pending: 2" in shop.terminal("migration", "status", "app").out


def test_nearest_name_is_suggested_when_a_project_or_target_is_misspelt(shop: Shop) -> None:
    assert "did you mean app?" in shop.terminal("migration", "status", "ap", code=64).err
    said = shop.terminal("migration", "status", "--target", "stagin", code=64)
    assert "did you mean staging?" in said.err


def test_nearest_verb_is_suggested_when_a_deploy_verb_is_misspelt(shop: Shop) -> None:
    assert (
        "did you mean: templedb deploy history" in shop.terminal("deploy", "hisotry", code=64).err
    )


def test_deploy_runs_when_no_verb_is_given(shop: Shop) -> None:
    assert "2 migrations applied" in shop.terminal("deploy", "app").out
    assert "nothing applied" in shop.terminal("deploy").out
    assert "nothing is executed" in shop.terminal("deploy", "--dry-run").out


def test_env_set_reads_project_name_and_value_when_given_three_words(shop: Shop) -> None:
    shop.terminal("env", "set", "app", "COLOUR", "green", "--plain")
    shop.terminal("env", "set", "SHAPE", "round", "--plain")
    said = shop.terminal("env", "list").out
    assert "green" in said
    assert "round" in said


def test_slug_is_refused_when_it_is_the_name_of_a_command(terminal: Terminal) -> None:
    terminal.file("run/x.sql", "")
    said = terminal("project", "import", "run", code=64)
    assert "is a command's name" in said.err
    terminal("project", "import", "run", "--slug", "runner")


def test_status_names_the_first_step_when_there_is_no_project(terminal: Terminal) -> None:
    assert "templedb project import PATH" in terminal("status", code=64).err


def test_use_is_refused_when_called_in_a_terminal(shop: Shop) -> None:
    assert "TEMPLEDB_PROJECT" in shop.terminal("use", "app", code=64).err


def test_status_shows_every_target_when_there_are_several(shop: Shop, pg: Database) -> None:
    shop.terminal("target", "add", "app", "production", "--protected")
    said = shop.terminal("status").out
    assert "production (protected)" in said
    assert "staging" in said
    assert "DATABASE_URL has no value" in said
    del pg
