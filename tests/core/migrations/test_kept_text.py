"""What a ledger keeps of a migration's text: its own, without passwords, whatever wrote the row."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest

from templedb_nb.core.migrations.kept_text import LONGEST, kept_text, own_text
from templedb_nb.core.migrations.script import read_script
from templedb_nb.model.layout import Layout, Reading
from templedb_nb.model.serialization import Digest
from tests.conftest import MIGRATIONS, Shop, Terminal

CHANGESETS = (
    "--liquibase formatted sql\n\n--changeset ann:1\nCREATE TABLE one (id int);\n"
    "--rollback DROP TABLE one;\n\n--changeset ann:2\nCREATE TABLE two (id int);\n"
)
LIQUIBASE = MIGRATIONS | {"layout": "liquibase"}
SECRET = "-- PASSWORD 'correct-horse'\nCREATE TABLE made (id int);\n"


def reading(part: str) -> Reading:
    return Reading(layout=Layout.LIQUIBASE, part=part)


@pytest.mark.parametrize("part", ["1::ann", "2::ann"])
def test_own_text_of_a_changeset_reads_as_it_does_in_its_file(part: str) -> None:
    own = own_text(CHANGESETS, reading(part))
    assert own.startswith(f"--changeset ann:{part[0]}\n")
    alone, there = (read_script(t.encode(), reading(part)) for t in (own, CHANGESETS))
    assert (alone.checksums, alone.up) == (there.checksums, there.up)
    assert (alone.down is None) == (there.down is None)
    assert own_text(own, reading(part)) == own


def test_password_of_another_changeset_is_not_kept() -> None:
    text = (
        "--changeset ann:1\nALTER ROLE a PASSWORD 'correct-horse';\n"
        "--changeset ann:2\nSELECT 'correct-horse';\n"
    )
    kept = kept_text(text, reading("2::ann"), Digest("x"))
    assert kept == "--changeset ann:2\nSELECT '***';\n"


def test_length_of_a_changeset_decides_when_its_file_is_longer() -> None:
    text = f"--changeset ann:1\nSELECT 1;\n--changeset ann:2\nSELECT '{'x' * LONGEST}';\n"
    assert kept_text(text, reading("1::ann"), Digest("x")) == "--changeset ann:1\nSELECT 1;\n"
    assert kept_text(text, reading("2::ann"), Digest("x")) == "sha256:x"
    assert kept_text(text, None, Digest("x")) == "sha256:x"


Rows = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture(params=["postgresql", "duckdb"])
def target(request: pytest.FixtureRequest, terminal: Terminal) -> tuple[Terminal, Rows]:
    """Return a terminal with a project, and what asks its target."""
    if request.param == "postgresql":
        shop: Shop = request.getfixturevalue("shop")
        for name in ("001_users.sql", "002_orders.sql"):
            (shop.terminal.home / "app/migrations" / name).unlink()
        return shop.terminal, shop.pg.query
    terminal.file("app/README", "a project")
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal("target", "add", "app", "staging")
    path = f"duckdb:///{terminal.home}/t.duckdb"
    terminal("env", "set", "app", "DATABASE_URL", path, "--target", "staging")

    def ask(query: str) -> list[tuple[object, ...]]:
        with duckdb.connect(f"duckdb:{terminal.home}/t.duckdb") as file:
            return file.execute(query).fetchall()

    return terminal, ask


def test_ledger_keeps_the_own_text_of_each_changeset(target: tuple[Terminal, Rows]) -> None:
    terminal, ask = target
    terminal.config(LIQUIBASE)
    terminal.file("app/migrations/001.sql", CHANGESETS)
    terminal("deploy", "run", "app")
    kept = sorted(str(sql) for (sql,) in ask("SELECT sql FROM templedb.migration"))
    assert [each.split("\n")[0] for each in kept] == ["--changeset ann:1", "--changeset ann:2"]
    assert "two" not in kept[0]
    edited = CHANGESETS.replace("two (id int)", "two (id int, more int)")
    terminal.file("app/migrations/001.sql", edited)
    shown = terminal("deploy", "plan", "app", code=None).all
    assert "-CREATE TABLE two (id int);" in shown
    assert "+CREATE TABLE two (id int, more int);" in shown
    assert "-CREATE TABLE one" not in shown


def test_restored_row_keeps_no_password_of_its_file(target: tuple[Terminal, Rows]) -> None:
    terminal, ask = target
    terminal.file("app/migrations/001.sql", SECRET)
    terminal("deploy", "run", "app")
    before = ask("SELECT sql FROM templedb.migration")
    ask("DELETE FROM templedb.migration")
    terminal("migration", "restore-ledger", "app", "--reason", "somebody wiped it")
    assert ask("SELECT sql FROM templedb.migration") == before
    assert "correct-horse" not in str(before)


def test_difference_of_an_edited_file_shows_no_password(target: tuple[Terminal, Rows]) -> None:
    terminal, _ = target
    terminal.file("app/migrations/001.sql", SECRET)
    terminal("deploy", "run", "app")
    terminal.file("app/migrations/001.sql", SECRET.replace("id int", "id int, more int"))
    for words in (("deploy", "plan", "app"), ("deploy", "plan", "app", "--json")):
        shown = terminal(*words, code=None).all
        assert "more int" in shown
        assert "correct-horse" not in shown
        assert "-- PASSWORD '***'" in shown
    with duckdb.connect(f"duckdb:{terminal.state}", read_only=True) as state:
        assert "correct-horse" not in str(state.execute("SELECT preview FROM plans").fetchall())


def test_imported_statements_are_planned_and_kept_without_their_passwords(shop: Shop) -> None:
    shop.pg.query(
        "CREATE SCHEMA supabase_migrations; CREATE TABLE supabase_migrations.schema_migrations"
        " (version text PRIMARY KEY, statements text[], name text, created_by text)"
    )
    statement = "ALTER ROLE nobody PASSWORD 'correct-horse'"
    shop.pg.query(
        "INSERT INTO supabase_migrations.schema_migrations VALUES"
        f" ('001', ARRAY[$${statement}$$], 'users', 'ann')"
    )
    shop.pg.query(
        f"GRANT USAGE ON SCHEMA supabase_migrations TO {shop.pg.role};"
        f"GRANT SELECT ON ALL TABLES IN SCHEMA supabase_migrations TO {shop.pg.role}"
    )
    said = shop.terminal("migration", "import", "app", "--reason", "moved")
    ((kept,),) = shop.pg.query("SELECT sql FROM templedb.migration")
    assert "PASSWORD '***'" in str(kept), said.all
    with duckdb.connect(f"duckdb:{shop.terminal.state}", read_only=True) as state:
        ((plan,),) = state.execute("SELECT preview FROM plans").fetchall()
    assert "PASSWORD '***'" in plan
    assert "correct-horse" not in plan
