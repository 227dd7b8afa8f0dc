"""The first run on a database that another tool has migrated: nothing runs before that is settled."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.app.migrations.test_adoption import owned
from tests.conftest import Database, Terminal

# Files of data alone: nothing in the catalog would tell that they ran, and they can run twice.
FILES = {
    "001_seed.sql": "INSERT INTO rate VALUES (1);\n",
    "002_more.sql": "INSERT INTO rate VALUES (2);\n",
    "003_late.sql": "INSERT INTO rate VALUES (3);\n",
}
TABLE = "CREATE TABLE rate (percent int)"
DATABASECHANGELOG = (
    "CREATE TABLE databasechangelog (id varchar(255) NOT NULL, author varchar(255) NOT NULL,"
    " filename varchar(255) NOT NULL, dateexecuted timestamp NOT NULL, orderexecuted int NOT NULL,"
    " exectype varchar(10) NOT NULL, md5sum varchar(35))"
)
TABLES = {
    "liquibase": (
        DATABASECHANGELOG,
        "INSERT INTO databasechangelog VALUES ('1', 'me', 'db/master.xml', now(), 1, 'EXECUTED', '9')",
    ),
    "flyway": (
        ("CREATE TABLE flyway_schema_history (installed_rank integer PRIMARY KEY, version varchar,"
        " description varchar, type varchar, script varchar, checksum integer, installed_by varchar,"
        " installed_on timestamp DEFAULT now(), execution_time integer, success boolean)"),
        ("INSERT INTO flyway_schema_history VALUES"
        " (1, '2024.1', 'x', 'JDBC', 'X', 1, 'me', now(), 1, true)"),
    ),
    "golang-migrate": (
        "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)",
        "INSERT INTO schema_migrations VALUES (0, false)",
    ),
    "dbmate": (
        "CREATE TABLE schema_migrations (version varchar PRIMARY KEY)",
        "INSERT INTO schema_migrations VALUES ('20240101000000')",
    ),
    "Rails": (
        ("CREATE TABLE schema_migrations (version varchar PRIMARY KEY);"
        " CREATE TABLE ar_internal_metadata (key varchar, value varchar)"),
        "INSERT INTO schema_migrations VALUES ('20240101000000')",
    ),
    "Ecto": (
        "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp)",
        "INSERT INTO schema_migrations VALUES (20240101000000, now())",
    ),
    "goose": (
        ("CREATE TABLE goose_db_version (id integer PRIMARY KEY, version_id bigint,"
        " is_applied boolean, tstamp timestamp)"),
        "INSERT INTO goose_db_version VALUES (1, 0, true, now()), (2, 77, true, now())",
    ),
    "sqlx": (
        ("CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text,"
        " installed_on timestamptz DEFAULT now(), success boolean, checksum bytea, execution_time bigint)"),
        "INSERT INTO _sqlx_migrations VALUES (77, 'x', now(), true, '\\x00', 1)",
    ),
    "diesel": (
        "CREATE TABLE __diesel_schema_migrations (version varchar PRIMARY KEY, run_on timestamp)",
        "INSERT INTO __diesel_schema_migrations VALUES ('20240101', now())",
    ),
    "prisma": (
        ("CREATE TABLE _prisma_migrations (id varchar PRIMARY KEY, checksum varchar, finished_at timestamptz,"
        " migration_name varchar, logs text, rolled_back_at timestamptz, started_at timestamptz,"
        " applied_steps_count integer)"),
        "INSERT INTO _prisma_migrations VALUES ('1', 'x', now(), '2024_x', NULL, NULL, now(), 1)",
    ),
    "alembic": (
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('abc')",
    ),
    "atlas": (
        ("CREATE SCHEMA atlas_schema_revisions; CREATE TABLE atlas_schema_revisions.atlas_schema_revisions"
        " (version varchar PRIMARY KEY, description varchar, type bigint, applied bigint, total bigint,"
        " executed_at timestamptz, execution_time bigint, error text, error_stmt text, hash varchar,"
        " partial_hashes jsonb, operator_version varchar)"),
        ("INSERT INTO atlas_schema_revisions.atlas_schema_revisions VALUES"
        " ('2024', 'x', 2, 1, 1, now(), 1, NULL, NULL, 'h', NULL, 'v')"),
    ),
    "graphile-migrate": (
        ("CREATE SCHEMA graphile_migrate; CREATE TABLE graphile_migrate.migrations (hash text PRIMARY KEY,"
        " previous_hash text, filename text, date timestamptz)"),
        "INSERT INTO graphile_migrate.migrations VALUES ('sha1:1', NULL, '000077.sql', now())",
    ),
    "knex": (
        "CREATE TABLE knex_migrations (id serial, name varchar, batch int, migration_time timestamptz)",
        "INSERT INTO knex_migrations VALUES (1, '2024_x.js', 1, now())",
    ),
    "Sequelize": (
        'CREATE TABLE "SequelizeMeta" (name varchar PRIMARY KEY)',
        "INSERT INTO \"SequelizeMeta\" VALUES ('2024-x.js')",
    ),
    "node-pg-migrate": (
        "CREATE TABLE pgmigrations (id serial, name varchar, run_on timestamp)",
        "INSERT INTO pgmigrations VALUES (1, '2024_x', now())",
    ),
    "DbUp": (
        "CREATE TABLE schemaversions (schemaversionsid serial, scriptname varchar, applied timestamp)",
        "INSERT INTO schemaversions VALUES (1, 'App.Scripts.Old.sql', now())",
    ),
    "grate": (
        ('CREATE SCHEMA grate; CREATE TABLE grate."ScriptsRun" (id bigint, version_id bigint,'
        " script_name varchar, text_of_script text, text_hash varchar, one_time_script boolean)"),
        "INSERT INTO grate.\"ScriptsRun\" VALUES (1, 1, 'old.sql', 'x', 'x', true)",
    ),
    "Drizzle": (
        "CREATE SCHEMA drizzle; CREATE TABLE drizzle.__drizzle_migrations (id serial, hash text, created_at bigint)",
        "INSERT INTO drizzle.__drizzle_migrations VALUES (1, 'x', 1)",
    ),
    "TypeORM": (
        'CREATE TABLE migrations (id serial, "timestamp" bigint, name varchar)',
        "INSERT INTO migrations VALUES (1, 1, 'X1')",
    ),
    "Entity Framework": (
        'CREATE TABLE "__EFMigrationsHistory" ("MigrationId" varchar, "ProductVersion" varchar)',
        "INSERT INTO \"__EFMigrationsHistory\" VALUES ('2024_x', '8')",
    ),
}  # fmt: skip


def planned(terminal: Terminal, folder: Path, dsn: str, files: dict[str, str] = FILES) -> None:
    """Import a folder of plain SQL as a person would who names it."""
    (folder / "sql").mkdir(parents=True)
    for name, body in files.items():
        (folder / "sql" / name).write_text(body)
    terminal("project", "import", str(folder), "--slug", "app")
    terminal.config({"name": "data", "file_patterns": ["sql/*.sql"]})
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "DATABASE_URL", dsn, "--target", "staging")


@pytest.mark.parametrize("tool", sorted(TABLES))
def test_first_run_is_refused_when_another_tool_may_have_run_the_files(
    tool: str, terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    create, insert = TABLES[tool]
    owned(pg, f"{TABLE}; {create}")
    planned(terminal, tmp_path / "project", pg.dsn)
    assert "may not" not in terminal("deploy", "run", "app", "--dry-run").all  # nothing ran yet
    owned(pg, insert)
    said = terminal("deploy", "run", "app", code=78).err
    assert f"says that {tool} has run migrations in this database" in said
    assert "templedb migration baseline --through FILE --target staging --reason WHY" in said
    assert "ignore_histories: [" in said
    assert pg.query("SELECT count(*) FROM rate") == [(0,)]


def test_first_run_goes_on_when_a_baseline_or_the_config_has_settled_it(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    create, insert = TABLES["knex"]
    owned(pg, f"{TABLE}; {create}; {insert}")
    planned(terminal, tmp_path / "project", pg.dsn)
    words = ("migration", "baseline", "app", "--through", "sql/002_more.sql", "--reason", "knex")
    terminal("deploy", "run", "app", code=78)
    terminal(*words)
    terminal("deploy", "run", "app")
    assert pg.query("SELECT percent FROM rate") == [(3,)]


@pytest.mark.parametrize("name", ["knex_migrations", "public.KNEX_migrations"])
def test_first_run_asks_nothing_when_the_config_names_the_table(
    name: str, terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    create, insert = TABLES["knex"]
    owned(pg, f"{TABLE}; {create}; {insert}")
    planned(terminal, tmp_path / "project", pg.dsn)
    group = {"name": "data", "file_patterns": ["sql/*.sql"], "ignore_histories": [name]}
    terminal.config(group)
    terminal("deploy", "run", "app")
    assert pg.query("SELECT count(*) FROM rate") == [(3,)]


@pytest.mark.parametrize(
    ("tool", "name"),
    [
        ("knex", "002_more.sql"),
        ("node-pg-migrate", "002_more"),
        ("DbUp", "Shop.Scripts.002_more.sql"),
        ("grate", "up/002_more.sql"),
    ],
)
def test_baseline_is_offered_through_the_last_file_when_the_table_names_files(
    tool: str, name: str, terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    create, insert = TABLES[tool]
    own = next(part for part in insert.split("'") if part.startswith(("2024", "App", "old")))
    owned(pg, f"{TABLE}; {create}; {insert.replace(own, name)}")
    planned(terminal, tmp_path / "project", pg.dsn)
    said = terminal("deploy", "run", "app", code=78).err
    assert "with the names or versions of sql/002_more.sql" in said
    assert "migration baseline --through sql/002_more.sql --target staging" in said


def test_import_is_offered_when_a_table_has_the_versions_of_plain_files(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    create, _ = TABLES["golang-migrate"]
    owned(pg, f"{TABLE}; {create}; INSERT INTO schema_migrations VALUES (2, false)")
    planned(terminal, tmp_path / "project", pg.dsn)
    said = terminal("deploy", "run", "app", code=78).err
    assert "with the names or versions of sql/001_seed.sql and 1 more" in said
    assert "templedb migration import --target staging --from golang-migrate" in said
    terminal("migration", "import", "app", "--from", "golang-migrate", "--reason", "moved")
    terminal("deploy", "run", "app")
    assert pg.query("SELECT percent FROM rate") == [(3,)]


def test_import_is_refused_when_no_migration_that_the_table_lists_has_a_file(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    create, insert = TABLES["liquibase"]
    owned(pg, f"{TABLE}; {create}; {insert}")
    planned(terminal, tmp_path / "project", pg.dsn)
    said = terminal("migration", "import", "app", "--reason", "moved", code=64).err
    assert "3 files here wait, and would still run after an import" in said
    assert "templedb migration baseline" in said
    terminal("deploy", "run", "app", code=78)


def test_import_says_what_there_is_when_a_tool_is_only_noticed(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    create, insert = TABLES["knex"]
    owned(pg, f"{TABLE}; {create}; {insert}")
    planned(terminal, tmp_path / "project", pg.dsn)
    said = terminal("migration", "import", "app", "--reason", "moved", code=64).err
    assert "knex (public.knex_migrations) in DATABASE_URL cannot be imported" in said
    assert "templedb migration baseline" in said


def test_formatted_sql_is_asked_for_when_its_table_has_other_paths(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    owned(pg, f"{TABLE}; {DATABASECHANGELOG}")
    insert = "INSERT INTO databasechangelog VALUES ('1', 'me', %s, now(), 1, 'EXECUTED', '9')"
    owned(pg, insert, "elsewhere/old.sql")
    body = "--liquibase formatted sql\n--changeset me:1\nINSERT INTO rate VALUES (1);\n"
    planned(terminal, tmp_path / "project", pg.dsn, {"one.sql": body})
    said = terminal("deploy", "run", "app", code=78).err
    assert "says that liquibase has run migrations in this database" in said
    # A path there may also begin further up: then it is the changeset of the file here.
    owned(pg, insert, "src/main/resources/sql/one.sql")
    assert "liquibase has run 1 of these files" in terminal("deploy", "run", "app", code=78).err
    terminal("migration", "import", "app", "--reason", "moved")
    terminal("deploy", "run", "app")
    assert pg.query("SELECT count(*) FROM rate") == [(0,)]


@pytest.mark.parametrize("schema", ["auth", "storage"])
def test_first_run_asks_nothing_when_a_platform_has_migrated_its_own_schema(
    schema: str, terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    owned(
        pg,
        f"{TABLE}; CREATE SCHEMA {schema}; CREATE TABLE {schema}.schema_migrations"
        f" (version varchar PRIMARY KEY); INSERT INTO {schema}.schema_migrations VALUES ('1')",
    )
    planned(terminal, tmp_path / "project", pg.dsn)
    terminal("deploy", "run", "app")
    assert pg.query("SELECT count(*) FROM rate") == [(3,)]


def test_first_run_is_refused_when_the_role_may_not_read_the_other_table(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    create, insert = TABLES["knex"]
    owned(pg, TABLE)
    pg.query(f"{create}; {insert}; REVOKE ALL ON knex_migrations FROM PUBLIC")
    planned(terminal, tmp_path / "project", pg.dsn)
    said = terminal("deploy", "run", "app", code=78).err
    assert "may not read public.knex_migrations, of knex" in said
    assert "GRANT SELECT ON public.knex_migrations" in said


def test_files_of_the_tool_run_when_its_table_has_none_of_their_versions(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    create, insert = TABLES["goose"]
    owned(pg, f"{TABLE}; {create}; {insert}")
    body = "-- +goose Up\nINSERT INTO rate VALUES (1);\n"
    planned(terminal, tmp_path / "project", pg.dsn, {"100_a.sql": body, "101_b.sql": body})
    terminal("deploy", "run", "app")
    assert pg.query("SELECT count(*) FROM rate") == [(2,)]


@pytest.mark.parametrize("tool", ["flyway", "golang-migrate", "alembic", "knex"])
def test_first_run_is_refused_when_another_tool_has_migrated_a_duckdb_file(
    tool: str, terminal: Terminal, tmp_path: Path
) -> None:
    create, insert = (part.replace("serial", "int") for part in TABLES[tool])
    file = tmp_path / "target.duckdb"
    with duckdb.connect(str(file)) as connection:
        for each in (TABLE, create, insert):
            connection.execute(each)
    planned(terminal, tmp_path / "project", f"duckdb:{file}")
    said = terminal("deploy", "run", "app", code=78).err
    assert f"says that {tool} has run migrations in this database" in said
    terminal(
        "migration", "baseline", "app", "--through", "sql/003_late.sql", "--reason", "it ran them"
    )
    terminal("deploy", "run", "app")
    with duckdb.connect(str(file)) as connection:
        assert connection.execute("SELECT count(*) FROM rate").fetchall() == [(0,)]
