"""Two folders of one database with the same versions: the second one's keys carry its name."""

from __future__ import annotations

import pytest

from templedb_nb.core.migrations.status import GroupMigrations, migrations
from templedb_nb.model.config import DeployConfig, Group, GroupKind
from templedb_nb.model.file import FileEntry
from templedb_nb.model.ledger import Checksums, Entry, EntryKind, Ledger, State
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import DATABASE_URL
from tests.conftest import Shop

AB = "a/1_x.up.sql a/2_x.up.sql b/1_y.up.sql b/2_y.up.sql"


def entry(word: str) -> Entry:
    """Return the row that ``KEY=FILE`` or ``KEY=FILE@TEXT`` stands for."""
    key, _, rest = word.partition("=")
    file, _, text = rest.partition("@")
    sums = Checksums(text=Digest(text or file), tokens=Digest(text or file))
    return Entry(key=key, file=file, kind=EntryKind.RUN, state=State.APPLIED, checksums=sums)


def placed(names: str, ledger: str = "", *, order: str = "") -> tuple[GroupMigrations, ...]:
    """Arrange folders a, b, c as one group each; *ledger* has ``KEY=FILE`` words."""
    files = tuple(
        FileEntry(path=name, blob=Digest(name), size=1, executable=False)
        for name in sorted(names.split())
    )
    homes = order.split() or sorted({name.partition("/")[0] for name in names.split()})
    groups = tuple(
        Group(name=home, order=n, kind=GroupKind.MIGRATIONS, file_patterns=(f"{home}/*.sql",))
        for n, home in enumerate(homes, start=1)
    )
    rows = tuple(entry(word) for word in ledger.split())
    ledgers = {DATABASE_URL: Ledger(exists=True, entries=rows)}
    return migrations(DeployConfig(groups=groups), files, ledgers=ledgers)


def keys(found: tuple[GroupMigrations, ...]) -> str:
    return " ".join(each.key for group in found for each in group.arranged.files)


def errors(found: tuple[GroupMigrations, ...]) -> list[str]:
    return [str(f) for g in found for f in g.arranged.findings if f.severity == "error"]


@pytest.mark.parametrize(
    ("names", "ledger", "expected"),
    [
        (AB, "", "1 2 b/1 b/2"),
        ("a/1_x.up.sql b/2_y.up.sql", "", "1 2"),
        (f"{AB} c/2_z.up.sql c/7_z.up.sql", "", "1 2 b/1 b/2 c/2 c/7"),
        # what stands in the ledger keeps its key
        (AB, "1=a/1_x.up.sql b/1=b/1_y.up.sql", "1 2 b/1 b/2"),
        (AB, "1=b/1_y.up.sql 2=b/2_y.up.sql", "a/1 a/2 1 2"),
        (f"{AB} b/3_y.up.sql", "1=b/1_y.up.sql", "a/1 a/2 1 2 3"),
        (
            "a/1_x.up.sql a/2_x.up.sql b/2_y.up.sql b/10_y.up.sql b/11_y.up.sql",
            "1=a/1_x.up.sql 2=a/2_x.up.sql 10=b/10_y.up.sql",
            "1 2 b/2 10 b/11",
        ),
        # the first folder is gone, or a file of it: nobody else's keys become plain
        ("b/1_y.up.sql b/2_y.up.sql", "1=a/1_x.up.sql b/1=b/1_y.up.sql", "b/1 b/2"),
        ("a/1_x.up.sql b/1_y.up.sql b/2_y.up.sql", "1=a/1_x.up.sql 2=a/2_x.up.sql", "1 b/1 b/2"),
        # a folder was renamed: its text tells whose the key is
        ("c/1_x.up.sql d/1_y.up.sql", "1=old/1_y.up.sql@d/1_y.up.sql", "c/1 1"),
    ],
)
def test_key_carries_its_folder_when_another_has_the_version(
    names: str, ledger: str, expected: str
) -> None:
    found = placed(names, ledger)
    assert sorted(keys(found).split()) == sorted(expected.split())
    assert keys(found) == expected
    assert errors(found) == []


def test_folders_are_refused_when_the_ledger_does_not_say_whose_a_key_is() -> None:
    (said,) = errors(placed("a/1_x.up.sql b/1_y.up.sql", "1=old/1_z.up.sql"))
    assert "has the key 1; so has a/1_x.up.sql" in said


def test_order_of_groups_decides_when_the_ledger_is_empty() -> None:
    assert keys(placed(AB, order="b a")) == "1 2 a/1 a/2"


def test_keys_do_not_change_when_the_order_of_groups_does() -> None:
    ledger = "1=a/1_x.up.sql 2=a/2_x.up.sql b/1=b/1_y.up.sql b/2=b/2_y.up.sql"
    assert keys(placed(AB, ledger, order="b a")) == "b/1 b/2 1 2"


def test_both_folders_run_when_they_have_the_same_versions(shop: Shop) -> None:
    for name in ("a", "b"):
        shop.terminal.file(f"app/{name}/1_t.up.sql", f"CREATE TABLE {name}1 (id int);")
        shop.terminal.file(f"app/{name}/1_t.down.sql", f"DROP TABLE {name}1;")
    shop.config({"name": "migrations", "file_patterns": ["a/*.sql", "b/*.sql"]})
    said = shop.terminal("deploy", "plan", "app").all
    assert "a/ has the same versions: keys of this folder carry its name, as in b/1" in said
    shop.run()
    assert {"a1", "b1"} <= set(shop.pg.tables())
    assert shop.pg.query("SELECT key FROM templedb.migration ORDER BY key") == [("1",), ("b/1",)]
    assert "nothing" in shop.run().all
    shop.terminal.file("app/b/2_t.up.sql", "CREATE TABLE b2 (id int);")
    shop.run()
    shop.terminal("migration", "down", "b/1_t.up.sql", "--reason", "x", code=None)
    assert ("b/2",) in shop.pg.query("SELECT key FROM templedb.migration")


def test_both_folders_run_when_an_order_file_lists_them(shop: Shop) -> None:
    for name in ("a", "b"):
        shop.terminal.file(f"app/{name}/1_t.up.sql", f"CREATE TABLE {name}1 (id int);")
    shop.terminal.file("app/order.txt", "b/1_t.up.sql\na/1_t.up.sql\n")
    group = {"name": "m", "file_patterns": ["a/*.sql", "b/*.sql"], "kind": "migrations"}
    shop.config({**group, "order_file": "order.txt"})
    shop.run()
    assert {"a1", "b1"} <= set(shop.pg.tables())


def two_tables(shop: Shop) -> None:
    for name in ("a", "b"):
        for n in (1, 2):
            shop.terminal.file(f"app/{name}/{n}_t.up.sql", f"CREATE TABLE {name}{n} (id int);")
    shop.config({"name": "migrations", "file_patterns": ["a/*.sql", "b/*.sql"]})
    shop.pg.query("CREATE TABLE a1 (id int); CREATE TABLE b1 (id int); CREATE TABLE b2 (id int)")
    for schema, version in (("public", 1), ("other", 2)):
        shop.pg.query(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        table = f"{schema}.schema_migrations"
        shop.pg.query(f"CREATE TABLE {table} (version bigint PRIMARY KEY, dirty bool NOT NULL)")
        shop.pg.query(f"INSERT INTO {table} VALUES ({version}, false)")
        shop.pg.query(f"GRANT USAGE ON SCHEMA {schema} TO {shop.pg.role}")
        shop.pg.query(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {shop.pg.role}")
    shop.terminal("project", "sync", "app")


def test_history_is_mapped_to_its_folder_when_two_have_the_same_versions(shop: Shop) -> None:
    two_tables(shop)
    words = "migration", "import", "app", "--from", "golang-migrate", "--reason", "x"
    asked = shop.terminal(*words, "--table", "public.schema_migrations", code=None)
    assert asked.code != 0
    assert "--folder a" in asked.err
    shop.terminal(*words, "--table", "public.schema_migrations", "--folder", "a")
    shop.terminal(*words, "--table", "other.schema_migrations", "--folder", "b")
    rows = shop.pg.query("SELECT key, state FROM templedb.migration ORDER BY key")
    assert rows == [("1", "applied"), ("b/1", "applied"), ("b/2", "applied")]
    assert "1 migration applied" in shop.run().out
    assert "a2" in shop.pg.tables()


def test_table_is_not_written_along_when_keys_carry_their_folder(shop: Shop) -> None:
    two_tables(shop)
    words = "migration", "import", "app", "--from", "golang-migrate", "--reason", "x", "--shadow"
    table = "--table", "other.schema_migrations"
    said = shop.terminal(*words, *table, "--folder", "b", code=None)
    assert "--shadow cannot write other.schema_migrations" in said.err
    shop.terminal(*words, "--table", "public.schema_migrations", "--folder", "a")
    assert (
        "b/1_t.up.sql: is not one of golang-migrate's" in shop.terminal("deploy", "plan", "app").all
    )


def test_import_is_refused_when_no_migration_lies_in_the_folder(shop: Shop) -> None:
    two_tables(shop)
    words = "migration", "import", "app", "--table", "other.schema_migrations", "--reason", "x"
    assert "no migration in nope" in shop.terminal(*words, "--folder", "nope", code=None).err
