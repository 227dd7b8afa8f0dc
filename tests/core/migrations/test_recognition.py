"""What `deploy init` makes of folders as projects have them: taken, left out with a reason, asked."""

from __future__ import annotations

import json

import pytest

from templedb_nb.core.migrations.proposal import NO_ANSWERS, Proposal, ProposalAnswers, propose
from tests.conftest import Terminal

GOLANG = "db/migrations/1_a.up.sql db/migrations/1_a.down.sql"
DIESEL = "migrations/2022-11-07-101112_a/up.sql migrations/2022-11-07-101112_a/down.sql"
DRIZZLE = (
    "drizzle/20250101120000_a/migration.sql drizzle/20250101120000_a/snapshot.json"
    " drizzle/20250301120000_b/migration.sql drizzle/20250301120000_b/snapshot.json"
)
GRATE = "db/up/0001_a.sql db/up/0002_b.sql"
PRISMA = "prisma/migrations/20260101_a/migration.sql prisma/migrations/migration_lock.toml"


def proposed(
    names: str, answers: ProposalAnswers = NO_ANSWERS, text: str = "SELECT 1;"
) -> Proposal:
    return propose(names.split(), dict.fromkeys(names.split(), text), answers)


def patterns(found: Proposal) -> list[str]:
    return [" ".join(group.file_patterns) for group in found.config.groups]


def databases(found: Proposal) -> list[str]:
    return [f"{group.name}={group.database}" for group in found.config.groups]


def reasons(found: Proposal) -> str:
    return "\n".join(f"{each.what}: {each.why}" for each in found.reasons)


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (f"{DIESEL} migrations/fix_rows.sql", ["migrations/**/*.sql"]),
        (f"{PRISMA} prisma/migrations/fix_rows.sql", ["prisma/migrations/**/*.sql"]),
        (f"{DIESEL} migrations/2022-11-08-0930-b/up.sql", ["migrations/**/*.sql"]),
        (f"{GOLANG} db/testdata/1_a.up.sql db/testdata/2_b.up.sql", ["db/migrations/*.sql"]),
        ("migrations/1_a.sql test_x_migrations/1_a.sql", ["migrations/*.sql"]),
        ("migrations/1_a.sql migrations-sqlite/1_a.sql", ["migrations/*.sql"]),
        ("migrations/1_a.sql migrations_mysql/1_a.sql", ["migrations/*.sql"]),
        (
            "sql/migrations/pg/1_a.sql sql/migrations/clickhouse/1_a.sql",
            ["sql/migrations/pg/*.sql"],
        ),
        (
            "migrations/001_a.sql migrations/002_b.sql migrations/LATEST.sql",
            ["migrations/*.sql !migrations/LATEST.sql"],
        ),
        (
            "migrations/001_a.sql migrations/002_b.sql migrations/schema.sql",
            ["migrations/*.sql !migrations/schema.sql"],
        ),
        ("db/structure.sql db/migrate/001_a.sql db/migrate/002_b.sql", ["db/migrate/*.sql"]),
        (
            "migrations/001_a.sql migrations/002_b.sql migrations/fix_rows.sql",
            ["migrations/*.sql !migrations/fix_rows.sql"],
        ),
        ("db/pg_migration/V1__x.sql", ["db/pg_migration/*.sql"]),
        ("resources/sql/V1__x.sql resources/sql/R__y.sql", ["resources/sql/*.sql"]),
        ("migrations_pg/1_a.sql", ["migrations_pg/*.sql"]),
        ("app/pgMigrations/1_a.sql", ["app/pgMigrations/*.sql"]),
        ("data/steps/1/up.sql data/steps/1/down.sql data/steps/2/up.sql", ["data/steps/**/*.sql"]),
        ("sql/changes/01_a.sql sql/changes/02_b.sql", ["sql/changes/*.sql"]),
        (
            "schema/updates/2021-03-04-a.sql schema/updates/2022-01-01-b.sql",
            ["schema/updates/*.sql"],
        ),
        ("lib/db/0001-init.sql lib/db/0002.sql lib/db/0003.sql", ["lib/db/*.sql"]),
        ("db/v1.2/a.sql db/v1.10/a.sql", ["db/v1.2/*.sql db/v1.10/*.sql"]),
        ("001_a.sql 002_b.sql README.md", ["*.sql"]),
        ("1_a.up.sql 1_a.down.sql", ["*.sql"]),
        ("2022-11-07-101112_a/up.sql 2022-11-08-101112_b/up.sql", ["**/*.sql"]),
        ("V1__a.sql V2__b.sql", ["*.sql"]),
        (
            "migrations/1_a.up.sql migrations/1_a.sqlite3.up.sql migrations/1_a.mysql.up.sql",
            ["migrations/*.sql !migrations/**/*.mysql.*.sql !migrations/**/*.sqlite3.*.sql"],
        ),
        (
            "migrations/1_a.up.sql migrations/1_a.postgres.up.sql migrations/2_b.up.sql",
            ["migrations/*.sql !migrations/1_a.up.sql"],
        ),
        (
            "m/migration/pg/LATEST.sql m/migration/pg/0.19/00__a.sql m/migration/pg/0.20/00__b.sql",
            ["m/migration/**/*.sql !m/migration/pg/LATEST.sql"],
        ),
        ("queries/1_a.sql queries/2_b.sql seeds/1_a.sql seeds/2_b.sql", []),
        ("vendor/x/migrations/1_a.sql node_modules/y/migrations/1_a.sql", []),
        ("migrations/1_a.js migrations/2_b.js migrations/3_c.sql", []),
        ("migrations/1_a.sql examples/todo/migrations/1_a.sql", ["migrations/*.sql"]),
        ("examples/todo/migrations/1_a.sql", ["examples/todo/migrations/*.sql"]),
        (DRIZZLE, ["drizzle/**/*.sql"]),
        (
            (
                "m/migrations/1_a.up.sql m/migrations/2_b.autocommit.up.sql"
                " m/migrations/2_b.postgres.autocommit.up.sql m/migrations/2_b.mysql.autocommit.up.sql"
                " m/migrations/3_c.autocommit.up.sql m/migrations/3_c.postgres.up.sql"
            ),
            [
                (
                    "m/migrations/*.sql !m/migrations/**/*.mysql.*.sql"
                    " !m/migrations/2_b.autocommit.up.sql !m/migrations/3_c.autocommit.up.sql"
                )
            ],
        ),
        (
            "db/sqlc/migrations/1_a.up.sql db/sqlc/queries/migration.sql db/sqlc/queries/b.sql",
            ["db/sqlc/migrations/*.sql"],
        ),
        ("Db/Scripts/Script0001-a.sql Db/Scripts/Script0002-b.sql", ["Db/Scripts/*.sql"]),
        ("delta/60/01a.sql delta/60/02b.sql delta/61/01c.sql", ["delta/60/*.sql delta/61/*.sql"]),
        (f"{GRATE} db/views/v.sql db/sprocs/p.sql", ["db/up/*.sql"]),
        (f"{GRATE} db/down/0001_a.sql db/permissions/p.sql", ["db/up/*.sql"]),
        (f"{GRATE} db/beforeMigration/a.sql db/runFirstAfterUp/01_x.sql", ["db/up/*.sql"]),
        ("up/0001_a.sql runAfterOtherAnyTimeScripts/b.sql", ["up/*.sql"]),
        (
            f"{GRATE} db/up/0003_c.TEST.ENV.sql db/views/v.sql",
            ["db/up/*.sql !db/up/0003_c.TEST.ENV.sql"],
        ),
        (f"{DIESEL} migrations/archive/2019-01-01-000000_x/up.sql", ["migrations/*/*.sql"]),
    ],
)
def test_init_takes_what_the_evidence_shows_when_names_decide(
    names: str, wanted: list[str]
) -> None:
    found = proposed(names)
    assert found.doubts == ()
    assert patterns(found) == wanted


@pytest.mark.parametrize(
    ("names", "shown", "answer"),
    [
        ("migrations/003_a.sql migrations/003_b.sql", "the same number", "--by-name"),
        (
            "migrations/1_a.sql migrations/2_b.sql migrations/10_c.sql",
            "by letters",
            "--write-order",
        ),
        ("migrations/users.sql migrations/add_mail.sql", "have no numbers", "--write-order"),
        ("migrations/migration2.sql migrations/migration10.sql", "by letters", "--write-order"),
        (
            "migrations/init.sql migrations/1_a.sql migrations/2_b.sql",
            "init.sql has no number",
            "--w",
        ),
        (
            "migrations/schema.sql migrations/005_a.sql migrations/006_b.sql",
            "schema.sql has no number",
            "--write-order",
        ),
        ("migrations/b/1_a.sql migrations/a/2_b.sql", "runs first", "--write-order"),
        ("db/create_users/up.sql db/add_mail/up.sql", "runs first", "--write-order"),
        ("Scripts/Script9-a.sql Scripts/Script10-b.sql", "by letters", "--write-order"),
        (
            DRIZZLE.replace("20250301", "20250101"),
            "20250101120000_a and 20250101120000_b have the same number",
            "--write-order",
        ),
        (f"{DIESEL} migrations/003_fix.sql", "more than one convention", ""),
        (
            "migrations/20240101_a.sql migrations/2024-02-01_b.sql",
            "write their dates in two ways",
            "--write-order",
        ),
        (
            "m/migrations/1_a.up.sql m/migrations/2_b.up.sql m/migrations/3_fix.sql",
            "3_fix.sql is no NUMBER_name.up.sql",
            "--by-name",
        ),
    ],
)
def test_init_asks_with_a_command_for_each_answer_when_names_leave_a_doubt(
    names: str, shown: str, answer: str
) -> None:
    found = proposed(names)
    assert any(shown in doubt for doubt in found.doubts)
    assert any(each.strip().startswith(answer) for each in found.answers) or not answer


def test_doubt_is_settled_when_an_answer_is_given() -> None:
    names = "m/migrations/1_a.sql m/migrations/2_b.sql m/migrations/10_c.sql"
    found = proposed(names, ProposalAnswers(write_order=True))
    assert found.doubts == ()
    ((path, text),) = found.orders
    assert path == found.config.groups[0].order_file == "m/migrations/order.txt"
    assert text.splitlines()[1:] == ["1_a.sql", "2_b.sql", "10_c.sql"]
    assert proposed(names, ProposalAnswers(by_name=True)).doubts != ()
    twice = "migrations/003_a.sql migrations/003_b.sql"
    assert proposed(twice, ProposalAnswers(by_name=True)).doubts == ()


def test_init_makes_a_group_for_each_database_when_several_folders_speak() -> None:
    names = "orders/db/migrations/1_a.up.sql users/db/migrations/1_a.up.sql"
    found = proposed(names)
    assert databases(found) == ["orders=ORDERS_DATABASE_URL", "users=USERS_DATABASE_URL"]
    assert "--folder orders/db/migrations --folder users/db/migrations" in reasons(found)
    one = ProposalAnswers(folders=("users/db/migrations", "orders/db/migrations"))
    assert databases(proposed(names, one)) == ["migrations=DATABASE_URL"]
    assert patterns(proposed(names, one)) == [
        "users/db/migrations/*.sql orders/db/migrations/*.sql"
    ]


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        ("db/migrations/001_a.sql ops/migrations/101_b.sql", 1),
        ("db/migrations/001_a.sql ops/migrations/001_b.sql", 2),
        ("db/a/v1/x.sql db/a/v2/y.sql db/b/v1/z.sql db/b/v2/w.sql", 2),
        ("a/migrations/001_a.sql a/go.mod b/migrations/101_b.sql b/go.mod", 2),
    ],
)
def test_folders_are_of_one_database_when_one_program_has_them_and_no_version_twice(
    names: str, groups: int
) -> None:
    found = proposed(names)
    assert len([each for each in found.config.groups if each.kind == "migrations"]) == groups
    assert "init --force --folder" in reasons(found)


def test_folder_is_left_out_when_only_numbers_speak_for_it_and_more_for_another() -> None:
    found = proposed("sql/schema/v0.sql sql/schema/v1.sql db/migrations/1_a.sql")
    assert patterns(found) == ["db/migrations/*.sql"]
    assert "--folder sql/schema takes it" in reasons(found)


@pytest.mark.parametrize(
    ("name", "taken"), [("db/x_migration.sql", True), ("x/migrate.sql", False)]
)
def test_single_file_is_taken_when_it_lies_beside_a_folder_of_migrations(
    name: str, *, taken: bool
) -> None:
    found = proposed(f"db/migrations/1_a.sql {name}")
    assert (name in patterns(found)[0].split()) is taken


def test_init_takes_any_folder_when_a_person_names_it() -> None:
    names = "test/db/1_a.sql test/db/2_b.sql other/x.sql"
    found = proposed(names, ProposalAnswers(folders=("test/db",)))
    assert patterns(found) == ["test/db/*.sql"]


def test_one_comment_names_no_tool_when_the_other_files_have_none() -> None:
    names = "migrations/1_a.sql migrations/2_b.sql migrations/3_c.sql"
    texts = dict.fromkeys(names.split(), "SELECT 1;")
    texts["migrations/1_a.sql"] = "-- +migrate Up\nSELECT 1;"
    assert patterns(propose(names.split(), texts)) == ["migrations/*.sql"]
    both = "-- +migrate Up\nSELECT 1;\n-- +migrate Down\nSELECT 2;"
    assert patterns(propose(names.split(), dict.fromkeys(names.split(), both))) == []


def test_psql_runs_single_files_when_they_have_its_commands() -> None:
    found = proposed("migrations/1_a.sql", text="\\unset x\nSELECT 1;")
    assert found.config.groups[0].executor == "auto"


def test_script_is_taken_when_it_includes_the_others() -> None:
    texts = dict.fromkeys(["sql/users.sql", "sql/mails.sql"], "SELECT 1;")
    texts["sql/install.sql"] = "\\ir users.sql\n\\ir mails.sql\n"
    found = propose(list(texts), texts)
    assert patterns(found) == ["sql/install.sql"]
    assert found.config.groups[0].executor == "auto"


@pytest.mark.parametrize(
    "names",
    [
        "m/migrations/000001_a.up.sql m/migrations/1_b.up.sql",
        "m/migrations/01_b.sql m/migrations/1_a.sql",
        "m/migrations/1.02_b.sql m/migrations/1.2_a.sql",
    ],
)
def test_number_is_the_same_when_zeros_stand_in_front_of_it(names: str) -> None:
    assert "have the same number" in " ".join(proposed(names).doubts)


def test_order_is_asked_for_when_dates_have_their_year_last() -> None:
    found = proposed("m/migrations/01-01-2024_a.sql m/migrations/15-12-2023_b.sql")
    assert "have the year last in their dates" in found.doubts[0]


def test_order_is_asked_for_when_the_plan_would_refuse_the_names() -> None:
    names = "m/migrations/002-b.sql m/migrations/002.1-c.sql m/migrations/002a-d.sql"
    found = proposed(names)
    assert "002.1-c.sql sorts before" in found.doubts[0]
    assert any("--write-order" in each for each in found.answers)


@pytest.mark.parametrize(
    ("forth", "back"),
    [
        ("001_a/deploy.sql", "001_a/rollback.sql"),
        ("001_upgrade.sql", "001_downgrade.sql"),
        ("001_a.forward.sql", "001_a.backward.sql"),
        ("001_a.sql", "001_a.downgrade.sql"),
    ],
)
def test_file_is_a_way_back_when_its_name_says_it_of_another(forth: str, back: str) -> None:
    found = proposed(f"m/migrations/{forth} m/migrations/{back}", ProposalAnswers(by_name=True))
    assert found.doubts == ()
    assert "1 SQL file in" in reasons(found)


def test_file_is_left_out_when_psql_runs_it_as_a_part_of_another() -> None:
    texts = dict.fromkeys(["m/migrations/001_a.sql", "m/migrations/sub/x.sql"], "SELECT 1;")
    texts["m/migrations/002_b.sql"] = "\\ir sub/x.sql\n"
    found = propose(sorted(texts), texts)
    assert found.doubts == ()
    assert "m/migrations/sub/x.sql: is left out: m/migrations/002_b.sql includes it" in reasons(
        found
    )


def test_sql_that_was_seen_is_listed_when_nothing_speaks_for_it(terminal: Terminal) -> None:
    terminal.file("app/reports/a.sql", "SELECT 1;")
    terminal.file("app/reports/b.sql", "SELECT 1;")
    terminal("project", "import", "app")
    said = terminal("deploy", "init", "app", code=78).err
    assert "reports/: 2 SQL files" in said
    assert "deploy init app --folder" in said
    assert (
        "have no numbers" in terminal("deploy", "init", "app", "--folder", "reports", code=78).err
    )
    terminal("deploy", "init", "app", "--folder", "reports", "--by-name")


def test_order_is_written_and_used_when_init_is_told_to_write_it(terminal: Terminal) -> None:
    for name in ("1_a", "2_b", "10_c"):
        terminal.file(f"app/migrations/{name}.sql", f"CREATE TABLE t{name[-1]} (id int);")
    terminal("project", "import", "app")
    said = terminal("deploy", "init", "app", code=78).err
    assert "templedb deploy init app --write-order" in said
    terminal("deploy", "init", "app", "--write-order")
    assert "valid" in terminal("deploy", "config", "app", "--validate").out
    terminal("target", "add", "app", "local")
    url = f"duckdb://{terminal.home}/x.duckdb"
    terminal("env", "set", "app", "DATABASE_URL", url, "--plain")
    terminal("deploy", "run", "app")
    listed = terminal("migration", "list", "app").out
    assert listed.index("1_a.sql") < listed.index("2_b.sql") < listed.index("10_c.sql")


def test_refused_init_stores_nothing_when_a_named_folder_has_no_sql(terminal: Terminal) -> None:
    terminal.file("app/migrations/1_a.sql", "SELECT 1;")
    terminal("project", "import", "app")
    said = terminal("deploy", "init", "app", "--folder", "migration", code=64).err
    assert "there is no SQL file in migration; did you mean migrations" in said


PAUSES = "m/1_a.up.sql m/1_a.down.sql m/2_b.up.sql m/2_c.up.sql m/2_c.down.sql"


def test_order_is_asked_for_when_two_files_of_one_tool_have_one_version() -> None:
    found = proposed(PAUSES)
    assert any("m/2_b.up.sql" in each or "2_b.up.sql and 2_c" in each for each in found.doubts)
    assert any("--by-name" in each for each in found.answers)
    assert any("--write-order" in each for each in found.answers)


@pytest.mark.parametrize("way", ["by_name", "write_order"])
def test_folder_is_plain_when_a_person_gives_the_order_of_equal_versions(way: str) -> None:
    found = proposed(PAUSES, ProposalAnswers(folders=("m",), **{way: True}))
    assert found.doubts == ()
    assert found.config.groups[0].layout == "plain"


def test_folder_is_refused_when_two_files_with_marks_have_one_version() -> None:
    found = proposed("m/1_a.sql m/1_b.sql", text="-- +goose Up\nSELECT 1;")
    assert any("has the key 1" in each for each in found.doubts)
    assert not any("--by-name" in each for each in found.answers)


def test_scripts_are_left_out_when_a_tools_folder_is_there_and_nothing_orders_them() -> None:
    names = "db/migration/V1__a.sql db.mvp/x_migration/a.sql db.mvp/x_migration/b.sql db.mvp/fix_migrated.sql"
    found = proposed(names)
    assert found.doubts == ()
    assert patterns(found) == ["db/migration/*.sql"]


@pytest.mark.parametrize(
    ("text", "whose"),
    [
        ("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY);", "MySQL"),
        ("CREATE TABLE t (id int) ENGINE=InnoDB;", "MySQL"),
        ("CREATE TABLE `t` (id int);", "MySQL"),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT);", "SQLite"),
        ("PRAGMA foreign_keys = ON;", "SQLite"),
        ("CREATE TABLE t (id int IDENTITY(1,1));", "SQL Server"),
        ("CREATE TABLE t (id int)\nGO\n", "SQL Server"),
        ("CREATE TABLE t (id varchar2(10));", "Oracle"),
        ("CREATE TABLE t (id int) ENGINE = ReplicatedMergeTree ORDER BY id;", "ClickHouse"),
    ],
)
def test_folder_is_left_out_when_its_sql_is_another_servers(text: str, whose: str) -> None:
    found = proposed("db/migrations/1_a.sql db/migrations/2_b.sql", text=text)
    assert patterns(found) == []
    assert f"which is {whose}'s" in reasons(found)
    names = "db/migrations/1_a.sql db/migrations/2_b.sql"
    named = proposed(names, ProposalAnswers(folders=("db/migrations",)), text=text)
    assert named.doubts == ()
    assert patterns(named) == ["db/migrations/*.sql"]


@pytest.mark.parametrize(
    "text",
    [
        "-- was AUTO_INCREMENT PRIMARY KEY in MySQL\nSELECT 1;",
        "COMMENT ON TABLE t IS 'from `old` ENGINE=InnoDB';",
        "CREATE FUNCTION f() RETURNS int AS $$ SELECT 1 FROM `x` $$ LANGUAGE plv8;",
        "CREATE TABLE t (auto_increment boolean, id int GENERATED ALWAYS AS IDENTITY);",
        "CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY (START WITH 1 INCREMENT BY 1));",
        "/* PRAGMA foreign_keys = ON; */ SELECT 1;",
    ],
)
def test_folder_is_taken_when_another_servers_words_are_no_statements(text: str) -> None:
    assert patterns(proposed("m/1_a.up.sql m/2_b.up.sql", text=text)) == ["m/*.sql"]


def test_file_is_a_doubt_when_it_alone_is_another_servers() -> None:
    texts = dict.fromkeys(["migrations/1_a.sql", "migrations/2_b.sql"], "SELECT 1;")
    texts["migrations/3_c.sql"] = "CREATE TABLE `t` (id int);"
    found = propose(list(texts), texts)
    assert any("migrations/3_c.sql has 'TABLE `t`'" in each for each in found.doubts)
    assert any("--folder migrations, if its server" in each for each in found.answers)


def test_other_folder_is_taken_when_one_is_another_servers() -> None:
    texts = {
        "a/migrations/1_a.sql": "CREATE TABLE `t` (id int);",
        "b/migrations/1_b.sql": "SELECT 1;",
    }
    assert patterns(propose(list(texts), texts)) == ["b/migrations/*.sql"]


def test_order_is_no_answer_when_a_folder_follows_two_conventions() -> None:
    mixed = "migrations/2022-01-01-000001_a/up.sql migrations/2022-01-02-000001_b/up.sql"
    found = proposed(f"{mixed} migrations/20250605_c.sql migrations/20250606_d.sql")
    assert len(found.doubts) == 1
    assert "follows more than one convention" in found.doubts[0]
    assert found.answers == ()


@pytest.mark.parametrize("folders", [(), ("schema/versioned",)])
def test_versions_are_in_order_when_a_person_takes_names_below_their_folders(
    folders: tuple[str, ...],
) -> None:
    names = "schema/versioned/v1.10/b.sql schema/versioned/v1.2/a.sql schema/versioned/v1.2/c.sql"
    answers = ProposalAnswers(folders=folders, by_name=True)
    found = proposed(f"{names} schema/versioned/v1.9/z.sql", answers)
    assert not found.doubts
    wanted = " ".join(f"schema/versioned/v1.{each}/*.sql" for each in (2, 9, 10))
    assert patterns(found) == [wanted]


def test_folders_of_migrations_are_one_pattern_when_a_person_names_their_folder() -> None:
    names = "sql/2016-09/up.sql sql/2016-09/down.sql sql/2016-10/up.sql sql/2016-10/down.sql"
    found = proposed(names, ProposalAnswers(folders=("sql",)))
    assert patterns(found) == ["sql/**/*.sql"]


def test_folders_beside_up_are_named_when_they_run_again_or_at_other_times() -> None:
    found = proposed(f"{GRATE} db/views/v.sql db/sprocs/p.sql db/alterDatabase/x.sql")
    told = reasons(found)
    assert "db/sprocs/, db/views/: left out: grate and RoundhousE" in told
    assert '-- templedb:repeatable does, once "db/sprocs/**/*.sql" is in file_patterns' in told
    assert "db/alterDatabase/: left out" in told


@pytest.mark.parametrize(
    ("mark", "tool"),
    [
        ("-- Up Migration\n{}-- Down Migration", "node-pg-migrate"),
        ("--- !Ups\n{}--- !Downs", "Play"),
        ("# --- !Ups\n{}# --- !Downs", "Play"),
        ("-- // a\n{}-- //@UNDO", "MyBatis Migrations"),
        ("-- ==== UP ====\n{}-- ==== DOWN ====", "shmig"),
        ("-- rambler up\n{}-- rambler down", "rambler"),
        ("-- +micrate Up\n{}-- +micrate Down", "micrate"),
        ("-- +up\n{}-- +down", "rockhopper"),
        ("-- +migrate Up\n{}-- +migrate Down", "sql-migrate"),
        ("-- UP\n{}-- DOWN", "a tool that has both ways in one file"),
        ("/* up */\n{}/* === DOWN === */", "a tool that has both ways in one file"),
        ("/** Up **/ {}/* migrate down */", "a tool that has both ways in one file"),
    ],
)
def test_file_is_not_run_as_it_stands_when_it_has_both_ways_in_it(mark: str, tool: str) -> None:
    up = "CREATE TABLE a (id int);\nINSERT INTO a VALUES (1);\n"
    both = mark.format(up) + "\nDROP TABLE a;\n"
    found = proposed("migrations/1_a.sql migrations/2_b.sql", text=both)
    assert patterns(found) == []
    assert f"in the style of {tool}" in reasons(found)
    assert "write -- templedb:down in place of that line" in reasons(found)
    ours = mark.format(up).rpartition("\n")[0] + "\n-- templedb:down\nDROP TABLE a;\n"
    assert patterns(proposed("migrations/1_a.sql", text=ours)) == ["migrations/*.sql"]
    whole = f"-- templedb:no-down\n{both}"
    assert patterns(proposed("migrations/1_a.sql", text=whole)) == ["migrations/*.sql"]


@pytest.mark.parametrize(
    "text",
    [
        "-- Up Migration\nSELECT 1;\n-- Down Migration\n-- DROP TABLE a;\n",
        "-- Up Migration\nSELECT 1;\n-- Down Migration\n/* DROP TABLE a; */\n",
        "SELECT 1; -- goes up\n-- down\nSELECT 2;\n",
        "CREATE TABLE a (id int);\n--rollback DROP TABLE a;\n",
        "CREATE TABLE a (id int);\n-- rollback\n-- DROP TABLE a;\n",
    ],
)
def test_file_is_plain_when_its_way_back_is_only_told_of(text: str) -> None:
    found = proposed("migrations/1_a.sql migrations/2_b.sql", text=text)
    assert patterns(found) == ["migrations/*.sql"]


def test_migration_is_not_left_out_when_its_own_folder_names_tests_or_another_server() -> None:
    some = "p/migrations/20240227_added_is_test/migration.sql p/migrations/20240301_off_mysql/migration.sql"
    found = proposed(
        f"{some} p/migrations/20240101_a/migration.sql p/migrations/migration_lock.toml"
    )
    assert patterns(found) == ["p/migrations/**/*.sql"]
    assert "3 SQL files" in reasons(found)
    assert "left out" not in reasons(found)


CHANGELOG = """<databaseChangeLog>
<changeSet id="1" author="a"><sqlFile path="sql/001-a.sql"/></changeSet>
<changeSet id="2" author="a"><sqlFile path="sql/002-b.sql"/></changeSet>
</databaseChangeLog>"""


@pytest.mark.parametrize("end", ["xml", "yaml", "json"])
def test_changelog_is_named_with_what_would_take_it_when_only_liquibase_reads_it(end: str) -> None:
    master = f"src/main/resources/db/changelog/db.changelog-master.{end}"
    texts = {
        master: CHANGELOG.replace("001-a", "create"),
        "db/changelog/sql/create.sql": "SELECT 1;",
    }
    found = propose(sorted(texts), texts)
    assert not found.config.groups
    assert f"{master}: a changelog of Liquibase's, which names create.sql" in reasons(found)
    assert "--changeset AUTHOR:ID logicalFilePath:FILE" in reasons(found)


def test_folder_is_asked_for_when_a_changelog_that_is_not_read_names_its_files() -> None:
    texts = {
        "db/changelog/db.changelog-master.xml": CHANGELOG,
        "db/changelog/sql/001-a.sql": "SELECT 1;",
        "db/changelog/sql/002-b.sql": "SELECT 2;",
    }
    found = propose(sorted(texts), texts)
    assert "db.changelog-master.xml names its files" in found.doubts[0]
    assert found.answers == (" --folder db/changelog/sql, to deploy that folder alone",)
    taken = propose(sorted(texts), texts, ProposalAnswers(folders=("db/changelog/sql",)))
    assert not taken.doubts
    assert patterns(taken) == ["db/changelog/sql/*.sql"]


def test_changelog_is_read_with_the_files_when_init_looks_at_a_project(terminal: Terminal) -> None:
    terminal.file("app/db/changelog/db.changelog-master.xml", CHANGELOG)
    terminal.file("app/db/sql/create.sql", "SELECT 1;")
    terminal("project", "import", "app")
    told = terminal("deploy", "init", "app", code=78).err
    assert "a changelog of Liquibase's" in told


def test_file_is_named_when_its_name_ends_in_a_server() -> None:
    found = proposed("delta/60/01a.sql delta/60/02b.sql.postgres delta/61/01c.sql")
    assert "delta/60/02b.sql.postgres: not SQL, and therefore not a migration here" in reasons(
        found
    )


def test_folders_are_asked_for_when_their_versions_lie_between_each_others() -> None:
    own, usage = (
        ("migrations/20260101000001_a.sql", "migrations/20260301000001_c.sql"),
        ("migrations-usage/20260201000001_b.sql", "migrations-usage/20260202000001_d.sql"),
    )
    names = " ".join((*own, *usage))
    found = proposed(names)
    assert "migrations/ and migrations-usage/ have versions between" in found.doubts[0]
    both = " --folder migrations --folder migrations-usage"
    assert f"{both} --each, if each of them is of its own database" in found.answers
    assert f"{both}, for one database in this order" in found.answers
    folders = ("migrations", "migrations-usage")
    one = proposed(names, ProposalAnswers(folders=folders))
    assert (len(one.config.groups), one.doubts) == (1, ())
    two = proposed(names, ProposalAnswers(folders=folders, each=True))
    assert (len(two.config.groups), two.doubts) == (2, ())


def test_folders_are_asked_for_when_the_order_of_their_names_contradicts_their_versions() -> None:
    found = proposed("db/cache_migrate/20260103_c.sql db/migrate/20260101_a.sql")
    assert (
        "db/cache_migrate/ sorts before db/migrate/, but its versions come after" in found.doubts[0]
    )
    one = " --folder db/migrate --folder db/cache_migrate, for one database in this order"
    assert one in found.answers
    assert proposed("db/a_migrate/001_a.sql db/b_migrate/002_b.sql db/c_migrate/x.sql").doubts == ()
    assert proposed("migrations/20260103_a.sql web/migrations/001_b.sql").doubts == ()


def journal(*tags: str) -> str:
    return json.dumps({"entries": [{"idx": n, "tag": tag} for n, tag in enumerate(tags)]})


@pytest.mark.parametrize(
    ("text", "doubt", "out"),
    [
        (journal("0000_a", "0001_b", "0002_c"), "", ""),
        (journal("0000_a", "0001_b"), "", "d/0002_c.sql: is left out: meta/_journal.json does not"),
        (journal("0000_a", "0001_b", "0002_c", "0003_d"), "lists 0003_d.sql, which is not there", ""),
        (journal("0000_a", "0002_c", "0001_b"), "lists 0002_c.sql before 0001_b.sql", ""),
        ("{", "", ""),
        ('{"entries": [1]}', "", ""),
        ("[]", "", ""),
    ],
)  # fmt: skip
def test_journal_of_drizzle_says_what_runs_when_it_lists_the_files(
    text: str, doubt: str, out: str
) -> None:
    texts = dict.fromkeys(["d/0000_a.sql", "d/0001_b.sql", "d/0002_c.sql"], "SELECT 1;")
    found = propose([*texts, "d/meta/_journal.json"], texts | {"d/meta/_journal.json": text})
    assert len(found.doubts) == bool(doubt)
    assert doubt in " ".join(found.doubts)
    assert out in reasons(found)


def test_journal_is_read_with_the_files_when_init_looks_at_a_project(terminal: Terminal) -> None:
    for name in ("0000_a", "0001_b", "0002_stray"):
        terminal.file(f"app/drizzle/{name}.sql", "SELECT 1;")
    terminal.file("app/drizzle/meta/_journal.json", journal("0000_a", "0001_b"))
    terminal("project", "import", "app")
    assert "0002_stray.sql: is left out" in terminal("deploy", "init", "app").out


def test_databases_of_their_own_are_an_answer_when_nothing_says_which_folder_runs_first() -> None:
    names = "m/migrations/a/01_x.sql m/migrations/a/02_y.sql m/migrations/b/01_x.sql"
    found = proposed(names)
    wanted = " --folder m/migrations/a --folder m/migrations/b --each, if each of them is of its"
    assert any(each.startswith(wanted) for each in found.answers)
    taken = proposed(
        names, ProposalAnswers(folders=("m/migrations/a", "m/migrations/b"), each=True)
    )
    assert (len(taken.config.groups), taken.doubts) == (2, ())


@pytest.mark.parametrize(
    ("names", "folder", "wanted"),
    [
        ("Scripts/Script0001-a.sql Scripts/Script0002-b.sql", "Scripts/Everytime", "Scripts/*.sql"),
        ("Db/Scripts/Script0001-a.sql Db/Scripts/Script0002-b.sql", "Db/RunAlways", "Db/Scripts/*.sql"),
        ("Db/Scripts/Script0001-a.sql Db/Scripts/Script0002-b.sql", "Db/PostDeployment", "Db/Scripts/*.sql"),
        ("db/migrations/001_a.sql db/migrations/002_b.sql", "db/functions", "db/migrations/*.sql"),
        ("db/migrations/001_a.sql db/migrations/002_b.sql", "db/stored_procedures", "db/migrations/*.sql"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("files", ["v.sql", "001_v.sql 002_w.sql"])
def test_folder_is_named_and_left_out_when_it_runs_at_other_times_by_its_name(
    names: str, folder: str, wanted: str, files: str
) -> None:
    found = proposed(" ".join([names, *(f"{folder}/{file}" for file in files.split())]))
    assert patterns(found) == [wanted]
    assert found.doubts == ()
    assert f"{folder}/: is left out: by its name it runs again" in reasons(found)
    assert f'"{folder}/*.sql" is in file_patterns' in reasons(found)


def test_repeatable_files_of_flyway_are_taken_when_they_have_a_folder_of_their_own() -> None:
    found = proposed("db/migration/V1__a.sql db/migration/V2__b.sql db/repeatable/R__v.sql")
    assert patterns(found) == ["db/migration/*.sql db/repeatable/*.sql"]
    assert found.doubts == ()
    assert "by version over all of them" in reasons(found)


def test_nothing_is_said_of_views_when_they_lie_elsewhere() -> None:
    found = proposed("db/migrations/001_a.sql db/migrations/002_b.sql web/app/views/v.sql")
    assert "views" not in reasons(found)


LISTED = "m/migrations/users.sql m/migrations/orders.sql m/migrations/rates.sql"


def listed(name: str, text: str, names: str = LISTED) -> Proposal:
    texts = dict.fromkeys(names.split(), "SELECT 1;") | {name: text}
    return propose(sorted(texts), texts)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m/migrations/order.txt", "users.sql\nrates.sql # late\n\norders.sql\n"),
        ("m/migrations/MANIFEST", "./users.sql\n./rates.sql\n./orders.sql\n"),
        ("m/series", "migrations/users.sql\nmigrations/rates.sql\nmigrations/orders.sql\n"),
    ],
)
def test_list_gives_the_order_when_it_has_every_file_of_the_folder(name: str, text: str) -> None:
    found = listed(name, text)
    assert found.doubts == ()
    assert found.config.groups[0].order_file == name
    assert f"in the order of {name}" in reasons(found)


def test_list_is_no_order_file_when_the_names_give_the_same_order() -> None:
    names = "m/migrations/001_a.sql m/migrations/002_b.sql"
    found = listed("m/migrations/order.txt", "001_a.sql\n002_b.sql\n", names)
    assert (found.doubts, found.config.groups[0].order_file) == ((), "")


@pytest.mark.parametrize(
    ("name", "text", "doubt"),
    [
        (
            "m/migrations/manifest.json",
            '["002_b.sql", "001_a.sql", "003_c.sql"]',
            "lists 002_b.sql before 001_a.sql",
        ),
        (
            "m/changelog.yml",
            "- file: migrations/001_a.sql\n- file: migrations/002_b.sql\n",
            "not 003_c.sql",
        ),
        ("m/migrations/order.txt", "001_a.sql\n002_b.sql\n", "not 003_c.sql"),
    ],
)
def test_order_is_asked_for_when_a_list_contradicts_the_names(
    name: str, text: str, doubt: str
) -> None:
    names = "m/migrations/001_a.sql m/migrations/002_b.sql m/migrations/003_c.sql"
    found = listed(name, text, names)
    assert doubt in found.doubts[0]
    assert any("--by-name" in each for each in found.answers)


def test_list_is_read_and_used_when_init_looks_at_a_project(terminal: Terminal) -> None:
    for path in LISTED.split():
        terminal.file(f"app/{path}", "SELECT 1;")
    terminal.file("app/m/migrations/order.txt", "users.sql\nrates.sql\norders.sql\n")
    terminal("project", "import", "app")
    terminal("deploy", "init", "app")
    assert "m/migrations/order.txt" in terminal("deploy", "config", "app", "--show").out
    terminal("deploy", "config", "app", "--validate")


def test_every_doubt_is_told_when_there_are_several() -> None:
    found = proposed(
        "m/migrations/1_a.sql m/migrations/1_b.sql m/migrations/2_c.sql m/migrations/init.sql"
    )
    assert any("init.sql has no number" in each for each in found.doubts)
    assert any("1_a.sql and 1_b.sql have the same number" in each for each in found.doubts)


def test_folder_of_a_tool_that_is_read_says_what_contradicts_it() -> None:
    marked = dict.fromkeys(("m/migrations/001_a.sql", "m/migrations/002_b.sql"), "-- +goose Up\n")
    texts = marked | {"m/migrations/003_c.sql": "SELECT 1;"}
    found = propose(sorted(texts), texts)
    assert "003_c.sql has no mark of goose" in found.doubts[0]


def test_files_are_named_when_their_ending_says_sql_and_is_not_read(terminal: Terminal) -> None:
    terminal.file("app/db/upgrades/101/postgresql.upgrade.ddl", "SELECT 1;")
    terminal("project", "import", "app")
    said = terminal("deploy", "init", "app", code=78).err
    assert "db/upgrades/101/*.ddl (1): not read: SQL files end in .sql" in said
