"""Other tools' folders: their order, their keys, their marks; applied as psql would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from templedb_nb.core.migrations.layouts.arrange import Arranged, arrange
from templedb_nb.core.migrations.layouts.placing import FolderView
from templedb_nb.core.migrations.layouts.recognise import marks
from templedb_nb.core.migrations.script import Script, read_script
from templedb_nb.model.config import Group, GroupKind
from templedb_nb.model.layout import Layout, Reading
from templedb_nb.model.step import Mode
from tests.conftest import Database, Shop, Terminal, databases
from tests.corpus import FOLDERS, NO_WAY_BACK, by_psql, copied, deployed, dumped

FLYWAY = {"placeholders": {"prefix": "my"}}


@pytest.fixture
def other(server: Any) -> Iterator[Database]:
    yield from databases(server)


@pytest.mark.parametrize("tool", FOLDERS)
def test_run_gives_the_same_schema_as_psql_when_the_folder_is_of_another_tool(
    tool: str, terminal: Terminal, pg: Database, other: Database, tmp_path: Path
) -> None:
    corpus = copied(tool, tmp_path / "project")
    group = FLYWAY if tool == "flyway" else {}
    deployed(terminal, corpus, pg, **group)
    planned = terminal("deploy", "run", "app", "--dry-run").out
    assert f"is read as {tool} would" in planned
    terminal("deploy", "run", "app")
    by_psql(corpus.ups(), other, tmp_path)
    assert dumped(pg) == dumped(other)
    ran = pg.query("SELECT file, layout FROM templedb.migration ORDER BY run_seq")
    assert ran == [(path, tool) for path, _ in corpus.ups()]
    assert "nothing applied" in terminal("deploy", "run", "app").out


@pytest.mark.parametrize("tool", FOLDERS)
def test_down_parts_are_found_and_roll_back_when_the_folder_is_of_another_tool(
    tool: str, terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    corpus = copied(tool, tmp_path / "project")
    deployed(terminal, corpus, pg, **(FLYWAY if tool == "flyway" else {}))
    terminal("deploy", "run", "app")
    before = set(pg.tables())
    name = "mood" if tool == "flyway" else "users"
    if tool in NO_WAY_BACK:
        said = terminal("migration", "down", "app", name, code=64)
        assert "has no down part" in said.err
    elif tool == "flyway":
        terminal("migration", "down", "app", "V1_12__mood")
        assert before - set(pg.tables()) == {"moods"}
    else:
        terminal("migration", "down", "app", "after_leaks")
        assert before - set(pg.tables()) == {"in_public"}


# --- what a folder is taken for -----------------------------------------------------------------


def arranged(texts: dict[str, str], *, known: frozenset[str] = frozenset(), **how: Any) -> Arranged:
    patterns = how.pop("patterns", ("m/**/*.sql",))
    group = Group(name="m", order=1, kind=GroupKind.MIGRATIONS, file_patterns=patterns, **how)
    seen = {path: marks(text) for path, text in texts.items() if path.endswith(".sql")}
    beside = {path: text for path, text in texts.items() if path not in seen}
    return arrange(group, sorted(texts), FolderView(marks=seen, beside=beside), known)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("edit", "20260102120000_own_pair.sql: does not match atlas.sum"),
        ("add", "20260101130000_new.sql: is not listed in atlas.sum"),
        ("remove", "20260103120000_stray_pairs.sql: is listed in atlas.sum, but is missing here"),
    ],
)
def test_run_is_refused_when_the_folder_differs_from_atlas_sum(
    change: str, said: str, terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    corpus = copied("atlas", tmp_path / "project")
    if change == "edit":
        path = corpus.folder / "20260102120000_own_pair.sql"
        path.write_text(f"{path.read_text()}-- edited\n")
    elif change == "add":
        (corpus.folder / "20260101130000_new.sql").write_text("SELECT 1;")
    else:
        (corpus.folder / "20260103120000_stray_pairs.sql").unlink()
    deployed(terminal, corpus, pg)
    assert said in terminal("deploy", "run", "app", code=78).err
    assert pg.tables() == []


@pytest.mark.parametrize("pattern", ["**/*.sql", "db/**/*.sql", "db/deploy/**/*.sql"])
def test_sqitch_changes_are_read_in_order_when_they_stand_in_folders(
    pattern: str, terminal: Terminal, tmp_path: Path
) -> None:
    root = tmp_path / "project/db"
    for name in ("type/mood", "table/users", "schema"):
        for folder in ("deploy", "revert", "verify"):
            path = root / folder / f"{name}.sql"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("SELECT 1;")
    when = "2026-01-01T12:00:00Z Rosa <rosa@example.com> # note"
    changes = (
        f"schema {when}",
        f"type/mood [schema !old] {when}",
        f"table/users [type/mood] {when}",
    )
    (root / "sqitch.plan").write_text("\n".join(("%project=a", "", *changes)))
    terminal("project", "import", str(root.parent), "--slug", "app")
    said = terminal("deploy", "init", "app").out
    assert "3 SQL files in a folder of migrations, in the style of sqitch" in said
    terminal.config({"name": "m", "file_patterns": [pattern]})
    terminal("target", "add", "app", "s")
    terminal("env", "set", "app", "DATABASE_URL", f"duckdb://{tmp_path}/s.duckdb", "--plain")
    draft = terminal("deploy", "plan", "app", "--json").json[1]["draft"]
    steps = [s["key"] for group in draft["plan"]["groups"] for s in group["steps"]]
    assert steps == ["schema", "type/mood", "table/users"]


def test_migrations_run_in_the_written_order_when_the_group_has_an_order_file(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    root = tmp_path / "project"
    texts = {
        "sql/views.sql": "CREATE VIEW v AS SELECT id FROM t;",
        "sql/tables.sql": "CREATE TABLE t (id int);",
        "sql/more/late.sql": "ALTER TABLE t ADD n int;",
        "sql/order.txt": "# tables first\ntables.sql\nsql/views.sql  # then what reads them\nmore/late.sql\n",
    }
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    terminal("project", "import", str(root), "--slug", "app")
    group = {"name": "m", "file_patterns": ["sql/**/*.sql"], "order_file": "sql/order.txt"}
    terminal.config(group)
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", "staging")
    terminal("deploy", "run", "app")
    assert pg.applied() == ["sql/tables.sql", "sql/views.sql", "sql/more/late.sql"]
    (root / "sql/new.sql").write_text("SELECT 1;")
    assert (
        "sql/new.sql: is not listed in sql/order.txt"
        in terminal("deploy", "run", "app", code=78).err
    )
    order = root / "sql/order.txt"
    order.write_text(f"new.sql\nnew.sql\ngone.sql\n{order.read_text()}")
    said = terminal("deploy", "run", "app", code=78).err
    assert "sql/order.txt:2: new.sql appears there twice" in said
    assert "sql/order.txt:3: gone.sql is not a migration of the group" in said
    order.write_text(order.read_text().replace("new.sql\nnew.sql\ngone.sql\n", "new.sql\n"))
    assert "out of order" in terminal("deploy", "run", "app").all


@pytest.mark.parametrize("what", ["edited", "between", "allowed"])
def test_run_is_refused_when_the_chain_of_graphile_migrate_is_broken(
    what: str, terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    corpus = copied("graphile-migrate", tmp_path / "project")
    path = corpus.folder / "committed/000002-own_pair.sql"
    if what == "between":
        path.unlink()
    else:
        text = path.read_text().replace("COMMIT", "commit", 1)
        path.write_text(f"--! AllowInvalidHash\n{text}" if what == "allowed" else text)
    deployed(terminal, corpus, pg)
    said = terminal("deploy", "run", "app", code=0 if what == "allowed" else 78).err
    if what != "allowed":
        assert "hash" in said


def test_yoyo_dependencies_are_an_error_when_they_are_missing_or_form_a_circle() -> None:
    def found(**texts: str) -> list[str]:
        files = {f"m/{name}.sql": f"-- depends: {wants}\n" for name, wants in texts.items()}
        group = Group(
            name="m", order=1, kind=GroupKind.MIGRATIONS, file_patterns=("m/*.sql",),
            layout=Layout.YOYO,
        )  # fmt: skip
        return errors(arrange(group, sorted(files), FolderView(texts=files)))

    assert "depends on gone, which is missing here" in found(a="gone")[0]
    assert "depends on itself, by way of a and b" in found(a="b", b="a")[0]
    assert found(a="b", b="") == []


def test_graphile_migrate_placeholders_are_a_problem_when_they_have_no_values() -> None:
    text = "--! Previous: -\n\nGRANT ALL ON SCHEMA a TO :OWNER; SELECT ':OWNER', 1::TEXT; -- :X\n"
    reading = Reading(layout=Layout.GRAPHILE)
    (problem,) = read_script(text.encode(), reading).problems
    assert (problem.line, ":OWNER" in problem.message) == (3, True)
    given = Reading(layout=Layout.GRAPHILE, values=(("OWNER", "me"),))
    script = read_script(text.encode(), given)
    assert script.problems == ()
    assert "TO me;" in script.statements[0].text + ";"


def layout(texts: dict[str, str], **how: Any) -> str:
    found = arranged(texts, **how)
    return " ".join(dict.fromkeys(str(each) for _, each in found.layouts))


def errors(found: Arranged) -> list[str]:
    return [str(each) for each in found.findings if each.severity == "error"]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("m/1_a.up.sql m/1_a.down.sql m/10_b.up.sql", "golang-migrate"),
        ("m/1_a.up.sql m/1_a.down.sql .sqlx/query-1.json", "sqlx"),
        ("m/1_a.sql app/.sqlx/query-1.json", "sqlx"),
        ("m/1_a.sql m/2_b.sql", "plain"),
        ("m/1_a.sql m/2_b.up.sql m/2_b.down.sql", "plain"),
        ("m/1_a.up.sql m/1_a.down.sql m/schema.sql", "golang-migrate"),
        ("m/2026_a/migration.sql m/migration_lock.toml m/stray.sql", "prisma"),
        ("m/V1__a.sql m/R__b.sql m/afterMigrate.sql", "flyway"),
        ("m/2026_a/migration.sql m/migration_lock.toml", "prisma"),
        ("m/2026_a/migration.sql m/2026_b/migration.sql", "prisma"),
        ("m/2026_a/migration.sql m/2026_a/snapshot.json", "plain"),
        ("m/2026-01-01-000000_a/up.sql m/2026-01-01-000000_a/down.sql", "diesel"),
        ("m/users/up.sql m/users/down.sql", "plain"),
        ("m/1.do.a.sql m/1.undo.a.sql m/2.do.sql", "postgrator"),
        ("m/2026_a.sql m/atlas.sum", "atlas"),
        ("m/1_a.up.sql m/1_a.down.sql m/atlas.sum", "golang-migrate"),
        ("m/V1__a.sql m/atlas.sum", "flyway"),
        ("m/V1__a.sql m/U2__b.sql Cargo.toml", "refinery"),
        ("m/V1__a.sql Cargo.toml pom.xml", "flyway"),
        ("m/committed/000001.sql m/current.sql", "graphile-migrate"),
        ("m/a.sql yoyo.ini", "yoyo"),
        ("m/sqitch.plan m/deploy/a.sql m/revert/a.sql m/verify/a.sql", "sqitch"),
        ("deploy/001_a.sql deploy/002_b.sql", "plain"),
        ("m/versions/a_x.py m/script.py.mako", "alembic"),
    ],
)
def test_layout_is_recognised_when_only_the_file_names_tell(names: str, told: str) -> None:
    patterns = ("deploy/*.sql",) if names.startswith("deploy/") else ("m/**/*.sql", "m/**/*.py")
    assert layout(dict.fromkeys(names.split(), "SELECT 1;"), patterns=patterns) == told


def test_supabase_layout_is_recognised_when_the_folder_stands_in_supabase_migrations() -> None:
    texts = {"supabase/migrations/20260101000000_a.sql": "SELECT 1;"}
    assert layout(texts, patterns=("supabase/migrations/*.sql",)) == "supabase"


def test_layout_is_recognised_by_its_marks_when_they_stand_anywhere_in_the_file() -> None:
    licence = "-- All rights reserved\n" * 500
    assert layout({"m/1_a.sql": f"{licence}-- +goose Up\nSELECT 1;"}) == "goose"
    assert layout({"m/1_a.sql": "-- migrate:up\nSELECT 1;"}) == "dbmate"
    assert layout({"m/1_a.sql": "-- no-transaction\nSELECT 1;"}) == "sqlx"
    assert (
        layout({"m/1.sql": "--liquibase formatted sql\n--changeset a:1\nSELECT 1;"}) == "liquibase"
    )
    assert layout({"m/1_a.sql": "SELECT 1;\n---- create above / drop below ----\n"}) == "tern"


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        ({"m/1_a.sql": "-- +goose Up\n", "m/2_b.sql": "-- migrate:up\n"}, ("goose", "dbmate")),
        ({"m/1_a.sql": "-- +goose Up\n", "m/2_b.sql": "SELECT 1;"}, ("1_a.sql", "2_b.sql")),
        ({"m/V1__a.sql": "SELECT 1;", "m/002_b.sql": "SELECT 1;"}, ("V1__a.sql", "002_b.sql")),
        ({"m/1_a.sql": "-- +goose Up\n", "m/sqitch.plan": ""}, ("goose", "sqitch.plan")),
        ({"m/V1__a.sql": "", "m/U1__a.sql": "", "Cargo.toml": ""}, ("Cargo.toml", "refinery")),
    ],
)
def test_layout_error_shows_both_sides_when_files_contradict_each_other(
    texts: dict[str, str], shown: tuple[str, ...]
) -> None:
    (said,) = errors(arranged(texts))
    assert all(each in said for each in (*shown, "layout:"))


def test_layout_is_taken_as_named_when_the_config_names_a_layout() -> None:
    texts = {"m/1_a.sql": "-- +goose Up\nSELECT 1;", "m/2_b.sql": "SELECT 1;"}
    assert not errors(arranged(texts, layout=Layout.SUPABASE))
    assert [p.key for p in arranged(texts, layout=Layout.SQLX).files] == ["1", "2"]


def test_files_stay_plain_when_they_were_deployed_as_plain_files() -> None:
    texts = dict.fromkeys(("m/1_a.up.sql", "m/1_a.down.sql", "m/2_b.up.sql"), "SELECT 1;")
    found = arranged(texts, known=frozenset({"m/1_a.up.sql"}))
    assert [each.key for each in found.files] == ["m/1_a.up.sql", "m/2_b.up.sql"]
    assert found.downs == ("m/1_a.down.sql",)
    assert found.files[0].down == "m/1_a.down.sql"


# --- order and keys -----------------------------------------------------------------------------


def keys(*names: str, **how: Any) -> list[str]:
    return [each.key for each in arranged(dict.fromkeys(names, "SELECT 1;"), **how).files]


def test_versions_are_compared_part_by_part_when_they_have_several_parts() -> None:
    names = ("m/V1__a.sql", "m/V1.10__b.sql", "m/V1_9__c.sql", "m/V2.0__d.sql", "m/R__z.sql")
    assert keys(*names) == ["1", "1.9", "1.10", "2", "R__z"]


def test_baseline_stands_in_only_for_missing_migrations_when_a_folder_has_baselines() -> None:
    assert keys("m/B5__base.sql", "m/V6__x.sql") == ["5", "6"]
    assert keys("m/V5__x.sql", "m/B5__base.sql", "m/V6__x.sql") == ["5", "6"]
    assert keys("m/B3__old.sql", "m/B5__base.sql", "m/V6__x.sql") == ["5", "6"]


def test_dbmate_sorts_by_letters_and_goose_by_number_when_the_numbers_differ_in_length() -> None:
    up = {"m/10_a.sql": "-- migrate:up\n", "m/9_b.sql": "-- migrate:up\n"}
    assert [each.key for each in arranged(up).files] == ["10", "9"]
    up = dict.fromkeys(up, "-- +goose Up\n")
    assert [each.key for each in arranged(up).files] == ["9", "10"]


def test_two_files_are_an_error_when_they_have_the_same_key() -> None:
    (said,) = errors(arranged(dict.fromkeys(("m/1_a.up.sql", "m/01_b.up.sql"), "")))
    assert "m/1_a.up.sql" in said
    assert "m/01_b.up.sql" in said


def test_file_is_told_as_left_out_when_its_tool_would_leave_it_out(shop: Shop) -> None:
    found = arranged({"m/1_a.sql": "-- +goose Up\n", "m/schema.sql": "SELECT 1;"})
    assert [each.path for each in found.files] == ["m/1_a.sql"]
    assert any("m/schema.sql" in str(each) for each in found.findings)
    shop.migration("003_more.js", "exports.up = 1")
    assert "003_more.js: not SQL" in shop.run("--dry-run").out


# --- how a text is read -------------------------------------------------------------------------


def read(tool: Layout, text: str, **how: Any) -> Script:
    return read_script(text.encode(), Reading(layout=tool, **how))


def statements(script: Script | None) -> list[str]:
    return [each.text for each in script.statements] if script else []


def test_down_part_is_not_taken_for_an_up_part_when_a_file_holds_both_in_any_order() -> None:
    for text in (
        "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;",
        "-- migrate:down\nSELECT 2;\n-- migrate:up\nSELECT 1;",
    ):
        script = read(Layout.DBMATE, text)
        assert statements(script) == ["SELECT 1"]
        assert statements(script.down) == ["SELECT 2"]
        assert not script.problems


def test_statement_lines_are_those_of_the_file_when_marks_divide_the_file() -> None:
    script = read(Layout.GOOSE, "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;")
    assert script.statements[0].line == 2
    assert script.down is not None
    assert script.down.statements[0].line == 4


def test_edit_is_cosmetic_when_it_changes_the_down_part() -> None:
    text = "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT "
    one, two = read(Layout.GOOSE, f"{text}2;"), read(Layout.GOOSE, f"{text}3;")
    assert one.checksums.tokens == two.checksums.tokens
    assert one.checksums.text != two.checksums.text


@pytest.mark.parametrize(
    ("tool", "text", "told"),
    [
        (Layout.DBMATE, "-- migrate:up transaction:false\nSELECT 1;", "line 1: -- migrate:up"),
        (Layout.GOOSE, "-- x\n-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1;", "line 2: -- +goose"),
        (Layout.SQLX, "-- no-transaction\nSELECT 1;", "line 1: -- no-transaction"),
    ],
)  # fmt: skip
def test_script_runs_step_by_step_when_a_mark_forbids_a_transaction(
    tool: Layout, text: str, told: str
) -> None:
    script = read(tool, text)
    assert script.mode is Mode.STATEMENTS
    assert told in script.note


def test_script_runs_step_by_step_when_the_file_beside_it_forbids_a_transaction() -> None:
    texts = {"m/2026_a/up.sql": "SELECT 1;", "m/2026_a/metadata.toml": "run_in_transaction = false"}
    (found,) = arranged(texts).files
    assert read_script(b"SELECT 1;", found.reading).mode is Mode.STATEMENTS
    texts = {"m/V1__a.sql": "SELECT 1;", "m/V1__a.sql.conf": "executeInTransaction=false\n"}
    (found,) = arranged(texts).files
    assert read_script(b"SELECT 1;", found.reading).mode is Mode.STATEMENTS


@pytest.mark.parametrize(
    ("tool", "text", "told"),
    [
        (Layout.DBMATE, "SELECT 1;", "migrate:up"),
        (Layout.DBMATE, "SELECT 1;\n-- migrate:up\nSELECT 2;", "before the first"),
        (Layout.DBMATE, "-- migrate:upp\n-- migrate:up\n", "did you mean up"),
        (Layout.DBMATE, "-- migrate:up transaction:no\n", "no option transaction:no"),
        (Layout.GOOSE, "SELECT 1;", "+goose Up"),
        (Layout.GOOSE, "-- +goose Up\n-- +goose StatementBegn\n", "did you mean StatementBegin"),
        (Layout.GOOSE, "-- +goose Up\n  -- +goose Down\nDROP TABLE x;", "indented"),
        (Layout.GOOSE, "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;", "no StatementEnd"),
        (Layout.GOOSE, "-- +goose Up\n-- +goose ENVSUB ON\nSELECT '${X}';", "${X}"),
        (Layout.FLYWAY, "SELECT '${x}';", "${x}"),
    ],
)
def test_script_has_a_problem_when_it_would_not_mean_what_its_marks_say(
    tool: Layout, text: str, told: str
) -> None:
    found = read(tool, text).problems
    assert any(told in f"{each.message} {each.mend}" for each in found)


def test_placeholders_are_replaced_only_from_the_config_when_the_layout_has_placeholders() -> None:
    text = "-- ${not this}\nCREATE TABLE ${name} (id int);"
    script = read(Layout.FLYWAY, text, values=(("name", "items"),))
    assert statements(script) == ["CREATE TABLE items (id int)"]
    assert not script.problems
    assert script.checksums.text == read(Layout.FLYWAY, text).checksums.text
    assert statements(read(Layout.FLYWAY, text, literal=True)) == ["CREATE TABLE ${name} (id int)"]
    assert statements(read(Layout.PRISMA, "SELECT '${x}';")) == ["SELECT '${x}'"]


@pytest.mark.parametrize(
    "text", ["\n{{ config }}", "SELECT 1\n  FROM ${schema}.t;", "\nDROP {% x %};"]
)
def test_template_is_refused_at_its_line_when_nobody_rendered_it(text: str) -> None:
    for reading in (None, Reading(layout=Layout.PRISMA)):
        (found,) = read_script(text.encode(), reading).problems
        assert "template" in found.message
        assert found.line == 2
    fine = "SELECT '{{ x }}', $$ {% y %} $$, '{1,2}'::int[] AS \"{z}\" -- {{ c }}"
    assert not read_script(fine.encode()).problems


def test_place_of_a_variable_has_one_finding_when_goose_would_put_its_environment_there() -> None:
    text = "-- +goose Up\n-- +goose ENVSUB ON\nCREATE TABLE ${S}.t (id int);\n"
    (found,) = read(Layout.GOOSE, text).problems
    assert found.line == 3
    assert "goose would put the value of ${S} here" in found.message
    assert "mark it as applied" in found.mend


@pytest.mark.parametrize("tool", [Layout.DBMATE, Layout.GOOSE])
def test_script_is_read_fast_when_the_file_is_long(tool: Layout) -> None:
    """Two megabytes, and seven hundred statements; nothing grows with the square of either."""
    mark = "-- migrate:up" if tool is Layout.DBMATE else "-- +goose Up"
    row = f"INSERT INTO t VALUES ('{'x' * 3000}');\n"
    script = read(tool, f"{mark}\n{row * 700}")
    assert len(script.statements) == 700
    assert not script.problems


# --- what only its tool can run -----------------------------------------------------------------


def test_run_is_refused_when_an_opaque_file_comes_before_a_pending_migration(shop: Shop) -> None:
    shop.terminal.file("app/go/00001_a.sql", "-- +goose Up\nCREATE TABLE a (id int);\n")
    shop.terminal.file("app/go/00002_b.go", "package migrations")
    shop.terminal.file("app/go/00003_c.sql", "-- +goose Up\nCREATE TABLE c (id int);\n")
    shop.config({"name": "migrations", "file_patterns": ["go/*.sql"]})
    said = shop.run(code=78).err
    assert "go/00002_b.go" in said
    assert "go/00003_c.sql would run before it" in said
    shop.terminal("migration", "mark-applied", "app", "00002_b.go", "--reason", "goose ran it")
    assert "2 migrations applied" in shop.run().out
    assert shop.pg.tables() == ["a", "c"]


def test_opaque_file_is_skipped_when_the_config_says_so(shop: Shop) -> None:
    shop.terminal.file("app/go/00001_b.go", "package migrations")
    shop.terminal.file("app/go/00002_c.sql", "-- +goose Up\nCREATE TABLE c (id int);\n")
    shop.config({"name": "migrations", "file_patterns": ["go/*.sql"], "opaque": "skip"})
    assert "1 migration applied" in shop.run().out
    assert "opaque" in shop.terminal("migration", "list", "app").out


def test_psql_executor_refuses_a_file_when_it_holds_a_down_part(shop: Shop) -> None:
    shop.config({"name": "migrations", "file_patterns": ["migrations/*.sql"], "executor": "psql"})
    shop.migration("003_x.sql", "SELECT 1;\n-- templedb:down\nDROP TABLE users;\n")
    assert "only a part of this one is the up part" in shop.run(code=78).err


@pytest.mark.parametrize(
    "mark",
    [
        "-- Down Migration", "-- DOWN", "-- down:", "-- +down", "-- !Downs", "# --- !Downs",
        "--//@UNDO", "-- rollback", "--- ROLLBACK ---", "-- migrate down", "-- @revert",
    ],
)  # fmt: skip
def test_script_is_refused_when_a_line_marks_an_unknown_down_section(mark: str) -> None:
    text = f"CREATE TABLE a ();\n\n{mark}\nDROP TABLE a;\n"
    (found,) = [
        each for each in read_script(text.encode()).problems if "rolls back" in each.message
    ]
    assert found.line == 3
    assert "-- templedb:down" in found.mend


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE a ();\n-- rollback\n-- DROP TABLE a;\n",
        "-- down the road we need this\nCREATE TABLE a ();\n",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\n-- down\nSELECT 1 $$;\nSELECT 2;",
        "-- templedb:down is not a section here: CREATE\nSELECT 1;",
    ],
)
def test_comment_about_a_rollback_is_accepted_when_it_is_not_a_down_mark(text: str) -> None:
    assert not [e for e in read_script(text.encode()).problems if "rolls back" in e.message]


def test_files_are_not_migrations_when_their_folder_holds_down_parts() -> None:
    texts = dict.fromkeys(
        ["m/up/1_a.sql", "m/down/1_a.sql", "n/1_a.sql", "n/rollback/1_a.sql", "o/down/1_own.sql"],
        "SELECT 1;",
    )
    found = arranged(texts, patterns=("m/**/*.sql", "n/**/*.sql", "o/**/*.sql"))
    assert [each.path for each in found.files] == ["m/up/1_a.sql", "n/1_a.sql", "o/down/1_own.sql"]
    assert [each.down for each in found.files] == ["m/down/1_a.sql", "n/rollback/1_a.sql", ""]


@pytest.mark.parametrize(
    "names", ["m/v1.10/a.sql m/v1.2/a.sql", "m/1.10.0.sql m/1.2.0.sql", "m/10_b/a.sql m/9_a/a.sql"]
)
def test_files_are_an_error_when_letters_and_numbers_order_them_differently(names: str) -> None:
    found = arranged(dict.fromkeys(names.split(), "SELECT 1;"), patterns=("m/**/*.sql",))
    assert "sorts before" in errors(found)[0]
