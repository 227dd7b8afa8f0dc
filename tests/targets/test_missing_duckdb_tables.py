"""Tables of a DuckDB file's ledger that somebody dropped: named on the plan, and made again."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.conftest import Terminal

TABLES = ("meta", "migration", "event", "run", "command", "approval", "lock")
GROUP = '{"groups": [{"name": "db", "file_patterns": ["migrations/*.sql"]}], "targets": {"t": {}}}'
RESTORE = ("migration", "restore-ledger", "app", "--reason", "looked")


@pytest.fixture
def database(terminal: Terminal) -> Path:
    """Return a file in which one migration is applied, with another one that waits."""
    path = terminal.home / "target.duckdb"
    terminal.file("app/templedb.yaml", GROUP)
    terminal.file("app/migrations/001.sql", "CREATE TABLE a (id int);")
    terminal("project", "import", "app")
    terminal("env", "set", "app", "DATABASE_URL", "--target", "t", stdin=f"duckdb:{path}")
    terminal("deploy", "run", "app")
    terminal.file("app/migrations/002.sql", "CREATE TABLE b (id int);")
    return path


def applied(path: Path) -> list[str]:
    with duckdb.connect(path) as file:
        query = "SELECT key FROM templedb.migration WHERE state = 'applied' ORDER BY run_seq"
        return [key for (key,) in file.execute(query).fetchall()]


@pytest.mark.parametrize("name", TABLES)
def test_ledger_is_made_whole_by_restore_ledger_when_one_of_its_tables_was_dropped(
    terminal: Terminal, database: Path, name: str
) -> None:
    with duckdb.connect(database) as file:
        file.execute(f"DROP TABLE templedb.{name}")
    refused = terminal("deploy", "run", "app", code=78)
    assert f"has a damaged ledger: table templedb.{name} is gone" in refused.err
    assert "templedb migration restore-ledger --target t --reason WHY" in refused.err
    terminal(*RESTORE)
    terminal("deploy", "run", "app")
    assert applied(database) == ["migrations/001.sql", "migrations/002.sql"]


@pytest.mark.parametrize("name", TABLES[2:])
def test_rows_are_not_touched_by_another_state_when_a_table_without_them_was_dropped(
    terminal: Terminal, database: Path, name: str
) -> None:
    with duckdb.connect(database) as file:
        file.execute(f"DROP TABLE templedb.{name}")
        before = file.execute("SELECT * FROM templedb.migration").fetchall()
    terminal.set(TEMPLEDB_STATE=str(terminal.home / "another.duckdb"))
    terminal("project", "import", "app")
    terminal("env", "set", "app", "DATABASE_URL", "--target", "t", stdin=f"duckdb:{database}")
    refused = terminal("deploy", "run", "app", code=78)
    assert f"table templedb.{name} is gone" in refused.err
    terminal(*RESTORE)
    with duckdb.connect(database) as file:
        assert file.execute("SELECT * FROM templedb.migration").fetchall() == before
    terminal("deploy", "run", "app")
    assert applied(database) == ["migrations/001.sql", "migrations/002.sql"]


@pytest.mark.parametrize(
    ("name", "table"), [("event_seq", "event"), ("migration_seq", "migration")]
)
def test_ledger_is_made_whole_by_restore_ledger_when_a_sequence_was_dropped_with_its_table(
    terminal: Terminal, database: Path, name: str, table: str
) -> None:
    with duckdb.connect(database) as file:
        file.execute(f"DROP SEQUENCE templedb.{name} CASCADE")
    assert f"table templedb.{table} is gone" in terminal("deploy", "run", "app", code=78).err
    terminal(*RESTORE)
    terminal("deploy", "run", "app")
    assert applied(database) == ["migrations/001.sql", "migrations/002.sql"]


def test_row_that_another_state_changed_stays_when_the_facts_of_the_ledger_were_dropped(
    terminal: Terminal, database: Path
) -> None:
    first = terminal.environ["TEMPLEDB_STATE"]
    terminal.set(TEMPLEDB_STATE=str(terminal.home / "another.duckdb"))
    terminal.file("app/migrations/001.sql", "CREATE TABLE a (id bigint);")
    terminal("project", "import", "app")
    terminal("env", "set", "app", "DATABASE_URL", "--target", "t", stdin=f"duckdb:{database}")
    terminal("migration", "accept-checksum", "app", "001.sql", "--reason", "edited")
    terminal.set(TEMPLEDB_STATE=first)
    with duckdb.connect(database) as file:
        before = file.execute("SELECT * FROM templedb.migration").fetchall()
        file.execute("DROP TABLE templedb.meta")
    terminal(*RESTORE)
    with duckdb.connect(database) as file:
        assert file.execute("SELECT * FROM templedb.migration").fetchall() == before


def again(table: str, select: str) -> str:
    """Return what makes a table of the ledger anew from a query, without its keys and defaults."""
    return (
        f"CREATE TABLE templedb.x AS {select}; DROP TABLE templedb.{table};"
        f" ALTER TABLE templedb.x RENAME TO {table}"
    )


CHANGED = {
    "column error of templedb.migration is gone": again(
        "migration", "SELECT * EXCLUDE (error) FROM templedb.migration"
    ),
    "column state of templedb.migration is gone": (
        "ALTER TABLE templedb.migration RENAME COLUMN state TO status"
    ),
    "column run_seq of templedb.migration is of type VARCHAR, not BIGINT": (
        "ALTER TABLE templedb.migration ALTER COLUMN run_seq TYPE VARCHAR"
    ),
    "column steps of templedb.migration is of type VARCHAR, not INTEGER": (
        "ALTER TABLE templedb.migration ALTER COLUMN steps TYPE VARCHAR"
    ),
    "column detail of templedb.event is of type INTEGER, not JSON": (
        "ALTER TABLE templedb.event ALTER COLUMN detail TYPE INTEGER USING 1"
    ),
    "column what of templedb.event is gone": "ALTER TABLE templedb.event DROP COLUMN what",
    "column message of templedb.run is gone": again(
        "run", "SELECT * EXCLUDE (message) FROM templedb.run"
    ),
    "column pid of templedb.lock is gone": again(
        "lock", "SELECT * EXCLUDE (pid) FROM templedb.lock"
    ),
    "templedb.meta has no PRIMARY KEY (k, scope)": again("meta", "FROM templedb.meta"),
    "templedb.migration has no PRIMARY KEY (project, scope, key)": again(
        "migration", "FROM templedb.migration"
    ),
    "templedb.migration is a view, not a table": (
        "ALTER TABLE templedb.migration RENAME TO m2;"
        " CREATE VIEW templedb.migration AS FROM templedb.m2"
    ),
    "column tenant of templedb.run may not be empty, but runs leave it empty": (
        again("run", "SELECT *, 'x' AS tenant FROM templedb.run")
        + "; ALTER TABLE templedb.run ALTER COLUMN tenant SET NOT NULL"
    ),
    "column run_seq of templedb.migration has no default": (
        "ALTER TABLE templedb.migration ALTER COLUMN run_seq DROP DEFAULT"
    ),
    "column scope of templedb.migration has another default than templedb's": (
        "ALTER TABLE templedb.migration ALTER COLUMN scope SET DEFAULT 'other'"
    ),
    "templedb.run has a unique index that is not templedb's: once": (
        "CREATE UNIQUE INDEX once ON templedb.run (project)"
    ),
    "the row of migrations/001.sql in templedb.migration cannot be read: its kind is odd": (
        "UPDATE templedb.migration SET kind = 'odd'"
    ),
}


@pytest.mark.parametrize("told", CHANGED)
def test_ledger_is_made_whole_by_restore_ledger_when_a_part_of_a_table_is_another_one(
    terminal: Terminal, database: Path, told: str
) -> None:
    with duckdb.connect(database) as file:
        file.execute(CHANGED[told])
    refused = terminal("deploy", "run", "app", code=78)
    assert told in refused.err
    assert "templedb migration restore-ledger --target t --reason WHY" in refused.err
    terminal("migration", "status", "app")
    terminal(*RESTORE)
    terminal("deploy", "run", "app")
    assert applied(database) == ["migrations/001.sql", "migrations/002.sql"]
    assert "damaged ledger" not in terminal("deploy", "run", "app").all
    with duckdb.connect(database) as file:
        (runs,) = (
            file.execute("SELECT count(*) FROM templedb.run WHERE scope = ''").fetchone() or ()
        )
    assert runs == 4


def test_nothing_is_kept_twice_when_a_table_was_made_again_with_all_its_rows(
    terminal: Terminal, database: Path
) -> None:
    with duckdb.connect(database) as file:
        file.execute(again("event", "FROM templedb.event"))
    terminal(*RESTORE)
    with duckdb.connect(database) as file:
        query = "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE '%damaged'"
        assert file.execute(query).fetchall() == []


def test_rows_that_a_table_cannot_have_are_named_when_its_key_is_made_again(
    terminal: Terminal, database: Path
) -> None:
    with duckdb.connect(database) as file:
        file.execute(
            again(
                "migration",
                "FROM templedb.migration UNION ALL"
                " SELECT * REPLACE ('failed' AS state) FROM templedb.migration",
            )
        )
    said = terminal(*RESTORE, code=69).err
    assert "the ledger has rows that it cannot have" in said
    assert "migrations/001.sql" in said
    assert "DELETE FROM templedb.TABLE WHERE rowid = N" in said


@pytest.mark.parametrize("table", ["migration", "run", "event", "meta"])
def test_each_row_stays_once_when_somebody_wrote_all_of_them_twice(
    terminal: Terminal, database: Path, table: str
) -> None:
    with duckdb.connect(database) as file:
        (before,) = file.execute(f"SELECT count(*) FROM templedb.{table}").fetchone() or ()
        twice = f"FROM templedb.{table} UNION ALL FROM templedb.{table}"
        file.execute(again(table, twice))
    refused = terminal("deploy", "run", "app", code=78).err
    assert table == "meta" or " more like it)" in refused
    terminal(*RESTORE)
    terminal("deploy", "run", "app")
    assert applied(database) == ["migrations/001.sql", "migrations/002.sql"]
    with duckdb.connect(database) as file:
        query = "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE '%damaged'"
        assert file.execute(query).fetchall() == []
        (after,) = file.execute(f"SELECT count(*) FROM templedb.{table}").fetchone() or ()
    assert before <= after < before + 8


NULLS = {
    "migration": ("state", "key", "sql", "run_seq"),
    "run": ("id", "state"),
    "event": ("project", "what"),
}


@pytest.mark.parametrize(("table", "column"), [(t, c) for t, names in NULLS.items() for c in names])
def test_ledger_is_restored_when_somebody_left_a_column_without_values(
    terminal: Terminal, database: Path, table: str, column: str
) -> None:
    with duckdb.connect(database) as file:
        left = f"SELECT * REPLACE (NULL AS {column}) FROM templedb.{table}"
        file.execute(again(table, left))
    assert "has a damaged ledger: " in terminal("deploy", "run", "app", code=78).err
    terminal(*RESTORE)
    terminal("deploy", "run", "app")
    assert applied(database) == ["migrations/001.sql", "migrations/002.sql"]
    with duckdb.connect(database) as file:
        kept = f"SELECT count(*) > 0 FROM templedb.{table}_damaged"
        assert file.execute(kept).fetchone() == (True,)


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE templedb.event DROP COLUMN what",
        "DROP TABLE templedb.meta; CREATE TABLE templedb.meta (k VARCHAR, v VARCHAR)",
        again("migration", "FROM templedb.migration"),
    ],
)
def test_file_is_named_when_it_changed_what_the_ledger_is_made_of(
    terminal: Terminal, database: Path, sql: str
) -> None:
    terminal.file("app/migrations/002.sql", f"CREATE TABLE b (id int);\n{sql};")
    said = terminal("deploy", "run", "app", code=10).all
    assert "migrations/002.sql touched templedb's own ledger: templedb." in said
    assert "has other" in said
    assert ", CREATE" not in said
    assert applied(database) == ["migrations/001.sql"]


@pytest.mark.parametrize(("column", "state"), [("sql", "applied"), ("state", "in_doubt")])
def test_rows_of_another_project_are_copied_back_when_a_column_is_lost(
    terminal: Terminal, database: Path, column: str, state: str
) -> None:
    terminal.file("reports/templedb.yaml", GROUP)
    terminal.file("reports/migrations/sums.sql", "CREATE TABLE sums (id int);")
    terminal("project", "import", "reports")
    terminal("env", "set", "reports", "DATABASE_URL", "--target", "t", stdin=f"duckdb:{database}")
    terminal("deploy", "run", "reports")
    with duckdb.connect(database) as file:
        left = f"SELECT * EXCLUDE ({column}) FROM templedb.migration"
        file.execute(again("migration", left))
    terminal(*RESTORE)
    with duckdb.connect(database) as file:
        query = "SELECT key, state FROM templedb.migration WHERE project = 'reports'"
        assert file.execute(query).fetchall() == [("migrations/sums.sql", state)]
    terminal("deploy", "run", "app")
    terminal("deploy", "run", "reports", code=0 if state == "applied" else 13)
