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


def test_migration_of_hasura_in_yaml_is_opaque_when_its_folder_has_no_sql() -> None:
    found = arranged("m/1550000000001_init/up.yaml m/1550000000001_init/down.yaml "
                     "m/1550000000002_b/up.sql m/1550000000002_b/up.yaml m/x/up.yaml")  # fmt: skip
    assert layouts(found) == ["diesel"]
    assert [(each.key, each.reading.opaque) for each in found.files if each.reading] == [
        ("1550000000001", "is no SQL, and only Hasura can run it"),
        ("1550000000002", ""),
    ]
    assert warned(found) == ["m/1550000000002_b/up.yaml"]


@pytest.mark.parametrize("language", ["java", "kotlin"])
def test_program_of_flyway_is_opaque_when_it_lies_in_the_package_of_its_location(
    language: str,
) -> None:
    end = {"java": "java", "kotlin": "kt"}[language]
    home, code = "app/src/main/resources/db/migration", f"app/src/main/{language}/db/migration"
    names = [f"{home}/V1__a.sql", f"{home}/V3__c.sql", f"{code}/V2__b.{end}"]
    beside = [f"{code}/Helper.{end}", f"app/src/main/{language}/db/other/V9__x.{end}"]
    group = Group(name="m", order=1, kind=GroupKind.MIGRATIONS, file_patterns=(f"{home}/*.sql",))
    found = arrange(group, sorted(names + beside))
    assert [each.path for each in found.files] == [names[0], names[2], names[1]]
    assert [bool(each.reading and each.reading.opaque) for each in found.files] == [
        False,
        True,
        False,
    ]


def test_run_is_refused_when_sql_would_run_without_a_program_of_flyway(shop: Shop) -> None:
    home, code = "app/src/main/resources/db/migration", "app/src/main/java/db/migration"
    shop.terminal.file(f"{home}/V1__a.sql", "CREATE TABLE a (id int);\n")
    shop.terminal.file(f"{home}/V3__c.sql", "CREATE TABLE c (id int);\n")
    shop.terminal.file(f"{code}/V2__b.java", "class V2__b {}\n")
    shop.config({"name": "m", "file_patterns": ["src/main/resources/db/migration/*.sql"]})
    assert (
        "only Flyway can run, and src/main/resources/db/migration/V3__c.sql"
        in shop.run(code=78).err
    )
    assert shop.pg.tables() == []


@pytest.mark.parametrize(("up", "down"), [("-- UP", "-- DOWN"), ("", "-- rollback")])
def test_whole_file_runs_when_it_says_that_no_comment_begins_a_way_back(
    up: str, down: str, shop: Shop
) -> None:
    text = f"{up}\nCREATE TABLE a (id int);\n{down}\nCREATE TABLE b (id int);\n"
    shop.terminal.file("app/d/1.sql", text)
    shop.config({"name": "m", "file_patterns": ["d/*.sql"]})
    assert "-- templedb:no-down on top" in shop.run(code=78).err
    shop.terminal.file("app/d/1.sql", f"-- templedb:no-down\n{text}")
    shop.run()
    assert shop.pg.tables() == ["a", "b"]
    shop.terminal.file("app/d/2.sql", "-- templedb:no-down\nSELECT 1;\n-- templedb:down\nSELECT 2;")
    assert "no-down and templedb:down contradict each other" in shop.run(code=78).err


def test_program_is_named_when_it_stands_for_a_migration_among_those_of_prisma() -> None:
    names = "m/20260103_c/migration.ts m/20260104_d/migration.js m/20260101_a/migration.ts"
    found = arranged(f"{PRISMA} m/migration_lock.toml {names}")
    assert layouts(found) == ["prisma"]
    (told,) = (str(each) for each in found.findings if each.severity == "warning")
    assert "m/20260103_c/migration.ts and 1 more: not SQL" in told


def test_run_is_refused_when_sql_would_run_without_a_migration_of_hasura(shop: Shop) -> None:
    shop.terminal.file("app/migrations/1550000000001_init/up.yaml", "- type: run_sql\n")
    shop.terminal.file("app/migrations/1550000000002_b/up.sql", "CREATE TABLE b (id int);\n")
    for name in ("001_users.sql", "002_orders.sql"):
        (shop.terminal.home / "app" / "migrations" / name).unlink(missing_ok=True)
    shop.terminal("project", "sync", "app")
    shop.terminal("deploy", "init", "app", "--force")
    said = shop.run(code=78).err
    assert "1550000000001_init/up.yaml" in said
    assert "only Hasura can run it" in said


def test_baseline_is_named_once_when_what_it_replaces_is_there() -> None:
    found = arranged("m/B5__base.sql m/V1__a.sql m/V6__c.sql")
    told = [each for each in found.findings if each.where == "m/B5__base.sql"]
    assert len(told) == 1
    assert "is a baseline" in told[0].message
