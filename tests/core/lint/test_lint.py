"""Risks of pending migrations: by our own rules, by squawk, on plans and as reports."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from templedb_nb.core.lint.linter import Pending, lint
from templedb_nb.core.lint.rules import BIG_ROWS, RULES
from templedb_nb.core.migrations.script import read_script
from templedb_nb.model.lint import RULE_NAMES, Complaint, Size
from tests.conftest import Database, Shop, Terminal

PAGE = Path(__file__).parents[3] / "docs" / "lint.md"
BIG = Size(rows=5_000_000, bytes=1 << 30)
SIZES = {
    ("public", name): BIG
    for name in ("big", "other", "big_old", "big_sums", "big_note_key", "moods")
}
SIZES[("public", "small")] = Size(rows=10, bytes=8192)


def complaints(sql: str, sizes: Any = SIZES, *before: str) -> list[Complaint]:
    files = [
        Pending(file=f"{n}.sql", database="DATABASE_URL", script=read_script(text.encode()))
        for n, text in enumerate([*before, sql])
    ]
    return list(lint(files, {"DATABASE_URL": sizes}).complaints)


def rules(sql: str, sizes: Any = SIZES, *before: str) -> list[str]:
    return [each.rule for each in complaints(sql, sizes, *before)]


def examples() -> list[tuple[str, str, str]]:
    found, rule = [], ""
    for part in re.split(
        r"^(### [^\n]*|```sql (?:bad|good)\n.*?```)",
        PAGE.read_text(),
        flags=re.MULTILINE | re.DOTALL,
    ):
        if part.startswith("### "):
            rule = part.removeprefix("### ").strip()
        elif part.startswith("```sql "):
            kind, _, sql = part.removeprefix("```sql ").removesuffix("```").partition("\n")
            found.append((rule, kind, sql))
    return found


def test_every_rule_has_its_place_and_its_example() -> None:
    assert {rule for rule, kind, _ in examples() if kind == "bad"} == set(RULE_NAMES)
    assert set(RULES) < set(RULE_NAMES)


@pytest.mark.parametrize(("rule", "kind", "sql"), examples())
def test_rule_complains_only_of_the_bad_examples_when_the_page_shows_bad_and_good_ones(
    rule: str, kind: str, sql: str
) -> None:
    assert (rule in rules(sql)) is (kind == "bad")


def test_index_rule_leaves_a_table_alone_when_it_is_known_to_be_small() -> None:
    index = "CREATE INDEX i ON {} (x);"
    assert rules(index.format("small")) == []
    assert rules(index.format("big")) == ["index-not-concurrent"]
    assert rules(index.format("anything"), None) == ["index-not-concurrent"]
    assert rules("DROP TABLE small;") == ["drop-table"]


@pytest.mark.parametrize(
    ("sql", "message", "mend"),
    [
        ("REINDEX DATABASE shop;", "each table concerned cannot", "REINDEX … CONCURRENTLY"),
        ("REINDEX (VERBOSE) SCHEMA a;", "each table concerned cannot", "CONCURRENTLY"),
        ("CLUSTER;", "each table concerned is rewritten", "pg_repack"),
        ("VACUUM FULL;", "each table concerned is rewritten", "pg_repack"),
        ("REINDEX SYSTEM shop;", "the catalog cannot", "leave it to a DBA"),
        ('REINDEX TABLE "system";', '"system" cannot', "REINDEX … CONCURRENTLY"),
    ],
)
def test_rebuilt_objects_are_named_when_a_statement_rebuilds_them(
    sql: str, message: str, mend: str
) -> None:
    (said,) = complaints(sql, None)
    assert message in said.message
    assert mend in said.mend


def test_lint_tells_nothing_when_the_plan_itself_makes_the_table() -> None:
    assert rules("CREATE INDEX i ON t (x); DROP TABLE t;", None, "CREATE TABLE t (x int);") == []
    made = "CREATE TABLE t (x int); ALTER TABLE t RENAME TO u;"
    assert rules("ALTER TABLE public.u ALTER COLUMN x SET NOT NULL;", None, made) == []
    assert rules("ALTER TABLE nowhere ALTER COLUMN x SET NOT NULL;") == []


def test_lint_takes_the_size_of_the_right_table_when_two_schemas_have_the_same_name() -> None:
    sizes = {("a", "t"): BIG, ("b", "t"): Size(rows=1, bytes=8192)}
    assert rules("CREATE INDEX i ON b.t (x);", sizes) == []
    assert rules("CREATE INDEX i ON a.t (x);", sizes) == ["index-not-concurrent"]
    assert rules("CREATE INDEX i ON t (x);", sizes) == ["index-not-concurrent"]


def test_complaint_has_its_line_and_the_table_size_when_the_table_is_large() -> None:
    (found,) = complaints("SELECT 1;\n\n  CREATE INDEX i ON big (x);\n")
    assert (found.line, found.column) == (3, 3)
    assert "about 5.0 million rows" in found.message
    assert found.mend == "CREATE INDEX CONCURRENTLY"


def test_rule_is_not_told_when_a_nolint_directive_names_the_rule() -> None:
    sql = "DROP TABLE big;\n-- templedb:nolint drop-table\nDROP TABLE other;\n"
    assert [each.line for each in complaints(sql) if each.rule == "drop-table"] == [1]
    whole = (
        "-- templedb:nolint drop-table, several-tables-locked\n\nDROP TABLE big; DROP TABLE other;"
    )
    assert rules(whole) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-- templedb:nolint drop-tabel", "there is no rule drop-tabel; did you mean drop-table?"),
        ("-- templedb:nolint", "names no rule"),
    ],
)
def test_nolint_directive_is_an_error_when_its_rule_does_not_exist(line: str, told: str) -> None:
    found = read_script(f"{line}\nDROP TABLE t;".encode()).problems
    assert told in found[0].message


# --- on a server --------------------------------------------------------------------------------


def grown(shop: Shop) -> None:
    """Make a table that the server's statistics call large, and one that they call small."""
    shop.pg.query(
        f"CREATE TABLE big AS SELECT n AS id, '' AS note FROM generate_series(1, {BIG_ROWS}) n"
    )
    shop.pg.query("CREATE TABLE small (id int)")
    shop.pg.query("ANALYZE big, small")
    for table in ("big", "small"):
        shop.pg.query(f"ALTER TABLE {table} OWNER TO {shop.pg.role}")


def test_plan_tells_risks_of_pending_migrations_only_when_others_are_applied(shop: Shop) -> None:
    grown(shop)
    shop.migration("001_small.sql", "CREATE INDEX s ON small (id);")
    shop.run()
    shop.migration("002_big.sql", "CREATE TABLE mine (id int);\nCREATE INDEX b ON big (id);\n"
                   "CREATE INDEX m ON mine (id);\n")  # fmt: skip
    said = shop.run("--dry-run").out
    told = [line for line in said.splitlines() if "[" in line and "concurrent" in line]
    assert len(told) == 1
    assert "migrations/002_big.sql:2" in told[0]
    assert "about 100000 rows" in told[0]


def test_run_is_refused_when_the_target_blocks_on_lint(shop: Shop) -> None:
    grown(shop)
    shop.migration("001_gone.sql", "DROP TABLE small;")
    shop.terminal("target", "update", "app", "staging", "--lint", "block")
    refused = shop.run(code=78)
    assert "drop-table" in refused.err
    assert "small" in shop.pg.tables()
    shop.terminal("target", "update", "app", "staging", "--lint", "off", "--reason", "it may go")
    assert "drop-table" not in shop.run().all
    assert "small" not in shop.pg.tables()


def test_lint_reads_pending_migrations_and_others_when_they_are_named(shop: Shop) -> None:
    grown(shop)
    first = shop.migration("001_note.sql", "UPDATE big SET note = 'x';")
    shop.run()
    shop.migration("002_drop.sql", "ALTER TABLE big DROP COLUMN note;")
    said = shop.terminal("migration", "lint", "app", "--target", "staging").out
    assert "drop-column" in said
    assert "every-row" not in said
    named = shop.terminal("migration", "lint", "app", first, "--target", "staging").out
    assert "every-row" in named
    everything = shop.terminal(
        "migration", "lint", "app", "--all", "--target", "staging", "--strict", code=78
    )
    assert "every-row" in everything.out
    assert (
        "no migration is called 003"
        in shop.terminal("migration", "lint", "app", "003", code=64).err
    )


def test_every_table_counts_as_large_when_lint_asks_no_target(shop: Shop) -> None:
    shop.migration("001.sql", "CREATE INDEX i ON small (id);")
    said = shop.terminal("migration", "lint", "app", "--offline").out
    assert "index-not-concurrent" in said
    assert "no target was asked" in said


def test_squawk_adds_a_complaint_only_when_our_rules_do_not_judge_the_statement(shop: Shop) -> None:
    grown(shop)
    shop.migration("001.sql", "CREATE TABLE mine (id int);\nALTER TABLE small ADD COLUMN c char(3) NOT NULL;\n"
                   "ALTER TABLE mine ADD COLUMN c char(3) NOT NULL;\nCREATE INDEX i ON small (c);\n")  # fmt: skip
    rows = shop.terminal("migration", "lint", "app", "--target", "staging", "--json").json[-1][
        "rows"
    ]
    told = {(each["source"], each["rule"], each["line"]) for each in rows}
    assert ("squawk", "adding-required-field", 2) in told
    assert not any(line == 3 for _, _, line in told)
    assert not any("concurrent" in rule for _, rule, _ in told)


def test_squawk_sees_lines_of_the_file_when_a_down_part_is_cut(
    terminal: Terminal,
) -> None:
    terminal.files("app")
    terminal.file(
        "app/migrations/1_a.sql",
        "-- +goose Down\nDROP TABLE t;\n\n-- +goose Up\nALTER TABLE t ADD COLUMN c char(3) NOT NULL;\n",
    )
    terminal("project", "import", "app")
    terminal.config({"name": "migrations", "file_patterns": ["migrations/*.sql"]})
    rows = terminal("migration", "lint", "app", "--offline", "--json").json[-1]["rows"]
    assert {(each["rule"], each["line"]) for each in rows} >= {("adding-required-field", 5)}
    assert not any(each["line"] == 2 for each in rows)


# --- reports ------------------------------------------------------------------------------------


def test_sarif_has_what_code_hosts_ask_for_when_lint_writes_a_report(
    shop: Shop, tmp_path: Path
) -> None:
    shop.migration("001 odd.sql", "DROP TABLE a;\nALTER TABLE b ADD COLUMN c char(3) NOT NULL;\n")
    file = tmp_path / "lint.sarif"
    shop.terminal("migration", "lint", "app", "--offline", "--output", str(file))
    document = json.loads(file.read_text())
    assert document["version"] == "2.1.0"
    assert [run["tool"]["driver"]["name"] for run in document["runs"]] == ["templedb", "squawk"]
    for run in document["runs"]:
        for result in run["results"]:
            rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]
            assert rule == result["ruleId"]
            where = result["locations"][0]["physicalLocation"]
            assert where["artifactLocation"]["uri"] == "migrations/001%20odd.sql"
            assert where["region"]["startLine"] >= 1
            assert result["message"]["text"]
    same = shop.terminal("migration", "lint", "app", "--offline", "--format", "sarif").out
    assert json.loads(same) == document


def test_github_gets_a_single_annotation_when_a_migration_contains_workflow_commands(
    shop: Shop,
) -> None:
    shop.migration("001.sql", 'DROP TABLE "::error file=x::gone";')
    shop.terminal.set(GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(shop.terminal.home))
    said = shop.terminal("migration", "lint", "app", "--offline").out
    commands = [line for line in said.splitlines() if line.lstrip().startswith("::")]
    assert len(commands) == 1
    assert commands[0].startswith("::warning file=app/migrations/001.sql,line=1,title=drop-table::")


# --- what servers do ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "rewritten"),
    [
        ("ALTER TABLE big ADD COLUMN token uuid DEFAULT gen_random_uuid()", True),
        ("ALTER TABLE big ADD COLUMN token text DEFAULT ''", False),
        ("ALTER TABLE big ADD COLUMN at timestamptz DEFAULT now()", False),
        ("ALTER TABLE big ALTER COLUMN id TYPE bigint", True),
        ("ALTER TABLE big ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED", True),
        ("ALTER TABLE big ALTER COLUMN note SET DEFAULT 'x'", False),
        ("ALTER TABLE big SET UNLOGGED", True),
    ],
)
def test_rewrite_rule_agrees_with_the_server_when_the_statement_runs(
    pg: Database, sql: str, *, rewritten: bool
) -> None:
    pg.query("CREATE TABLE big (id int, note text)")
    node = "SELECT relfilenode FROM pg_class WHERE relname = 'big'"
    before = pg.query(node)
    pg.query(sql)
    assert (pg.query(node) != before) is rewritten
    assert ("table-rewrite" in rules(f"{sql};")) is rewritten


def test_plan_keeps_its_content_hash_when_only_the_description_of_its_target_changes(
    shop: Shop,
) -> None:
    shop.migration("001.sql", "DROP TABLE IF EXISTS t;")
    before = shop.terminal("deploy", "plan", "app", "--json").json[-1]["content_hash"]
    shop.terminal("target", "update", "app", "staging", "--provider", "somebody")
    assert shop.terminal("deploy", "plan", "app", "--json").json[-1]["content_hash"] == before
