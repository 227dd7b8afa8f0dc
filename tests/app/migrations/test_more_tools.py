"""Liquibase, Alembic, tern and River: what their tables tell, and what is made of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from templedb_nb.core.migrations.layouts.liquibase import changesets
from templedb_nb.core.migrations.script import read_script
from templedb_nb.model.layout import Layout, Reading
from tests import postgres
from tests.app.migrations.test_adoption import imported, owned
from tests.conftest import Database, Shop, Terminal, databases
from tests.corpus import Corpus, by_psql, copied, deployed, dumped

HALF = 6


@pytest.fixture
def other(server: postgres.Server) -> Iterator[Database]:
    yield from databases(server)


# --- Liquibase ----------------------------------------------------------------------------------


def liquibase(pg: Database, corpus: Corpus, count: int, prefix: str = "db/changelog/") -> None:
    """Write the table as Liquibase does, with the first changesets."""
    owned(
        pg,
        "CREATE TABLE databasechangelog (id varchar(255) NOT NULL, author varchar(255) NOT NULL,"
        " filename varchar(255) NOT NULL, dateexecuted timestamp NOT NULL, orderexecuted int NOT NULL,"
        " exectype varchar(10) NOT NULL, md5sum varchar(35), description varchar(255),"
        " comments varchar(255), tag varchar(255), liquibase varchar(20), contexts varchar(255),"
        " labels varchar(255), deployment_id varchar(10));"
        "CREATE TABLE databasechangeloglock (id int PRIMARY KEY, locked boolean NOT NULL,"
        " lockgranted timestamp, lockedby varchar(255));"
        "INSERT INTO databasechangeloglock VALUES (1, false, NULL, NULL)",
    )
    insert = (
        "INSERT INTO databasechangelog VALUES"
        " (%s, %s, %s, now(), %s, 'EXECUTED', '9:abc', '', '', NULL, '4.30', NULL, NULL, '1')"
    )
    found = [
        (path.name, *re.match(r"(.*)::(.*)", each.part).groups())  # type: ignore[union-attr]
        for path in sorted(corpus.folder.glob("*.sql"))
        for each in changesets(path.read_text(encoding="utf-8-sig"))
    ]
    for order, (name, own, author) in enumerate(found[:count], 1):
        owned(pg, insert, own, author, f"{prefix}{name}", order)


@pytest.mark.parametrize("prefix", ["db/changelog/", "classpath:db/changelog/", "changelog/"])
def test_deployment_gives_the_whole_schema_when_liquibase_ran_the_first_half(
    terminal: Terminal, pg: Database, other: Database, tmp_path: Path, prefix: str
) -> None:
    corpus = copied("liquibase", tmp_path / "project")
    by_psql(iter(list(corpus.ups())[:HALF]), pg, tmp_path)
    liquibase(pg, corpus, HALF, prefix)
    deployed(terminal, corpus, pg)
    refused = terminal("deploy", "run", "app", code=78).err
    assert f"liquibase has run {HALF} of these files" in refused
    found = imported(terminal)
    assert {row["verdict"] for row in found.values()} == {"assumed"}
    terminal("migration", "import", "app", "--reason", "we move over")
    terminal("deploy", "run", "app")
    owned(pg, "DROP TABLE databasechangelog, databasechangeloglock")
    by_psql(corpus.ups(), other, tmp_path)
    assert dumped(pg) == dumped(other)


def test_change_of_an_xml_changelog_is_imported_when_it_is_written_as_formatted_sql(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    corpus = copied("liquibase", tmp_path / "other")
    liquibase(pg, corpus, 0)
    master = "db/changelog/db.changelog-master.xml"
    insert = (
        "INSERT INTO databasechangelog VALUES ('1', 'me', %s, now(), 1, 'EXECUTED', '9:abc',"
        " 'sqlFile path=sql/create.sql', '', NULL, '4.30', NULL, NULL, '1')"
    )
    owned(pg, insert, master)
    owned(pg, "CREATE TABLE one (id int)")
    sets = "".join(
        f"--changeset me:{n} logicalFilePath:{master}\nCREATE TABLE {name} (id int);\n"
        for n, name in ((1, "one"), (2, "two"))
    )
    assert "liquibase has run 1 of these files" in planned(terminal, tmp_path, pg, sets)
    owned(pg, insert.replace("'1', 'me'", "'7', 'you'"), master)
    gone = imported(terminal)[f"{master}::7::you"]
    assert gone["verdict"] == "missing"
    assert f"--changeset you:7 logicalFilePath:{master}" in gone["note"]
    terminal("migration", "import", "app", "--reason", "we move over")
    terminal("deploy", "run", "app")
    assert pg.query("SELECT count(*) FROM two") == [(0,)]


def test_migration_import_ends_with_24_when_liquibase_holds_its_lock(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    corpus = copied("liquibase", tmp_path / "project")
    liquibase(pg, corpus, HALF)
    owned(pg, "UPDATE databasechangeloglock SET locked = true")
    deployed(terminal, corpus, pg)
    assert "is running" in terminal("migration", "import", "app", code=24).err


def test_edit_changes_only_its_own_changeset_when_a_file_has_several(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    corpus = copied("liquibase", tmp_path / "project")
    deployed(terminal, corpus, pg)
    terminal("deploy", "run", "app")
    file = corpus.folder / "001_first.sql"
    file.write_text(file.read_text().replace("generate_series(1, 3)", "generate_series(1, 4)"))
    rows = terminal("migration", "status", "app", "--json").json[-1]["rows"]
    assert [row["key"].split("::")[1] for row in rows if row["state"] == "changed"] == ["own_pair"]
    assert sum(row["state"] == "applied" for row in rows) == len(rows) - 1


def liquibased(sets: str, part: str = "1::me") -> list[str]:
    text = f"--liquibase formatted sql\n{sets}"
    reading = Reading(layout=Layout.LIQUIBASE, part=part)
    return [f"{each.line}: {each.message}" for each in read_script(text.encode(), reading).problems]


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ("failOnError:false", "2: failOnError:false ignores an error"),
        ("runInTransacton:false", "did you mean runInTransaction?"),
        ('endDelimiter:"/"', "its statements end with '/'"),
    ],
)
def test_changeset_is_refused_at_its_line_when_an_attribute_cannot_be_honoured(
    attributes: str, told: str
) -> None:
    assert told in "\n".join(liquibased(f"--changeset me:1 {attributes}\nSELECT 1;\n"))


def test_liquibase_parameter_is_refused_at_its_line_when_it_has_no_value() -> None:
    assert liquibased("--changeset me:1\nCREATE TABLE ${name} (id int);\n")[0].startswith(
        "3: ${name}"
    )


def planned(terminal: Terminal, tmp_path: Path, pg: Database, text: str, **files: str) -> str:
    folder = tmp_path / "project" / "sql"
    folder.mkdir(parents=True)
    (folder / "1.sql").write_text(f"--liquibase formatted sql\n{text}")
    for name, body in files.items():
        (folder / name.replace("__", ".")).write_text(body)
    terminal("project", "import", str(tmp_path / "project"), "--slug", "app")
    terminal.config({"name": "migrations", "file_patterns": ["sql/*.sql"]})
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", "staging")
    return terminal("deploy", "run", "app", "--dry-run", code=None).all


def test_attribute_is_refused_only_when_it_may_be_a_slip(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    sets = "--changeset me:a id:001\nCREATE TABLE a ();\n"
    slip = "--changeset me:b runInTransactoin:false\nCREATE TABLE b ();\n"
    assert "there is no attribute runintransactoin" in planned(terminal, tmp_path, pg, sets + slip)
    terminal.file("project/sql/1.sql", f"--liquibase formatted sql\n{sets}")
    terminal("deploy", "run", "app")
    assert pg.tables() == ["a"]


def test_changeset_is_left_out_when_it_is_for_another_database(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    sets = "".join(
        f"--changeset me:{name} dbms:{dbms}\nCREATE TABLE {name} ();\n"
        for name, dbms in (("ours", "postgresql,h2"), ("theirs", "oracle"), ("rest", "!mysql"))
    )
    said = planned(terminal, tmp_path, pg, sets)
    assert "is for oracle: it is left out" in said
    terminal("deploy", "run", "app")
    assert pg.tables() == ["ours", "rest"]


def test_changeset_is_opaque_and_not_skipped_over_when_it_has_preconditions(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    sets = (
        "--changeset me:1\n--preconditions onFail:MARK_RAN\n"
        "--precondition-sql-check expectedResult:0 SELECT 1\nCREATE TABLE a ();\n"
        "--changeset me:2\nCREATE TABLE b ();\n"
    )
    said = planned(terminal, tmp_path, pg, sets)
    assert "has preconditions, which only Liquibase can check" in said
    assert "would run before it" in said


def test_changeset_runs_again_when_it_runs_on_change_and_was_edited(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    text = "--changeset me:1\nCREATE TABLE a ();\n--changeset me:v runOnChange:true\n{}\n"
    planned(terminal, tmp_path, pg, text.format("CREATE OR REPLACE VIEW v AS SELECT 1 AS x;"))
    terminal("deploy", "run", "app")
    changed = text.format("CREATE OR REPLACE VIEW v AS SELECT 2 AS x;")
    (tmp_path / "project" / "sql" / "1.sql").write_text(f"--liquibase formatted sql\n{changed}")
    assert "1 migration applied" in terminal("deploy", "run", "app").out
    assert pg.query("SELECT x FROM v") == [(2,)]


def test_files_run_in_changelog_order_when_a_changelog_includes_them(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    second = "--liquibase formatted sql\n--changeset me:first\nCREATE TABLE first ();\n"
    root = '<databaseChangeLog><include file="2.sql"/><include file="1.sql"/></databaseChangeLog>'
    sets = "--changeset me:second\nALTER TABLE first ADD COLUMN x int;\n"
    planned(terminal, tmp_path, pg, sets, **{"2__sql": second, "db__changelog__xml": root})
    terminal("deploy", "run", "app")
    ran = pg.query("SELECT key FROM templedb.migration ORDER BY run_seq")
    assert [key for (key,) in ran] == ["sql/2.sql::first::me", "sql/1.sql::second::me"]


# --- Alembic itself -----------------------------------------------------------------------------


def alembic(pg: Database, root: Path, *words: str) -> str:
    program = [sys.executable, "-m", "alembic", *words]
    url = pg.dsn.replace("postgresql://", "postgresql+psycopg://")
    done = subprocess.run(
        program, cwd=root, capture_output=True, text=True, check=False,
        env={**os.environ, "ALEMBIC_URL": url},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


REVISION = '''
"""{name}"""
from alembic import op

revision: str = "{name}"
down_revision = {above}
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute('CREATE TABLE t_{name} (id int)')


def downgrade() -> None:
    op.execute('DROP TABLE t_{name}')
'''
GRAPH = {
    "root": "None",
    "left": '"root"',
    "right": '"root"',
    "both": '("left", "right")',
    "aa_last": '"both"',
}


@pytest.fixture
def revisions(pg: Database, tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    alembic(pg, root, "init", "migrations")
    ini = root / "alembic.ini"
    ini.write_text(re.sub(r"(?m)^sqlalchemy.url = .*$", "sqlalchemy.url = x", ini.read_text()))
    env = root / "migrations" / "env.py"
    env.write_text(
        env.read_text().replace(
            "config = context.config\n",
            "config = context.config\nimport os\nconfig.set_main_option('sqlalchemy.url', os.environ['ALEMBIC_URL'].replace('%', '%%'))\n",
        )
    )
    for name, above in GRAPH.items():
        (root / "migrations" / "versions" / f"{name}_x.py").write_text(
            REVISION.format(name=name, above=above)
        )
    return root


def test_alembic_import_assumes_every_revision_before_a_head_when_alembic_is_part_way(
    revisions: Path, terminal: Terminal, pg: Database
) -> None:
    alembic(pg, revisions, "upgrade", "left")
    sql = revisions / "sql"
    sql.mkdir()
    (sql / "001_more.sql").write_text("CREATE TABLE more ();")
    terminal("project", "import", str(revisions), "--slug", "app")
    terminal.config(
        {
            "name": "python",
            "kind": "migrations",
            "order": 1,
            "file_patterns": ["migrations/versions/*.py"],
        },
        {"name": "migrations", "order": 2, "file_patterns": ["sql/*.sql"]},
    )
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", "staging")
    said = terminal("deploy", "run", "app", "--dry-run", code=None).all
    assert "is read as alembic would" in said
    found = imported(terminal)
    assert [row["key"] for row in found.values()] == ["root", "left"]
    assert {row["verdict"] for row in found.values()} == {"assumed"}
    terminal("migration", "import", "app")
    rows = terminal("migration", "status", "app", "--json").json[-1]["rows"]
    states = {row["key"]: row["state"] for row in rows}
    assert states["left"] == "applied"
    assert states["right"] == states["both"] == states["aa_last"] == "opaque"
    assert [row["key"] for row in rows if row["group"] == "python"] == [
        "root",
        "left",
        "right",
        "both",
        "aa_last",
    ]
    alembic(pg, revisions, "upgrade", "head")
    terminal("migration", "import", "app")
    terminal("deploy", "run", "app")
    assert "more" in pg.tables()
    assert pg.query("SELECT version_num FROM alembic_version") == [("aa_last",)]


# --- tern, River --------------------------------------------------------------------------------


def test_migrations_below_the_version_are_assumed_when_tern_keeps_only_one_version(
    terminal: Terminal, pg: Database, other: Database, tmp_path: Path
) -> None:
    corpus = copied("tern", tmp_path / "project")
    by_psql(iter(list(corpus.ups())[:HALF]), pg, tmp_path)
    owned(
        pg,
        f"CREATE TABLE schema_version (version int4 NOT NULL); INSERT INTO schema_version VALUES ({HALF})",
    )
    deployed(terminal, corpus, pg)
    found = imported(terminal)
    assert len(found) == HALF
    assert all("tern keeps one version" in row["note"] for row in found.values())
    terminal("migration", "import", "app")
    terminal("deploy", "run", "app")
    by_psql(corpus.ups(), other, tmp_path)
    owned(pg, "DROP TABLE schema_version")
    assert dumped(pg) == dumped(other)


def test_tern_migrations_are_refused_when_a_number_is_missing(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    corpus = copied("tern", tmp_path / "project")
    (corpus.folder / "003_stray_pairs.sql").unlink()
    deployed(terminal, corpus, pg)
    assert "number 3 is missing" in terminal("deploy", "run", "app", code=78).err


def test_river_rows_are_not_taken_for_project_files_when_imported(
    terminal: Terminal, pg: Database, tmp_path: Path
) -> None:
    corpus = copied("golang-migrate", tmp_path / "project")
    deployed(terminal, corpus, pg)
    owned(
        pg,
        "CREATE TABLE river_migration (line text NOT NULL, version bigint NOT NULL,"
        " created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (line, version));"
        "INSERT INTO river_migration (line, version) VALUES ('main', 1), ('main', 2), ('other', 9)",
    )
    found = imported(terminal)
    assert [row["key"] for row in found.values()] == ["river:main:1", "river:main:2"]
    assert {row["verdict"] for row in found.values()} == {"missing"}
    said = terminal("deploy", "run", "app")
    assert "applied" in said.out


def test_plan_is_refused_when_liquibase_runs_other_files_before_the_sql(shop: Shop) -> None:
    head = "--liquibase formatted sql\n--changeset a:2\n"
    shop.terminal.file("app/db/changelog-master.yaml", "databaseChangeLog: []\n")
    shop.terminal.file("app/db/001-tables.xml", "<databaseChangeLog/>\n")
    shop.terminal.file("app/db/002-rows.sql", f"{head}CREATE TABLE late (id int);\n")
    shop.config({"name": "changes", "file_patterns": ["db/*.sql"]})
    said = shop.run(code=78).err
    assert "db/001-tables.xml: is no SQL, and only Liquibase can run it" in said
    assert "db/002-rows.sql would run before it" in said
    assert "changelog-master" not in said
    assert shop.pg.tables() == []
    (shop.terminal.home / "app/db/001-tables.xml").rename(
        shop.terminal.home / "app/db/003-tables.xml"
    )
    shop.run()
    assert shop.pg.tables() == ["late"]
