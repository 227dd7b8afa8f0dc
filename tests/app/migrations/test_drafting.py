"""New migrations: named as their neighbours are, checked, and never over what is there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from templedb_nb.core.migrations.layouts.drafts import DraftRequest, drafted
from templedb_nb.core.migrations.layouts.placing import Placed
from templedb_nb.core.migrations.naming import named
from templedb_nb.core.migrations.status import GroupMigrations, migrations
from templedb_nb.errors import Ambiguous, FilesError, UsageProblem
from templedb_nb.model.config import DeployConfig, Group, GroupKind
from templedb_nb.model.file import FileEntry
from templedb_nb.model.layout import Layout
from templedb_nb.model.serialization import Digest
from tests.conftest import MIGRATIONS, Database, Shop, Terminal
from tests.corpus import copied, deployed

NOW = datetime(2026, 11, 23, 14, 5, 9, tzinfo=UTC)


def group_of(*paths: str, patterns: tuple[str, ...] = ("migrations/*.sql",)) -> GroupMigrations:
    group = Group(name="m", order=1, kind=GroupKind.MIGRATIONS, file_patterns=patterns)
    files = [FileEntry(path=p, blob=Digest("0" * 64), size=1, executable=False) for p in paths]
    (found,) = migrations(DeployConfig(groups=(group,)), files)
    return found


@pytest.mark.parametrize(
    ("there", "made"),
    [
        ((), "001_add_email.sql"),
        (("001_a.sql", "002_b.sql"), "003_add_email.sql"),
        (("0009_a.sql", "0010_b.sql"), "0011_add_email.sql"),
        (("1-a.sql", "2-b.sql"), "3-add_email.sql"),
        (("1.sql", "2.sql"), "3_add_email.sql"),
        (("20260101120000_a.sql",), "20261123140509_add_email.sql"),
        (("202601011200_a.sql",), "202611231405_add_email.sql"),
        (("20260101_a.sql",), "20261123_add_email.sql"),
        (("29990101120000_later.sql",), "29990101120001_add_email.sql"),
        (("1700000000_a.sql",), "1795442709_add_email.sql"),
        (("V1_a.sql",), "V2_add_email.sql"),
        (("001_a.up.sql", "001_a.down.sql"), "002_add_email.up.sql"),
        (("001_a.sql", "seed.sql"), "002_add_email.sql"),
        (("a.sql", "aa.sql"), "add_email.sql"),
    ],
)
def test_migration_name_follows_its_neighbours_when_the_folder_has_files(
    there: tuple[str, ...], made: str
) -> None:
    found = named(group_of(*(f"migrations/{each}" for each in there)), "add_email", None, NOW)
    assert found.path == f"migrations/{made}"


def test_down_file_is_drafted_beside_the_migration_when_the_neighbours_have_down_files() -> None:
    apart = group_of("migrations/001_a.sql", "migrations/001_a.down.sql")
    assert named(apart, "b", None, NOW).down == "migrations/002_b.down.sql"
    assert named(group_of("migrations/001_a.sql"), "b", None, NOW).down == ""


def test_migration_folder_is_taken_when_given_by_the_files_or_by_the_pattern() -> None:
    assert named(group_of(patterns=("db/sql/**/*.sql",)), "b", None, NOW).path == "db/sql/001_b.sql"
    assert named(group_of(patterns=("*.sql",)), "b", None, NOW).path == "001_b.sql"
    two = group_of("a/m/001_x.sql", "b/m/004_y.sql", patterns=("*/m/*.sql",))
    with pytest.raises(Ambiguous) as raised:
        named(two, "b", None, NOW)
    assert raised.value.problems == ("a/m", "b/m")
    assert named(two, "b", "a/m", NOW).path == "a/m/002_b.sql"
    with pytest.raises(UsageProblem, match="matched by no pattern"):
        named(two, "b", "../out", NOW)


@pytest.mark.parametrize("name", ["", "../up", "a/b", "-rf", ".hidden", "a b", "a\n", "x" * 101, "a..b", "ä"])  # fmt: skip
def test_migration_name_is_refused_when_it_is_unsafe(name: str) -> None:
    with pytest.raises(UsageProblem, match="is not a name for"):
        named(group_of("migrations/001_a.sql"), name, None, NOW)


def test_migration_name_is_refused_when_no_number_is_free_or_the_name_has_a_number() -> None:
    with pytest.raises(FilesError, match="no digit left"):
        named(group_of("migrations/998_a.sql", "migrations/999_b.sql"), "c", None, NOW)
    with pytest.raises(UsageProblem, match="has a number already"):
        named(group_of("migrations/001_a.sql"), "002_b", None, NOW)


def test_migration_draft_names_the_next_file_in_order_when_the_files_have_no_numbers() -> None:
    group = group_of("migrations/a.sql", "migrations/zebra.sql")
    assert named(group, "mouse", None, NOW).before == "zebra.sql"


# --- through the command ------------------------------------------------------------------------


def test_migration_is_written_and_runs_when_its_text_comes_on_standard_input(shop: Shop) -> None:
    said = shop.terminal(
        "migration", "new", "app", "add_email", "--file", "-", stdin="CREATE TABLE email (id int);"
    )
    assert "migrations/003_add_email.sql written" in said.out
    text = (shop.terminal.home / "app/migrations/003_add_email.sql").read_text()
    assert text == "CREATE TABLE email (id int);\n"
    shop.run()
    assert "email" in shop.pg.tables()


def test_migration_is_a_template_with_a_down_section_when_no_text_is_given(shop: Shop) -> None:
    shop.terminal("migration", "new", "add_email", "--down")
    text = (shop.terminal.home / "app/migrations/003_add_email.sql").read_text()
    assert text.startswith("-- add_email: what it changes, and why\n")
    assert "\n-- templedb:down\n" in text


def test_down_part_is_a_file_of_its_own_when_the_folder_keeps_down_files(shop: Shop) -> None:
    shop.migration("002_orders.down.sql", "DROP TABLE orders;")
    (body,) = shop.terminal("migration", "new", "x", "--down", "--json").json[1:]
    assert body["data"]["down"] == "migrations/003_x.down.sql"
    assert (shop.terminal.home / "app" / body["data"]["down"]).is_file()


def test_migration_number_continues_when_the_last_number_was_given_by_hand(shop: Shop) -> None:
    shop.migration("007_by_hand.sql", "SELECT 1;")
    assert "008_x.sql" in shop.terminal("migration", "new", "x").out


def test_migration_text_is_refused_with_its_lines_when_it_could_not_run(shop: Shop) -> None:
    text = "SELECT 1;\n\\d users\n-- templedb:no-transactoin\nSELECT 'half"
    said = shop.terminal("migration", "new", "x", "--file", "-", stdin=text, code=78)
    assert "line 2" in said.err
    assert "line 3" in said.err
    assert "line 4" in said.err
    assert not (shop.terminal.home / "app/migrations/003_x.sql").exists()


def test_migration_new_replaces_nothing_when_the_file_exists(shop: Shop) -> None:
    path = shop.terminal.file("app/.templedbignore", "migrations/003_x.sql\n").with_name(
        "migrations"
    )
    hidden = path / "003_x.sql"
    hidden.write_text("mine")
    assert "exists already" in shop.terminal("migration", "new", "x", code=78).err
    assert hidden.read_text() == "mine"


def test_migration_new_is_refused_when_the_folder_is_a_link_to_the_outside(
    shop: Shop, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (shop.terminal.home / "app/linked").symlink_to(outside)
    shop.config({"name": "migrations", "file_patterns": ["linked/*.sql"]})
    assert "outside of" in shop.terminal("migration", "new", "x", code=78).err
    assert list(outside.iterdir()) == []


def test_migration_new_is_refused_when_the_folder_belongs_to_another_tool(shop: Shop) -> None:
    shop.migration("003_goose.sql", "-- +goose Up\nSELECT 1;\n")
    said = shop.terminal("migration", "new", "x", code=78)
    assert "goose" in said.err


def test_migration_new_asks_for_a_group_when_there_are_several(shop: Shop) -> None:
    shop.config(MIGRATIONS, {"name": "seed", "file_patterns": ["seed/*.sql"]})
    said = shop.terminal("migration", "new", "x", code=64)
    assert "--group migrations" in said.err
    assert "seed/001_x.sql" in shop.terminal("migration", "new", "x", "--group", "seed").out
    assert (
        "did you mean seed" in shop.terminal("migration", "new", "y", "--group", "sed", code=64).err
    )


def test_migration_new_is_refused_when_the_project_folder_is_gone(shop: Shop) -> None:
    (shop.terminal.home / "app").rename(shop.terminal.home / "gone")
    assert "is gone" in shop.terminal("migration", "new", "x", code=78).err


# --- in other tools' folders --------------------------------------------------------------------

NEXT = {
    "golang-migrate": "14_add_email.up.sql 14_add_email.down.sql",
    "dbmate": "_add_email.sql",
    "goose": "_add_email.sql",
    "flyway": "__add_email.sql U",
    "prisma": "_add_email/migration.sql",
    "supabase": "_add_email.sql",
    "sqlx": "15_add_email.up.sql 15_add_email.down.sql",
    "diesel": "_add_email/up.sql _add_email/down.sql",
    "postgrator": "14.do.add_email.sql 14.undo.add_email.sql",
    "refinery": "V14__add_email.sql",
    "yoyo": "0014.add_email.sql 0014.add_email.rollback.sql",
    "tern": "016_add_email.sql",
    "liquibase": "006_add_email.sql",
}
BODY = "CREATE FUNCTION one() RETURNS int LANGUAGE plpgsql AS $$ BEGIN\n RETURN 1;\nEND; $$;\nCREATE TABLE added (id int);\n"


@pytest.mark.parametrize("tool", NEXT)
def test_new_migration_fits_its_folder_and_runs_last_when_the_folder_is_of_another_tool(
    tool: str, terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    corpus = copied(tool, tmp_path / "project")
    group = {"placeholders": {"prefix": "my"}} if tool == "flyway" else {}
    deployed(terminal, corpus, pg, **group)
    terminal("deploy", "run", "app")
    before = {path for path in corpus.root.rglob("*") if path.is_file()}
    said = terminal("migration", "new", "app", "add_email", "--file", "-", stdin=BODY).out
    made = sorted(str(p) for p in corpus.root.rglob("*") if p.is_file() and p not in before)
    for each in NEXT[tool].split():
        assert any(each in path for path in made), said
    told = terminal("deploy", "run", "app").out
    assert "1 migration applied" in told
    assert "out of order" not in told
    assert "added" in pg.tables()


@pytest.mark.parametrize("tool", ["atlas", "graphile-migrate", "sqitch"])
def test_migration_new_is_refused_when_the_tool_keeps_a_proof_of_its_files(
    tool: str, terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    corpus = copied(tool, tmp_path / "project")
    deployed(terminal, corpus, pg)
    said = terminal("migration", "new", "app", "add_email", code=78).err
    assert f"in the style of {tool}" in said
    assert "which keeps" in said


@pytest.mark.parametrize(
    ("layout", "made"),
    [
        (Layout.GOLANG_MIGRATE, "m/000001_x.up.sql"),
        (Layout.DBMATE, "m/20261123140509_x.sql"),
        (Layout.GOOSE, "m/20261123140509_x.sql"),
        (Layout.FLYWAY, "m/V1__x.sql"),
        (Layout.PRISMA, "m/20261123140509_x/migration.sql"),
        (Layout.DIESEL, "m/2026-11-23-140509_x/up.sql"),
        (Layout.POSTGRATOR, "m/001.do.x.sql"),
        (Layout.REFINERY, "m/V1__x.sql"),
        (Layout.YOYO, "m/0001_x.sql"),
        (Layout.TERN, "m/001_x.sql"),
        (Layout.LIQUIBASE, "m/20261123140509_x.sql"),
    ],
)
def test_migration_gets_the_first_name_of_its_layout_when_the_folder_is_empty(
    layout: Layout, made: str
) -> None:
    asked = DraftRequest(folder="m", stem="x", body="", placed=(), back=False, now=NOW)
    assert drafted(layout, asked)[0][0] == made


@pytest.mark.parametrize(
    ("newest", "made"),
    [
        ("V1_12__a.sql", "V1_13__x.sql"),
        ("V2.9__a.sql", "V2.10__x.sql"),
        ("V007__a.sql", "V008__x.sql"),
        ("V20260101120000__a.sql", "V20261123140509__x.sql"),
    ],
)
def test_flyway_migration_gets_the_next_version_when_versions_exist(newest: str, made: str) -> None:
    placed = (Placed(path=f"m/{newest}", key="k"), Placed(path="m/R__view.sql", key="r"))
    asked = DraftRequest(folder="m", stem="x", body="", placed=placed, back=False, now=NOW)
    assert drafted(Layout.FLYWAY, asked)[0][0] == f"m/{made}"
