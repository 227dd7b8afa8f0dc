"""Ledgers that an earlier templedb made: read as they are, and brought to the present format."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from templedb_nb.targets.postgres.connection.lock import lock_key
from templedb_nb.targets.postgres.ledger.guard import shapes_query
from tests import former, postgres
from tests.conftest import MIGRATIONS, Database, Shop

ROOT = Path(__file__).parents[2]
FORMAT_3 = "810b6699"
"""A commit whose programs know ledgers up to format 3."""
COMMAND = {"name": "web", "deploy_command": "true"}
MORE = "CREATE TABLE more (id int);\n-- templedb:down\nDROP TABLE more;\n"
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'templedb' ORDER BY 1"
COMMENTS = """
SELECT c.relname, a.attname, d.description FROM pg_description d
JOIN pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
WHERE c.relnamespace = 'templedb'::regnamespace ORDER BY 1, 2
"""
COLUMNS = """
SELECT table_name, column_name, column_default, is_nullable, data_type
FROM information_schema.columns WHERE table_schema = 'templedb' ORDER BY 1, ordinal_position
"""


@pytest.fixture(scope="session", params=postgres.every(), ids=postgres.version)
def server(request: pytest.FixtureRequest) -> Iterator[postgres.Server]:
    with (
        tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as place,
        postgres.started(request.param, Path(place)) as it,
    ):
        yield it


@pytest.fixture
def busy(shop: Shop) -> Shop:
    """A shop whose ledger has rows of each kind, and whose state has a copy of them."""
    shop.config(MIGRATIONS, COMMAND)
    shop.migration("003_more.sql", MORE)
    shop.migration("004_index.sql", "CREATE INDEX CONCURRENTLY orders_id ON orders (id);")
    shop.terminal("target", "update", "app", "staging", "--approvals", "1")
    former.deployed(shop.terminal)
    shop.migration("005_marked.sql", "CREATE TABLE marked (id int);")
    former.deployed(shop.terminal, "migration", "mark-applied", "app", "005", "--reason", "by hand")
    former.deployed(shop.terminal, "migration", "down", "app", "003_more", "--reason", "a drill")
    (shop.terminal.home / "app" / "migrations" / "003_more.sql").unlink()
    shop.terminal("lock", "acquire", "app", "--target", "staging", "--reason", "an audit")
    shop.terminal("lock", "release", "app", "--target", "staging", "--reason", "it is over")
    return shop


def standing(pg: Database) -> tuple[Any, ...]:
    """Return all that the ledger's tables are made of."""
    with psycopg.connect(pg.dsn) as connection:
        connection.execute("SET search_path = ''")
        shapes = sorted(connection.execute(shapes_query().encode()).fetchall())
    return shapes, pg.query(INDEXES), pg.query(COMMENTS), pg.query(COLUMNS)


def number(pg: Database) -> str:
    ((found,),) = pg.query("SELECT v FROM templedb.meta WHERE k = 'format'")
    return str(found)


@pytest.mark.parametrize("made_by", former.FORMATS)
def test_ledger_is_upgraded_to_the_present_format_when_a_run_finds_a_former_format(
    busy: Shop, made_by: int
) -> None:
    """The state's copy is from before: the ledger has the same rows, and nothing is suspicious."""
    pg = busy.pg
    fresh = standing(pg)
    former.demote(pg, made_by, owner=pg.role)
    before = former.kept(pg.query)
    busy.migration("006_last.sql", "CREATE TABLE last (id int);")
    made = busy.terminal("deploy", "plan", "app").out
    assert "006_last.sql" in made
    assert "001_users" not in made
    assert number(pg) == str(made_by), "a plan changes no ledger"
    former.deployed(busy.terminal)
    assert number(pg) == "4"
    assert standing(pg) == fresh
    former.still_there(pg.query, before)
    kinds = pg.query("SELECT kind, count(*) FROM templedb.run GROUP BY 1 ORDER BY 1")
    assert kinds == [("amend", 1), ("deploy", 2), ("down", 1)]
    assert "Applied: 5\nPending: 0" in busy.terminal("migration", "status", "app").out


@pytest.mark.parametrize("made_by", former.FORMATS)
@pytest.mark.parametrize("how", ["kill9", "drop", "error"])
def test_former_ledger_stays_whole_when_its_upgrade_breaks_off(
    busy: Shop, made_by: int, how: str
) -> None:
    pg = busy.pg
    former.demote(pg, made_by, owner=pg.role)
    before, rows = standing(pg), former.kept(pg.query)
    busy.migration("006_last.sql", "CREATE TABLE last (id int);")
    plan = busy.run(code=20).err.split("templedb approve ")[1].split()[0]
    former.approved(busy.terminal, plan)
    busy.terminal.set(TEMPLEDB_FAILPOINT=f"ledger.made:{how}")
    process = busy.terminal.process("deploy", "run", "app")
    process.communicate(timeout=120)
    assert process.returncode != 0
    busy.terminal.unset("TEMPLEDB_FAILPOINT")
    assert number(pg) == str(made_by)
    assert standing(pg) == before
    former.still_there(pg.query, rows)
    assert "last" not in pg.tables()
    busy.run("--lock-wait", "30")
    assert number(pg) == "4"
    assert "last" in pg.tables()
    former.still_there(pg.query, rows)


@pytest.mark.parametrize("made_by", former.FORMATS)
def test_ledger_has_the_present_structure_when_the_printed_upgrade_sql_is_executed(
    busy: Shop, made_by: int
) -> None:
    pg = busy.pg
    fresh = standing(pg)
    former.demote(pg, made_by, owner=pg.role)
    printed = busy.terminal("target", "ledger-sql", "--upgrade").out
    with psycopg.connect(pg.dsn, autocommit=True) as owner:
        for _ in range(2):
            owner.execute(printed.encode())
            assert standing(pg) == fresh


def test_role_reads_a_former_ledger_and_is_told_what_to_do_when_it_may_not_upgrade(
    shop: Shop,
) -> None:
    pg = shop.pg
    pg.query(
        f"ALTER DATABASE {pg.name} OWNER TO CURRENT_USER; GRANT CREATE ON SCHEMA public TO {pg.role}"
    )
    pg.query(shop.terminal("target", "ledger-sql", "--role", pg.role).out)
    shop.run()
    former.demote(pg, 3)
    pg.query(
        f"GRANT USAGE ON SCHEMA templedb TO {pg.role};"
        f" GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA templedb TO {pg.role};"
        f" GRANT DELETE ON templedb.lock, templedb.object TO {pg.role};"
        f" GRANT USAGE ON ALL SEQUENCES IN SCHEMA templedb TO {pg.role}"
    )
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    for words in (
        ("deploy", "plan", "app"),
        ("deploy", "status", "app"),
        ("deploy", "history", "app"),
        ("migration", "status", "app"),
        ("migration", "history", "app"),
        ("drift", "check", "app"),
        ("lock", "show", "app"),
        ("target", "test", "app", "staging"),
    ):
        shop.terminal(*words)
    said = shop.run(code=69).err
    assert "does not own the tables of schema templedb" in said
    assert "templedb target ledger-sql --upgrade" in said
    assert number(pg) == "3"
    pg.query(shop.terminal("target", "ledger-sql", "--upgrade").out)
    shop.run()
    assert "more" in pg.tables()
    ((may,),) = pg.query(
        f"SELECT has_table_privilege('{pg.role}', 'templedb.slot', 'SELECT, INSERT, UPDATE')"
    )
    assert may, "who could write runs can write slots"


def test_ledger_is_not_upgraded_when_a_run_of_an_earlier_templedb_is_under_way(shop: Shop) -> None:
    """It would take an upgrade under its feet for damage."""
    pg = shop.pg
    shop.run()
    former.demote(pg, 3, owner=pg.role)
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    with psycopg.connect(pg.dsn, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [lock_key("billing")])
        other.execute(
            "INSERT INTO templedb.lock (project, run, owner, host, pid, backend_pid, reason)"
            " VALUES ('billing', 'r', 'zoe', 'ci', 7, pg_backend_pid(), 'deploy run of billing')"
        )
        said = shop.run("--lock-wait", "0", code=24).err
        assert "zoe (pid 7 on ci), run r: deploy run of billing" in said
        assert "wait for that run to end" in said
        assert number(pg) == "3"
    shop.run()
    assert number(pg) == "4"


@pytest.fixture(scope="module")
def earlier() -> Iterator[Path]:
    """A templedb that knows ledgers up to format 3, from the project's own history."""
    done = subprocess.run(
        ["git", "-C", ROOT, "archive", FORMAT_3, "templedb_nb"], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this checkout has no history")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["tar", "-x", "-C", folder], input=done.stdout, check=True)
        text = (Path(folder) / "templedb_nb" / "model" / "ledger.py").read_text()
        assert "\nFORMAT = 3\n" in text
        yield Path(folder)


def test_earlier_templedb_refuses_and_changes_nothing_when_the_ledger_is_newer(
    shop: Shop, earlier: Path
) -> None:
    shop.run()
    before = kept_all(shop.pg)
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    state = str(shop.terminal.home / "earlier" / "state.duckdb")  # it refuses that of the new one

    def by_earlier(*words: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, **shop.terminal.environ, "TEMPLEDB_STATE": state}
        return subprocess.run(
            [sys.executable, "-m", "templedb_nb", *words],
            capture_output=True,
            text=True,
            cwd=shop.terminal.home,
            env={**environ, "PYTHONPATH": str(earlier)},
            check=False,
        )

    for words in (
        ("project", "import", "app"),
        ("deploy", "init", "app"),
        ("target", "add", "app", "staging"),
        ("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging"),
    ):
        done = by_earlier(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        ("deploy", "plan", "app"),
        ("deploy", "run", "app"),
        ("migration", "status", "app"),
        ("migration", "mark-applied", "app", "003", "--reason", "x"),
    ):
        done = by_earlier(*words)
        assert done.returncode == 69, done.stdout + done.stderr
        assert "a newer templedb wrote the ledger: format 4, known is 3" in done.stderr
    assert kept_all(shop.pg) == before
    assert "more" not in shop.pg.tables()


def kept_all(pg: Database) -> list[list[tuple[Any, ...]]]:
    return [pg.query(f"SELECT * FROM templedb.{table} ORDER BY 1") for table in (*former.KEPT, "lock")
            ]  # fmt: skip


def test_runs_record_their_kind_when_they_deploy_amend_or_roll_back(busy: Shop) -> None:
    rows = busy.pg.query(
        "SELECT kind, parent_run, length(tree), length(config_hash), manifest, health, scope"
        " FROM templedb.run ORDER BY id"
    )
    assert [row[0] for row in rows] == ["deploy", "amend", "down"]
    assert {row[1:] for row in rows} == {("", 64, 64, None, "", "")}
    trees = busy.pg.query(
        "SELECT count(DISTINCT tree), count(DISTINCT config_hash) FROM templedb.run"
    )
    assert trees == [(2, 1)], "a file came in between; the config is the same"
