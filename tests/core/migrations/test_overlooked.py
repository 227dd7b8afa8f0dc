"""Files that look like migrations and are none: other letters, symbolic links. They are named."""

from __future__ import annotations

import pytest

from templedb_nb.core.migrations.layouts.arrange import arrange
from templedb_nb.core.migrations.layouts.overlooked import links
from templedb_nb.model.config import Group, GroupKind
from tests.conftest import Shop, Terminal


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ("m/1_a.sql m/003_UP.SQL", "m/003_UP.SQL"),
        ("m/1_a.sql m/1_A.sql", "m/1_A.sql"),
        ("m/2026-01-01-000000_a/up.sql m/2026-01-02-000000_b/UP.SQL", "b/UP.SQL"),
        ("m/1_a.sql M/2_b.sql", "M/2_b.sql"),
        ("m/001_UP.SQL", "m/001_UP.SQL"),
        ("m/1_a.sql other/003_UP.SQL", ""),
        ("m/1_Add.sql m/2_B.sql", ""),
        ("m/2026-01-01-000000_a/up.sql m/2026-01-01-000000_a/DOWN.SQL", "DOWN.SQL"),
        ("m/1_a.sql m/readme.md", ""),
    ],
)
def test_file_is_named_when_only_its_letters_keep_it_from_being_a_migration(
    names: str, shown: str
) -> None:
    group = Group(name="m", order=1, kind=GroupKind.MIGRATIONS, file_patterns=("m/**/*.sql",))
    found = arrange(group, sorted(names.split())).findings
    told = [each.where for each in found if "letters" in each.message]
    assert len(told) == bool(shown)
    assert shown in "".join(told)


def test_file_is_not_named_when_the_patterns_take_it_away() -> None:
    patterns = ("m/*.sql", "!m/*.SQL", "!m/old_*")
    group = Group(name="m", order=1, kind=GroupKind.MIGRATIONS, file_patterns=patterns)
    found = arrange(group, ["m/003_UP.SQL", "m/1_a.sql", "m/OLD_b.sql"]).findings
    assert [each.where for each in found if "letters" in each.message] == []


def test_file_is_a_migration_when_a_pattern_names_its_capital_letters() -> None:
    group = Group(name="m", order=1, kind=GroupKind.MIGRATIONS, file_patterns=("m/*.SQL",))
    found = arrange(group, ["m/001_A.SQL", "m/002_B.SQL"])
    assert found.paths == ("m/001_A.SQL", "m/002_B.SQL")
    assert found.findings == ()


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("m/002_b.sql", True),
        ("m", True),
        ("m/sub", False),
        ("other/x.sql", False),
        ("n/deep", True),
    ],
)
def test_link_is_named_when_a_pattern_would_take_it_or_go_through_it(
    path: str, *, named: bool
) -> None:
    found = list(links([("m/*.sql", "n/**/*.sql")], [f"{path}: is a symbolic link"]))
    assert bool(found) is named


def test_link_and_capital_letters_are_named_when_the_project_is_deployed(shop: Shop) -> None:
    shop.migration("003_UP.SQL", "SELECT 1;")
    place = shop.terminal.home / "app/migrations/004_link.sql"
    place.symlink_to("001_users.sql")
    said = shop.run()
    assert "migrations/003_UP.SQL" in said.all
    assert "migrations/004_link.sql: is a symbolic link" in said.all


def test_file_is_named_at_import_when_capital_letters_keep_it_from_being_a_migration(
    terminal: Terminal,
) -> None:
    terminal.file("app/migrations/001_a.sql", "SELECT 1;")
    terminal.file("app/migrations/003_UP.SQL", "SELECT 1;")
    terminal.file("app/migrations/001_A.sql", "SELECT 1;")
    said = terminal("project", "import", "app").out
    assert "migrations/003_UP.SQL: does not end in .sql in small letters" in said
    assert "migrations/001_A.sql: differs from migrations/001_a.sql" in said


def test_files_are_named_when_all_of_them_end_in_capital_letters(terminal: Terminal) -> None:
    terminal.file("app/migrations/001_A.SQL", "SELECT 1;")
    terminal("project", "import", "app")
    said = terminal("deploy", "init", "app", code=78)
    assert "migrations/001_A.SQL: does not end in .sql in small letters: rename it" in said.err


def test_link_is_named_when_a_config_is_proposed(terminal: Terminal) -> None:
    terminal.file("app/migrations/001_a.sql", "SELECT 1;")
    terminal("project", "import", "app")
    terminal.file("app/migrations/003_UP.SQL", "SELECT 1;")
    (terminal.home / "app/migrations/002_b.sql").symlink_to("001_a.sql")
    said = terminal("deploy", "init", "app").out
    assert "migrations/002_b.sql: is a symbolic link" in said
    assert "migrations/003_UP.SQL" in said
