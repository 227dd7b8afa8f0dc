"""Names and values that mean harm reach their place and do none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MIGRATIONS, Shop, Terminal

NAMES = [
    "$(touch x).sql",
    "`touch x`.sql",
    "-e.sql",
    "--help.sql",
    "a b.sql",
    "it's.sql",
    'a"b.sql',
    "a;touch x;.sql",
    "a\nb.sql",
    "a\\b.sql",
    "ünï😀.sql",
    "a%s{file}$HOME.sql",
    "*.sql",
]


@pytest.mark.parametrize("name", NAMES)
def test_migration_is_applied_when_its_file_has_a_hostile_name(shop: Shop, name: str) -> None:
    shop.migration(name, "CREATE TABLE hostile (id int);")
    shop.run()
    assert "hostile" in shop.pg.tables()
    assert f"migrations/{name}" in shop.pg.applied()
    shop.terminal("migration", "status")
    assert not list(shop.terminal.home.rglob("x"))


@pytest.mark.parametrize("name", NAMES)
def test_command_gets_the_file_name_as_data_when_the_name_is_hostile(shop: Shop, name: str) -> None:
    shop.terminal.file(f"app/files/{name}", "content\n")
    shop.config(
        {
            "name": "x",
            "file_patterns": ["files/*"],
            "deploy_command": 'cat {file}; test -f {file}; printf "%s|" {file}',
        }
    )
    said = shop.run().out
    assert "| content" in said
    assert not list(shop.terminal.home.rglob("x"))


@pytest.mark.parametrize("name", NAMES)
def test_psql_applies_the_migration_when_its_file_has_a_hostile_name(shop: Shop, name: str) -> None:
    shop.migration(name, "CREATE TABLE hostile (id int);\n\\echo done\n")
    shop.config(MIGRATIONS | {"executor": "psql"})
    shop.run()
    assert "hostile" in shop.pg.tables()
    assert len(shop.pg.applied()) == 3


def test_file_leaves_nothing_when_psql_fails_on_it(shop: Shop) -> None:
    shop.migration("003.sql", "CREATE TABLE half (id int);\n\\echo half way\nSELECT nope;\n")
    shop.config(MIGRATIONS | {"executor": "psql"})
    said = shop.run(code=12)
    assert "psql exited with 3" in said.out
    assert 'column "nope" does not exist' in said.out
    assert shop.pg.tables() == ["orders", "users"]
    assert shop.pg.applied() == ["migrations/001_users.sql", "migrations/002_orders.sql"]


def test_psql_includes_other_files_when_the_release_holds_them(shop: Shop) -> None:
    shop.terminal.file("app/parts/one.sql", "CREATE TABLE one (id int);")
    shop.migration("003.sql", "\\i parts/one.sql\n\\ir ../parts/../parts/one_more.sql\n")
    shop.terminal.file("app/parts/one_more.sql", "CREATE TABLE one_more (id int);")
    shop.config(MIGRATIONS | {"executor": "psql"})
    shop.run()
    assert {"one", "one_more"} <= set(shop.pg.tables())


def test_run_fails_when_a_build_rewrites_a_migration(shop: Shop) -> None:
    shop.config(
        MIGRATIONS
        | {
            "executor": "psql",
            "build_command": "echo 'DROP TABLE users;' > migrations/002_orders.sql",
        }
    )
    said = shop.run(code=12)
    assert "differs from the plan" in said.out


@pytest.mark.parametrize(
    "value",
    ["'; DROP TABLE users; --", "$(touch x)", "a\nb", "ünï😀", "%s %d", '"quoted"', "-n", "\\x41"],
)
def test_command_gets_the_value_unchanged_when_the_value_is_hostile(shop: Shop, value: str) -> None:
    shop.terminal("env", "set", "app", "WEIRD", "--plain", stdin=value)
    shop.terminal.file("app/expected", value)
    shop.config({"name": "x", "deploy_command": 'test "$WEIRD" = "$(cat expected)"'})
    shop.run()


def test_folder_is_not_followed_when_it_is_a_link(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "004.sql").write_text("CREATE TABLE stolen (id int);")
    (tmp_path / "app" / "migrations" / "more").symlink_to(tmp_path / "elsewhere")
    shop.config(MIGRATIONS | {"file_patterns": ["migrations/**/*.sql"]})
    shop.run()
    assert "stolen" not in shop.pg.tables()


def test_file_pattern_is_refused_when_it_leaves_the_project(shop: Shop) -> None:
    for pattern in ("../*.sql", "/etc/*", "a/../../b.sql", "./x.sql"):
        config = '{"groups": [{"name": "migrations", "file_patterns": ["' + pattern + '"]}]}'
        shop.terminal("deploy", "config", "--set", "-", code=78, stdin=config)


def test_work_folder_writes_nothing_outside_when_a_build_plants_a_link_in_the_folder(
    shop: Shop, tmp_path: Path
) -> None:
    shop.terminal.file("app/src/a.txt", "one")
    shop.config({"name": "x", "build_command": f"rm -rf src; ln -s {tmp_path / 'victim'} src"})
    (tmp_path / "victim").mkdir()
    shop.run()
    shop.terminal.file("app/src/a.txt", "two")
    shop.config({"name": "x", "build_command": "cat src/a.txt"})
    assert "| two" in shop.run().out
    assert list((tmp_path / "victim").iterdir()) == []


@pytest.mark.parametrize("name", ["a b", "../x", "-x", "x/y", "", "a;b", "ü"])
def test_target_and_project_names_are_refused_when_they_are_not_plain(
    terminal: Terminal, name: str
) -> None:
    terminal.file("app/x", "")
    terminal("project", "import", "app")
    terminal("target", "add", "app", "--", name, code=64)
    terminal("project", "import", "app", f"--slug={name}", code=64) if name else None


@pytest.mark.parametrize("name", ["1A", "A-B", "A B", "Ä", "A=B"])
def test_variable_name_is_refused_when_it_is_not_a_valid_name(shop: Shop, name: str) -> None:
    assert (
        "is not a variable name"
        in shop.terminal("env", "set", "app", name, "some value", code=64).err
    )


def test_output_is_shown_when_it_has_escapes_and_broken_bytes(shop: Shop) -> None:
    shop.config({"name": "x", "deploy_command": r"printf 'a\377b\n\033[31mred\033[0m'"})
    assert "| a\ufffdb" in shop.run().out


def test_run_does_not_hang_when_a_daemon_keeps_the_output_open(shop: Shop) -> None:
    shop.config({"name": "x", "deploy_command": "sleep 20 & echo started"})
    assert "| started" in shop.run().out


def test_output_is_kept_whole_and_shown_by_its_end_when_long(shop: Shop) -> None:
    import gzip

    shop.config({"name": "x", "deploy_command": "seq 1 300000; exit 4"})
    said = shop.terminal("deploy", "run", "app", "--json", code=12)
    failed = next(line for line in said.json if line.get("event", {}).get("kind") == "step_failed")[
        "event"
    ]
    assert failed["tail"].endswith("300000\n")
    (log,) = shop.terminal.state.parent.rglob("*.log.gz")
    assert gzip.decompress(log.read_bytes()).count(b"\n") == 300000


def test_ledger_row_is_written_when_a_migration_ends_with_a_comment(shop: Shop) -> None:
    shop.migration("003.sql", "CREATE TABLE last (id int) -- and that is all")
    shop.run()
    assert shop.pg.applied()[-1] == "migrations/003.sql"


def test_ledger_is_found_when_a_migration_empties_the_search_path(shop: Shop) -> None:
    shop.migration(
        "003.sql",
        "SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.late (id int);\n",
    )
    shop.migration("004.sql", "CREATE TABLE later (id int);")
    shop.run()
    assert {"late", "later"} <= set(shop.pg.tables())
