"""What does not fit the layout of its folder: it is named and left out, or it stops the plan."""

from __future__ import annotations

import pytest

from templedb_nb.core.migrations.layouts.arrange import Arranged, arrange
from templedb_nb.core.migrations.layouts.placing import FolderView
from templedb_nb.core.migrations.layouts.recognise import marks
from templedb_nb.model.config import Group, GroupKind
from tests.conftest import Shop

DIESEL = "m/2022-11-07-101112_a/up.sql m/2022-11-07-101112_a/down.sql m/2022-11-09-000000_c/up.sql"
PRISMA = "m/20260101_a/migration.sql m/20260102_b/migration.sql"


def arranged(names: str, known: str = "", text: str = "SELECT 1;") -> Arranged:
    group = Group(name="m", order=1, kind=GroupKind.MIGRATIONS, file_patterns=("m/**/*.sql",))
    seen = {path: marks(text) for path in names.split()}
    return arrange(group, sorted(names.split()), FolderView(marks=seen), frozenset(known.split()))


def layouts(found: Arranged) -> list[str]:
    return [str(layout) for _, layout in found.layouts]


def errors(found: Arranged) -> list[str]:
    return [str(each) for each in found.findings if each.severity == "error"]


def warned(found: Arranged) -> list[str]:
    return [each.where for each in found.findings if each.severity == "warning"]


@pytest.mark.parametrize(
    ("names", "stray", "layout"),
    [
        (DIESEL, "m/fix_rows.sql", "diesel"),
        (DIESEL, "m/2022-11-07-101112_a/data.sql", "diesel"),
        (DIESEL, "m/2022-11-07-101112_a/old/01.sql", "diesel"),
        (DIESEL, "m/archive/fix.sql", "diesel"),
        (PRISMA, "m/fix_rows.sql", "prisma"),
        (PRISMA, "m/20260101_a/data.sql", "prisma"),
        (f"{PRISMA} m/migration_lock.toml", "m/002_fix.sql", "prisma"),
    ],
)
def test_stray_file_is_named_and_left_out_when_migrations_have_folders_of_their_own(
    names: str, stray: str, layout: str
) -> None:
    found = arranged(f"{names} {stray}")
    assert layouts(found) == [layout]
    assert warned(found) == [stray]
    assert stray not in found.paths
    assert len(found.files) == 2
    assert errors(found) == []


@pytest.mark.parametrize(
    ("names", "strays", "shown"),
    [
        (DIESEL, "m/003_fix.sql", "m/003_fix.sql"),
        (PRISMA, "m/V3__fix.sql", "m/V3__fix.sql"),
        (PRISMA, "m/a.sql m/b.sql m/c.sql", "m/a.sql"),
        (PRISMA, "m/20260103_c/up.sql", "(diesel)"),
        ("m/1/up.sql m/2/up.sql", "m/10/up.sql", "layout: diesel"),
    ],
)
def test_folder_is_refused_when_a_stray_file_may_be_a_migration(
    names: str, strays: str, shown: str
) -> None:
    (said,) = errors(arranged(f"{names} {strays}"))
    assert shown in said


def test_diesel_folder_keeps_its_place_when_its_name_has_no_underscore() -> None:
    found = arranged(f"{DIESEL} m/2022-11-08-0930-b/up.sql")
    assert layouts(found) == ["diesel"]
    assert [each.key for each in found.files] == [
        "20221107101112",
        "202211080930b",
        "20221109000000",
    ]


def test_order_by_letters_is_kept_when_the_project_is_one_of_diesel() -> None:
    found = arranged("m/1/up.sql m/2/up.sql m/10/up.sql diesel.toml")
    assert [each.key for each in found.files] == ["1", "10", "2"]
    assert errors(found) == []


def test_keys_of_the_ledger_stay_when_an_odd_folder_was_deployed_by_its_path() -> None:
    odd = "m/2022-11-08-0930-b/up.sql"
    found = arranged(f"{DIESEL} {odd}", known=f"20221107101112 20221109000000 {odd}")
    assert [each.key for each in found.files] == [
        "20221107101112",
        "202211080930b",
        "20221109000000",
    ]
    plain = arranged(f"{DIESEL} m/fix.sql", known="m/fix.sql m/2022-11-07-101112_a/up.sql")
    assert layouts(plain) == ["plain"]


def test_stray_file_still_runs_when_the_ledger_has_it_by_its_path() -> None:
    found = arranged(f"{DIESEL} m/data/fix.sql", known="20221107101112 m/data/fix.sql")
    assert layouts(found) == ["diesel", "plain"]
    assert found.paths[-1] == "m/data/fix.sql"


def test_comment_does_not_name_the_layout_when_its_tool_reads_no_such_names() -> None:
    assert layouts(arranged(DIESEL, text="-- migrate:up\nSELECT 1;")) == ["diesel"]


def test_stray_script_does_not_run_when_it_lies_beside_folders_of_diesel(shop: Shop) -> None:
    for name, text in {
        "d/2022-11-07-101112_a/up.sql": "CREATE TABLE a (id int);",
        "d/2022-11-08-0930-b/up.sql": "ALTER TABLE a ADD b int;",
        "d/2022-11-09-000000_c/up.sql": "ALTER TABLE a ALTER b TYPE bigint;",
        "d/fix_rows.sql": "CREATE TABLE stray (id int);",
    }.items():
        shop.terminal.file(f"app/{name}", text)
    shop.config({"name": "migrations", "file_patterns": ["d/**/*.sql"]})
    said = shop.run()
    assert "d/fix_rows.sql" in said.all
    assert shop.pg.tables() == ["a"]
